//! Checks README.md and docs/: every command in them is run or checked, their tables and numbers match the program, the
//! tests that they name exist, and their links lead somewhere.

use std::{fs, path::Path};

use anyhow::ensure;
use libtest_mimic::Trial;
use tokio::process::Command;

mod commands;
mod errors;
mod examples;
mod links;
pub(crate) mod markdown;
mod numbers;
mod tables;

/// The command line of the benchmark `fanout`.
#[path = "../../../benches/fanout/plan.rs"]
#[expect(dead_code, reason = "the benchmark uses the result of parsing")]
mod plan;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../../../README.md");
const API: &str = include_str!("../../../docs/api.md");
const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const DEPLOY: &str = include_str!("../../../docs/deploy.md");
const EDGE: &str = include_str!("../../../docs/edge.md");
const RELIABILITY: &str = include_str!("../../../docs/reliability.md");

pub(crate) fn trials() -> Vec<Trial> {
    let trials = [
        commands::trials(),
        errors::trials(),
        examples::trials(),
        links::trials(),
        numbers::trials(),
        tables::trials(),
    ];
    trials.into_iter().flatten().collect()
}

/// A document: its path in the repository, and its text.
struct Document {
    path: String,
    text: String,
}

/// README.md and every document in docs/.
fn documents() -> anyhow::Result<Vec<Document>> {
    let mut paths = vec!["README.md".to_owned()];
    for entry in fs::read_dir(Path::new(ROOT).join("docs"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort();
    let read = |path: String| Ok(Document { text: fs::read_to_string(Path::new(ROOT).join(&path))?, path });
    paths.into_iter().map(read).collect()
}

/// Returns the names of all black-box tests, which are in this executable.
async fn black_box_tests() -> anyhow::Result<Vec<String>> {
    let listed = Command::new(std::env::current_exe()?).arg("--list").kill_on_drop(true).output().await?;
    let text = String::from_utf8(listed.stdout)?;
    // An ignored test has a mark after its name.
    let names = text.lines().filter_map(|line| line.split_once(": test").map(|(name, _)| name.to_owned()));
    let names: Vec<String> = names.collect();
    ensure!(names.len() > 100, "only {} tests are listed", names.len());
    Ok(names)
}
