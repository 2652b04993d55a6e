//! Runs every command in the documents.
//!
//! | command | how it is run |
//! |---|---|
//! | `curl …` | by the tests in [`super::examples`], which also compare what it prints |
//! | `gripchat …`, `cargo run …` | the program starts with these arguments, on free ports and in a temporary folder |
//! | `scripts/…` | its `--help` runs; `scripts/test` is what runs these tests |
//! | `cargo build …` | its features exist; CI builds with them |
//! | `cargo test … <filter>` | there is such a test, which CI runs |
//! | `cargo bench --bench <name> …` | the benchmark exists |
//! | `docker compose …` | the file exists; `scripts/test` validates it |
//!
//! A command of another kind fails the test: add how it is run.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::Trial;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use super::{ROOT, documents, markdown};
use crate::support::{
    gripchat::{Program, command},
    stack::SOON,
    trials::trials,
};

/// Documents whose curl commands are run by [`super::examples`].
const WITH_EXAMPLES: [&str; 2] = ["README.md", "docs/api.md"];

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [Curl] => every_command_in_the_documents_runs,
    ]
}

async fn every_command_in_the_documents_runs() -> anyhow::Result<()> {
    let mut count = 0;
    for document in documents()? {
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
        ["cargo", "test", "--all-features"] => {}
        ["cargo", "test", "--all-features", "--test", "it", "--", filter] => black_box_test_exists(filter).await?,
        ["cargo", "test", "--lib", filter, ..] => unit_test_exists(filter)?,
        ["cargo", "bench", "--bench", name, ..] => bench_exists(name)?,
        ["docker", "compose", ..] => ensure!(Path::new(ROOT).join("docker-compose.yml").exists()),
        [script, ..] if script.starts_with("scripts/") => help(script).await?,
        _ => bail!("it is not known how to run this command"),
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

async fn help(script: &str) -> anyhow::Result<()> {
    let mut help = Command::new(Path::new(ROOT).join(script));
    help.arg("--help").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(SOON, help.output()).await.context("it does not end")??;
    ensure!(output.status.success() && !output.stdout.is_empty(), "--help: {output:?}");
    Ok(())
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

/// Asks this executable, which contains all black-box tests.
async fn black_box_test_exists(filter: &str) -> anyhow::Result<()> {
    let listed = Command::new(std::env::current_exe()?).args(["--list", filter]).output().await?;
    ensure!(String::from_utf8_lossy(&listed.stdout).contains(": test"), "there is no test {filter}");
    Ok(())
}

fn unit_test_exists(filter: &str) -> anyhow::Result<()> {
    let mut folders = vec![Path::new(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path)?.contains(&format!("fn {filter}")) {
                return Ok(());
            }
        }
    }
    bail!("there is no test {filter}")
}

fn bench_exists(name: &str) -> anyhow::Result<()> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml"))?;
    ensure!(manifest.contains(&format!("[[bench]]\nname = \"{name}\"")), "there is no benchmark {name}");
    Ok(())
}
