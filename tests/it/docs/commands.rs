//! Runs or checks every command in the documents.
//!
//! | command | what is done |
//! |---|---|
//! | `curl …` | the tests in [`super::examples`] run it, and compare what it prints |
//! | `gripchat …`, `cargo run …` | the program is started with these arguments, on free ports and in a temporary folder |
//! | `scripts/…` | its `--help` is run, and must show this form of the arguments; `scripts/test` runs these tests |
//! | `cargo build …` | its features must exist; CI builds with them |
//! | `cargo test … <filter>` | there must be such a test, which CI runs, and the features that it needs must be given |
//! | `cargo bench --bench <name> …` | the benchmark must exist and have its features, and `fanout` must be able to parse its arguments |
//! | `docker compose …` | the file must exist; `scripts/test` validates it |
//!
//! A command of another kind fails the test: add what is done with it.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Parser as _;
use libtest_mimic::Trial;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use super::{ROOT, documents, markdown, plan::Plan};
use crate::support::{
    gripchat::{Program, command},
    stack::SOON,
    trials::trials,
};

/// The languages of fenced blocks. Commands are in `sh` blocks only, which is where this test looks for them.
const LANGUAGES: [&str; 5] = ["sh", "json", "js", "text", "yaml"];
/// Documents whose curl commands are run by [`super::examples`].
const WITH_EXAMPLES: [&str; 2] = ["README.md", "docs/api.md"];

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [Curl] => every_command_in_the_documents_is_run_or_checked,
    ]
}

async fn every_command_in_the_documents_is_run_or_checked() -> anyhow::Result<()> {
    let mut count = 0;
    for document in documents()? {
        blocks_are_recognized(&document.text).context(document.path.clone())?;
        for example in markdown::examples(&document.text) {
            for command in lines(&example.commands) {
                run(&document.path, &command).await.with_context(|| format!("{}: {command}", document.path))?;
                count += 1;
            }
        }
    }
    ensure!(count > 20, "only {count} commands were found");
    Ok(())
}

/// Checks that no block of commands is overlooked because it is written in another way.
fn blocks_are_recognized(document: &str) -> anyhow::Result<()> {
    let mut open = false;
    for line in document.lines() {
        let fence = line.trim_start();
        if open {
            open = line != "```";
        } else if fence.starts_with("```") || fence.starts_with("~~~") {
            let language = line.strip_prefix("```").unwrap_or_default();
            ensure!(
                LANGUAGES.contains(&language),
                "a block of another kind than an unindented {LANGUAGES:?}: {line:?}"
            );
            open = true;
        }
    }
    ensure!(!open, "a block has no end");
    Ok(())
}

/// Returns the commands of a block, with continued lines joined and comments removed.
fn lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let commands = joined.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim());
    commands.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

async fn run(document: &str, line: &str) -> anyhow::Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["curl", ..] => ensure!(WITH_EXAMPLES.contains(&document), "no test runs the curl commands of this document"),
        ["gripchat", ref arguments @ ..] => start(arguments).await?,
        ["cargo", "run", "--release"] => start(&[]).await?,
        ["cargo", "build", ref arguments @ ..] => features_exist(arguments)?,
        // CI does exactly this.
        ["cargo", "test", "--all-features"] => {}
        ["cargo", "test", "--all-features", "--test", "it", "--", filter] => black_box_test_exists(filter).await?,
        ["cargo", "test", "--lib", filter] | ["cargo", "test", "--lib", filter, "--", "--nocapture"] => {
            unit_test_exists(filter)?;
        }
        ["cargo", "bench", "--all-features", "--bench", name, ref arguments @ ..] => bench(name, true, arguments)?,
        ["cargo", "bench", "--bench", name, ref arguments @ ..] => bench(name, false, arguments)?,
        ["docker", "compose", ..] => ensure!(Path::new(ROOT).join("docker-compose.yml").exists()),
        ["scripts/test", "--", filter] => {
            black_box_test_exists(filter).await?;
            help("scripts/test", &["--"]).await?;
        }
        [script, ref arguments @ ..] if script.starts_with("scripts/") => help(script, arguments).await?,
        _ => bail!("it is not known how to check this command"),
    }
    Ok(())
}

