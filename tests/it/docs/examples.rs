//! Runs the curl examples of README.md and docs/api.md, in order, and compares what they print with what is shown.

use std::{collections::BTreeSet, fs, process::Stdio};

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use super::{
    API, README,
    markdown::{self, Block, Example},
};
use crate::support::{
    sse::{Event, Parser},
    stack::{Kind, Room, SOON, Stack},
    trials::on_stacks,
};

/// The address of the chat in the documents.
const BASE: &str = "http://localhost:7999";
/// The epoch of the room in the documents. A test replaces it by the epoch of its own room.
const EPOCH: &str = "k3v9x0qa";

pub(super) fn trials() -> Vec<Trial> {
    on_stacks![
        [APART, Curl] => the_examples_of_the_readme_print_what_is_shown,
        [APART, Curl] => the_examples_of_the_api_reference_print_what_is_shown,
        [APART] => streams_carry_the_headers_against_buffering_that_are_documented,
    ]
}

async fn the_examples_of_the_readme_print_what_is_shown(kind: Kind) -> anyhow::Result<()> {
    run_examples(kind, README, 3).await
}

async fn the_examples_of_the_api_reference_print_what_is_shown(kind: Kind) -> anyhow::Result<()> {
    run_examples(kind, API, 10).await
}

async fn run_examples(kind: Kind, document: &str, min: usize) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let shell = Shell::new(stack.proxy.url())?;
    let room = stack.room("lobby");
    let examples = markdown::examples(document);
    let examples: Vec<_> = examples.iter().filter(|example| example.commands.contains(BASE)).collect();
    ensure!(examples.len() >= min, "only {} examples were found", examples.len());

    let mut epoch = EPOCH.to_owned();
    for example in examples {
        let commands = example.commands.replace(EPOCH, &epoch);
        let ran = async {
            if commands.contains("curl -N") {
                return stream(&shell, &commands, example, &room, &epoch).await;
            }
            let printed = shell.run(&commands).await?;
            if commands.contains("Idempotency-Key") {
                let again = shell.run(&commands).await?;
                ensure!(again == printed, "the repeated command prints something else: {again}");
            }
            let printed: Value = serde_json::from_str(&printed).context(printed)?;
            if let Some(Block { text, .. }) = &example.output {
                same_shape(&serde_json::from_str(text)?, &printed)?;
            }
            if let Some((first, "1")) = printed["id"].as_str().and_then(|id| id.split_once('-')) {
                first.clone_into(&mut epoch);
            }
            Ok(())
        };
        ran.await.with_context(|| format!("the example\n{commands}"))?;
    }
    Ok(())
}

/// Compares a stream's events with those that are shown: each shown form occurs, in that order, and no other form does. A
/// message is posted while the stream is open.
async fn stream(shell: &Shell, commands: &str, example: &Example, room: &Room, epoch: &str) -> anyhow::Result<()> {
    let mut curl = shell.command(commands).spawn()?;
    let mut stdout = curl.stdout.take().context("its standard output is a pipe")?;
    let (mut parser, mut printed, mut posted) = (Parser::default(), Vec::<Event>::new(), None);
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        while posted.is_none() || !printed.iter().any(|event| event.id == posted) {
            let length = stdout.read(&mut buffer).await?;
            ensure!(length > 0, "the stream ended");
            printed.extend(parser.feed(&buffer[..length]));
            if posted.is_none() && !printed.is_empty() {
                posted = room.post("posted while the stream is open").await?["id"].as_str().map(str::to_owned);
            }
        }
        Ok(())
    };
    let outcome = timeout(SOON, read).await;
    curl.kill().await?;
    match outcome {
        Ok(outcome) => outcome.with_context(|| format!("the stream printed {printed:?}"))?,
        Err(_) => bail!("the posted message is not in {printed:?}"),
    }

    if let Some(cursor) = cursor_in(commands, epoch) {
        let next = printed.iter().find(|event| event.event == "message").and_then(|event| event.id.clone());
        assert_eq!(next, Some(format!("{epoch}-{}", cursor + 1)), "the first message after the cursor");
    }
    let Some(Block { text, .. }) = &example.output else {
        assert!(printed.iter().any(|event| event.event == "stream-open"), "{printed:?}");
        return Ok(());
    };
    let shown = Parser::default().feed(format!("{text}\n\n").as_bytes());
    let shown: Vec<_> = shown.iter().map(form).collect::<anyhow::Result<_>>()?;
    let printed: Vec<_> = printed.iter().map(form).collect::<anyhow::Result<_>>()?;
    let mut rest = printed.iter();
    for form in &shown {
        ensure!(rest.any(|printed| printed == form), "{form:?} is missing or out of order in {printed:?}");
    }
    let foreign = printed.iter().find(|form| form.name != "keep-alive" && !shown.contains(form));
    ensure!(foreign.is_none(), "an event that is not shown: {foreign:?}");
    Ok(())
}

/// Returns the number of the cursor in a command, if it has a cursor of this epoch.
fn cursor_in(commands: &str, epoch: &str) -> Option<u64> {
    let (_, rest) = commands.split_once(&format!("{epoch}-"))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What the documents promise about an event: its name, whether it has an id, and the fields of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Form {
    name: String,
    has_id: bool,
    fields: BTreeSet<String>,
}

fn form(event: &Event) -> anyhow::Result<Form> {
    let data = event.json()?;
    let fields = data.as_object().with_context(|| format!("not an object: {data}"))?.keys().cloned().collect();
    Ok(Form { name: event.event.clone(), has_id: event.id.is_some(), fields })
}

fn same_shape(shown: &Value, printed: &Value) -> anyhow::Result<()> {
    match (shown, printed) {
        (Value::Object(shown), Value::Object(printed)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            ensure!(keys(shown) == keys(printed), "{:?} is shown, {:?} is printed", keys(shown), keys(printed));
            shown.iter().try_for_each(|(key, value)| same_shape(value, &printed[key]))
        }
        (Value::Array(shown), Value::Array(printed)) => {
            ensure!(shown.len() == printed.len(), "{} are shown, {} are printed", shown.len(), printed.len());
            shown.iter().zip(printed).try_for_each(|(shown, printed)| same_shape(shown, printed))
        }
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) | (Value::Null, Value::Null) => {
            Ok(())
        }
        (Value::Bool(shown), Value::Bool(printed)) if shown == printed => Ok(()),
        _ => bail!("{shown} is shown, {printed} is printed"),
    }
}

/// Runs commands as a reader would who copies them, except that curl fails on errors.
struct Shell {
    base: String,
    curlrc: TempDir,
}

impl Shell {
    fn new(base: String) -> anyhow::Result<Self> {
        let curlrc = tempfile::tempdir()?;
        fs::write(curlrc.path().join(".curlrc"), "fail\nsilent\nshow-error\nnoproxy = \"*\"\n")?;
        Ok(Self { base, curlrc })
    }

    /// Bash replaces itself by curl if that is its only command, so killing the process ends the stream.
    fn command(&self, commands: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-euc").arg(commands.replace(BASE, &self.base)).env("CURL_HOME", self.curlrc.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        command
    }

    async fn run(&self, commands: &str) -> anyhow::Result<String> {
        let output = timeout(SOON, self.command(commands).output()).await.context("the command does not end")??;
        ensure!(output.status.success(), "{}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}

async fn streams_carry_the_headers_against_buffering_that_are_documented(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let stream = stack.room("lobby").stream(None).await?;
    for (name, value) in [("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache, no-transform")] {
        assert_eq!(stream.headers().get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
        assert!(API.contains(&format!("`{name}: {value}`")), "{name}");
    }
    Ok(())
}
