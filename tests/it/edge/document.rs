//! docs/edge.md: what it says is so.

use libtest_mimic::Trial;

use super::Stand;
use crate::{
    conformance::differences::{DIFFERENCES, Difference},
    docs::markdown,
    support::{scripted::Reply, trials::trials},
};

const DOCUMENT: &str = include_str!("../../../docs/edge.md");

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => its_table_of_differences_is_the_one_of_the_rules,
        [] => what_it_names_as_missing_is_not_announced,
        [] => instructions_in_a_body_are_a_body,
    ]
}

/// In both directions, and in the order of the rules.
async fn its_table_of_differences_is_the_one_of_the_rules() -> anyhow::Result<()> {
    let said = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    let row = |difference: &&Difference| {
        [difference.name, difference.pushpin, difference.edge, difference.why].map(said).to_vec()
    };
    let rules: Vec<Vec<String>> = DIFFERENCES.iter().map(row).collect();
    assert_eq!(markdown::table(DOCUMENT, "| what | Pushpin 1.36 | the edge | why |"), rules);
    Ok(())
}

async fn what_it_names_as_missing_is_not_announced() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    stand.answer("", Reply::ok(""));
    stand.get("").await?;
    let features = stand.asked("")[0].headers.all("grip-feature").join(",");
    let (_, below) = DOCUMENT.split_once("announces these features: ").unwrap_or_default();
    let announced = markdown::code_spans(below.split_once(".\n").unwrap_or_default().0).join(",");
    assert_eq!(announced, features);
    for missing in ["ws", "session", "instruct", "build-id", "var-subst", "http2"] {
        assert!(!features.split(',').any(|feature| feature.split(':').any(|part| part == missing)), "{features}");
    }
    Ok(())
}

async fn instructions_in_a_body_are_a_body() -> anyhow::Result<()> {
    let stand = Stand::on_edge(&[]).await?;
    let body = r#"{"hold":{"mode":"stream","channels":[{"name":"a"}]}}"#;
    stand.answer("", Reply::ok(body).header("Content-Type", "application/grip-instruct"));
    let mut answer = stand.get("").await?;
    assert_eq!(answer.headers.get("content-type"), Some("application/grip-instruct"));
    answer.ends_as(body).await
}
