//! Checks that links and file names in the documents lead to existing files and headings, and that the README is short.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;

use super::{README, ROOT, documents, markdown};
use crate::support::trials::trials;

/// A README is read in one sitting; reference and tasks are in docs/.
const MAX_README_LINES: usize = 250;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => links_lead_to_files_and_headings,
        [] => named_files_exist,
        [] => the_readme_is_short_and_links_every_document,
    ]
}

async fn links_lead_to_files_and_headings() -> anyhow::Result<()> {
    for document in documents()? {
        let folder = Path::new(ROOT).join(&document.path);
        let folder = folder.parent().context("a folder")?;
        for link in markdown::links(&document.text).into_iter().filter(|link| !link.starts_with("http")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { Path::new(ROOT).join(&document.path) } else { folder.join(path) };
            ensure!(target.exists(), "{}: {link} does not exist", document.path);
            if !anchor.is_empty() {
                let anchors = markdown::anchors(&fs::read_to_string(&target)?);
                ensure!(anchors.iter().any(|known| known == anchor), "{}: no heading {link}", document.path);
            }
        }
    }
    Ok(())
}

async fn named_files_exist() -> anyhow::Result<()> {
    let folders = ["src/", "tests/", "scripts/", "client/", "templates/", "docs/", "ops/", "benches/"];
    let mut named = BTreeSet::new();
    for document in documents()? {
        let spans = markdown::code_spans(&document.text).into_iter();
        let files = spans.filter(|span| folders.iter().any(|folder| span.starts_with(folder)));
        named.extend(files.filter_map(|span| span.split_whitespace().next().map(str::to_owned)));
    }
    ensure!(named.len() > 20, "only these were found: {named:?}");
    for path in named {
        ensure!(Path::new(ROOT).join(&path).exists(), "{path} does not exist");
    }
    Ok(())
}

async fn the_readme_is_short_and_links_every_document() -> anyhow::Result<()> {
    let lines = README.lines().count();
    ensure!(lines <= MAX_README_LINES, "README.md has {lines} lines; move reference and tasks to docs/");
    let links: BTreeSet<&str> = markdown::links(README).into_iter().collect();
    for document in documents()?.into_iter().filter(|document| document.path != "README.md") {
        ensure!(links.contains(document.path.as_str()), "README.md does not link {}", document.path);
    }
    Ok(())
}