/// Starts the program on free ports, and stops it after it has printed its first line.
async fn start(arguments: &[&str]) -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().to_string_lossy().into_owned();
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.replace("/var/lib/gripchat", &data).replace("127.0.0.1:7999", "127.0.0.1:0"))
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut env = vec![("DATA_DIR".to_owned(), data.clone())];
    // `edge` calls the address of its clients LISTEN, and has no EDGE_LISTEN.
    env.extend(["LISTEN", "EDGE_LISTEN", "CONTROL_LISTEN"].map(|name| (name.to_owned(), "127.0.0.1:0".to_owned())));
    env.push(("SHUTDOWN_DELAY".to_owned(), "0s".to_owned()));
    let (mut program, command) = (Program::new()?, command(&arguments, &env));
    // All lines that the command prints: it cannot print to a pipe that nobody reads.
    let first = match arguments.first() {
        Some(&"serve") => program.start::<1>(command).await?[0].clone(),
        Some(&"edge") => program.start::<2>(command).await?[0].clone(),
        _ => program.start::<3>(command).await?[0].clone(),
    };
    ensure!(first.contains("http://127.0.0.1:"), "it printed {first}");
    program.stop().await
}

/// Runs `--help`, and looks for the arguments in what it prints. Other numbers are the same form.
async fn help(script: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut help = Command::new(Path::new(ROOT).join(script));
    help.arg("--help").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(SOON, help.output()).await.context("it does not end")??;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success() && !text.is_empty(), "--help: {:?} {text}", output.status);
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix(script));
    let forms: Vec<String> = lines.flat_map(str::split_whitespace).map(form).collect();
    for argument in arguments {
        ensure!(forms.contains(&form(argument)), "--help does not mention {argument}: {text}");
    }
    Ok(())
}

/// Returns a word of a usage line with 0 for each number, without brackets and punctuation around it.
fn form(word: &str) -> String {
    let mut form = String::new();
    for c in word.trim_matches(|c| matches!(c, '[' | ']' | ',' | ';')).chars() {
        match c {
            '0'..='9' if form.ends_with('0') => {}
            '0'..='9' => form.push('0'),
            c => form.push(c),
        }
    }
    form
}

fn features_exist(arguments: &[&str]) -> anyhow::Result<()> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml"))?;
    let (_, features) = manifest.split_once("[features]").context("no features")?;
    let features = features.split("\n[").next().unwrap_or_default();
    let named = arguments.iter().skip_while(|argument| **argument != "--features").nth(1);
    for feature in named.into_iter().flat_map(|named| named.split(',')) {
        ensure!(
            features.lines().any(|line| line.split(" = ").next() == Some(feature)),
            "there is no feature {feature}"
        );
    }
    Ok(())
}

async fn black_box_test_exists(filter: &str) -> anyhow::Result<()> {
    let names = super::black_box_tests().await?;
    ensure!(names.iter().any(|name| name.contains(filter)), "there is no test {filter}");
    Ok(())
}

/// Looks for a test function whose name starts with the filter.
fn unit_test_exists(filter: &str) -> anyhow::Result<()> {
    let mut folders = vec![Path::new(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if tests(&fs::read_to_string(&path)?).any(|name| name.starts_with(filter)) {
                return Ok(());
            }
        }
    }
    bail!("there is no unit test {filter}")
}

/// Returns the names of the test functions in a source file. `#[test]` is on the line before the function.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    let pairs = source.lines().zip(source.lines().skip(1)).map(|(line, next)| (line.trim(), next.trim()));
    pairs.filter(|(line, _)| *line == "#[test]" || line.starts_with("#[tokio::test")).filter_map(|(_, next)| {
        let function = next.strip_prefix("async ").unwrap_or(next).strip_prefix("fn ")?;
        function.split('(').next()
    })
}

fn bench(name: &str, all_features: bool, arguments: &[&str]) -> anyhow::Result<()> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml"))?;
    let (_, bench) = manifest
        .split_once(&format!("[[bench]]\nname = \"{name}\"\n"))
        .with_context(|| format!("there is no benchmark {name}"))?;
    let needs_features = bench.split("\n[").next().unwrap_or_default().contains("required-features");
    ensure!(all_features || !needs_features, "without --all-features cargo refuses it");
    match (name, arguments) {
        (_, []) => Ok(()),
        ("fanout", ["--", arguments @ ..]) => {
            Plan::try_parse_from([&["fanout"], arguments].concat())?;
            Ok(())
        }
        _ => bail!("it takes no arguments"),
    }
}
