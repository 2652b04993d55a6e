//! docs/metrics.md, the dashboard and the alert rules name exactly the metrics that exist.

use std::collections::BTreeSet;

use anyhow::ensure;
use gripchat::telemetry::metrics::{Description, descriptions};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::{docs::markdown, support::trials::trials};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../ops/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../ops/alerts.yml");

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => the_documented_metrics_are_those_of_the_program,
        [] => the_dashboard_shows_every_metric,
        [] => the_alerts_use_existing_metrics,
    ]
}

async fn the_documented_metrics_are_those_of_the_program() -> anyhow::Result<()> {
    let row = |Description { name, kind, labels, help }: &Description| {
        [name.to_string(), kind.to_string(), labels.join(", "), help.to_string()].to_vec()
    };
    let program: Vec<Vec<String>> = descriptions().iter().map(row).collect();
    let written = |row: &Vec<String>| format!("| `{}` | {} | {} | {} |\n", row[0], row[1], row[2], row[3]);
    let table: String = program.iter().map(written).collect();
    let document = markdown::table(DOCUMENT, "| metric | kind | labels | what |");
    assert_eq!(document, program, "the table of the program:\n{table}");
    Ok(())
}

/// Returns the metrics that a text names, histograms without the suffixes of their parts.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("gripchat_") || word.starts_with("process_"));
    let is_histogram =
        |stem: &&str| descriptions().iter().any(|known| known.kind == "histogram" && known.name == *stem);
    let stem = |word: &str| {
        let part = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).filter(is_histogram);
        part.unwrap_or(word).to_owned()
    };
    ours.map(stem).collect()
}

fn known() -> BTreeSet<String> {
    descriptions().iter().map(|known| known.name.to_owned()).collect()
}

/// All of them, because a metric that nobody sees is not worth its time series.
async fn the_dashboard_shows_every_metric() -> anyhow::Result<()> {
    assert_eq!(named(DASHBOARD), known(), "left: the dashboard");
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let variables = dashboard["templating"]["list"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(variables.iter().any(|variable| variable["type"] == "datasource"), "{variables:?}");
    let panels = dashboard["panels"].as_array().map_or(&[][..], Vec::as_slice);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has a unique id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().map_or(&[][..], Vec::as_slice) {
            let query = target["expr"].as_str().unwrap_or_default();
            ensure!(!query.contains("rate(") || query.contains("[$__rate_interval]"), "{query}");
        }
    }
    Ok(())
}

async fn the_alerts_use_existing_metrics() -> anyhow::Result<()> {
    let unknown: Vec<_> = named(ALERTS).difference(&known()).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let count = |word: &str| ALERTS.lines().filter(|line| line.trim_start().starts_with(word)).count();
    let alerts = count("- alert:");
    assert!(alerts > 0);
    for part in ["expr:", "severity:", "summary:", "description:"] {
        assert_eq!(count(part), alerts, "every alert has {part}");
    }
    Ok(())
}
