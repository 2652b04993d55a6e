//! That docs/edge.md is correct.

use libtest_mimic::Trial;

use super::Setup;
use crate::{
    conformance::differences::{DIFFERENCES, Difference},
    docs::markdown,
    support::{scripted::Reply, trials::trials},
};

const DOCUMENT: &str = include_str!("../../../docs/edge.md");

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => the_table_of_differences_matches_the_rules,
        [] => features_that_are_missing_are_not_announced,
        [] => instructions_in_a_body_are_passed_on_as_a_body,
    ]
}

/// In both directions, and in the order of the rules.
async fn the_table_of_differences_matches_the_rules() -> anyhow::Result<()> {
    let cell = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    let row = |difference: &&Difference| {
        [difference.name, difference.pushpin, difference.edge, difference.why].map(cell).to_vec()
    };
    let rules: Vec<Vec<String>> = DIFFERENCES.iter().map(row).collect();
    assert_eq!(markdown::table(DOCUMENT, "| what | Pushpin 1.36 | the edge | why |"), rules);
    Ok(())
}

async fn features_that_are_missing_are_not_announced() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    setup.answer("", Reply::ok(""));
    setup.get("").await?;
    let features = setup.requests("")[0].headers.all("grip-feature").join(",");
    let (_, below) = DOCUMENT.split_once("announces these features: ").unwrap_or_default();
    let announced = markdown::code_spans(below.split_once(".\n").unwrap_or_default().0).join(",");
    assert_eq!(announced, features);
    for missing in ["ws", "session", "instruct", "build-id", "var-subst", "http2"] {
        assert!(!features.split(',').any(|feature| feature.split(':').any(|part| part == missing)), "{features}");
    }
    Ok(())
}

async fn instructions_in_a_body_are_passed_on_as_a_body() -> anyhow::Result<()> {
    let setup = Setup::on_edge(&[]).await?;
    let body = r#"{"hold":{"mode":"stream","channels":[{"name":"a"}]}}"#;
    setup.answer("", Reply::ok(body).header("Content-Type", "application/grip-instruct"));
    let mut answer = setup.get("").await?;
    assert_eq!(answer.headers.get("content-type"), Some("application/grip-instruct"));
    answer.ends_as(body).await
}
