//! Checks README.md and docs/: every command in them runs, their tables match the program, and their links lead somewhere.

use std::{fs, path::Path};

use libtest_mimic::Trial;

mod commands;
mod errors;
mod examples;
mod links;
pub(crate) mod markdown;
mod tables;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../../../README.md");
const API: &str = include_str!("../../../docs/api.md");
const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const DEPLOY: &str = include_str!("../../../docs/deploy.md");

pub(crate) fn trials() -> Vec<Trial> {
    let trials = [commands::trials(), errors::trials(), examples::trials(), links::trials(), tables::trials()];
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
