//! The README, held to be true: its examples run, its tables are the program's, what it names is there.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::CommandFactory as _;
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use self::markdown::{Block, Example};
use crate::support::{
    sse::{Event, Parser},
    stack::{Kind, Room, SOON, Stack},
    trials::{on_stacks, trials},
};

mod errors;
pub(crate) mod markdown;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const README: &str = include_str!("../../README.md");

/// Where the README's reader has the chat.
const BASE: &str = "http://localhost:7999";
/// The epoch of the README's room, in place of which an example gets that of the test's.
const EPOCH: &str = "k3v9x0qa";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = trials![
        [] => the_table_of_the_configuration_is_the_programs,
        [] => the_table_of_grip_urls_is_the_codes,
        [] => the_permissions_are_those_of_the_calls,
        [] => the_numbers_are_the_codes,
        [] => files_that_are_named_exist,
    ];
    trials.extend(on_stacks![
        [ALL, Curl] => the_examples_run_and_print_what_is_shown,
        [ALL] => streams_say_that_they_must_not_be_buffered,
    ]);
    trials.extend(errors::trials());
    trials
}

// === examples ===

async fn the_examples_run_and_print_what_is_shown(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let shell = Shell::new(stack.proxy.url())?;
    let room = stack.room("lobby");
    let examples = markdown::examples(README);
    let examples: Vec<_> = examples.iter().filter(|example| example.commands.contains(BASE)).collect();
    ensure!(examples.len() >= 10, "only {} examples were found", examples.len());

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
                ensure!(again == printed, "repeated, it prints something else: {again}");
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

/// A stream prints the events that are shown, in that order, and of no other form; and those of a message that is posted
/// meanwhile.
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
        Ok(outcome) => outcome.with_context(|| format!("it printed {printed:?}"))?,
        Err(_) => bail!("the message that was posted is not in {printed:?}"),
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
        ensure!(rest.any(|printed| printed == form), "{form:?} is not where it is shown in {printed:?}");
    }
    let foreign = printed.iter().find(|form| form.name != "keep-alive" && !shown.contains(form));
    ensure!(foreign.is_none(), "an event that is not shown: {foreign:?}");
    Ok(())
}

/// The number in the cursor that a command gives, if it gives one of this epoch.
fn cursor_in(commands: &str, epoch: &str) -> Option<u64> {
    let (_, rest) = commands.split_once(&format!("{epoch}-"))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What is documented of an event: its name, whether it has an id, the fields of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Form {
    name: String,
    has_id: bool,
    fields: BTreeSet<String>,
}

fn form(event: &Event) -> anyhow::Result<Form> {
    let data = event.json()?;
    let fields = data.as_object().with_context(|| format!("no object: {data}"))?.keys().cloned().collect();
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

/// Runs commands as somebody would who copies them, but with a curl that fails on errors.
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

    /// Bash becomes curl where that is its only command, so that killing it ends the stream.
    fn command(&self, commands: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-euc").arg(commands.replace(BASE, &self.base)).env("CURL_HOME", self.curlrc.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        command
    }

    async fn run(&self, commands: &str) -> anyhow::Result<String> {
        let output = timeout(SOON, self.command(commands).output()).await.context("it does not end")??;
        ensure!(output.status.success(), "{}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}

async fn streams_say_that_they_must_not_be_buffered(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let stream = stack.room("lobby").stream(None).await?;
    for (name, value) in [("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache, no-transform")] {
        assert_eq!(stream.headers().get(name).and_then(|value| value.to_str().ok()), Some(value), "{name}");
        assert!(README.contains(&format!("`{name}: {value}`")), "{name}");
    }
    Ok(())
}

// === tables ===

/// As sets: a row may be of several commands, each of which has an order of its own.
async fn the_table_of_the_configuration_is_the_programs() -> anyhow::Result<()> {
    let row = |argument: &clap::Arg| {
        let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        vec![
            format!("--{}", argument.get_long().unwrap_or_default()),
            argument.get_env().unwrap_or_default().to_string_lossy().into_owned(),
            default.join(" "),
            argument.get_help().map(ToString::to_string).unwrap_or_default(),
        ]
    };
    let of = |command: &clap::Command| -> BTreeSet<Vec<String>> {
        command.get_arguments().filter(|argument| argument.get_id() != "help").map(row).collect()
    };
    // The cells of a table are without their backticks, and so are the commands of a row.
    let table = markdown::table(README, "| flag |");
    let documented = |command: &str| -> BTreeSet<Vec<String>> {
        let is_of = |row: &&Vec<String>| row[4].split([' ', '`']).any(|name| name == command);
        table.iter().filter(is_of).map(|row| row[..4].to_vec()).collect()
    };
    let program = gripchat::cli::Cli::command();
    let commands: Vec<_> = program.get_subcommands().filter(|command| command.get_name() != "help").collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        assert_eq!(documented(command.get_name()), of(command), "{}", command.get_name());
    }
    // Without a command it is `run`.
    assert_eq!(documented("run"), of(&program));
    Ok(())
}

async fn the_table_of_grip_urls_is_the_codes() -> anyhow::Result<()> {
    let code = include_str!("../../src/grip/url/mod.rs");
    let code: String =
        code.lines().filter_map(|line| line.strip_prefix("//! ")).map(|line| format!("{line}\n")).collect();
    let table = markdown::table(README, "| `GRIP_URL` |");
    assert!(!table.is_empty());
    assert_eq!(table, markdown::table(&code, "| URL |"));
    Ok(())
}

async fn the_permissions_are_those_of_the_calls() -> anyhow::Result<()> {
    let calls = |file: &str| -> anyhow::Result<BTreeSet<String>> {
        let code: String = fs::read_to_string(Path::new(ROOT).join(file))?.split_whitespace().collect();
        // Every call names its table first.
        let before = code.split("().table_name(").map(|text| text.rsplit('.').next().unwrap_or_default());
        let operations = before.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        Ok(operations.map(|name| format!("dynamodb:{}", pascal_case(name))).collect())
    };
    let mut serving = BTreeSet::new();
    for file in ["mod", "append", "activity"] {
        serving.extend(calls(&format!("src/store/dynamodb/{file}.rs"))?);
    }
    let creating = calls("src/store/table.rs")?;
    assert_eq!((serving.len(), creating.len()), (2, 4), "{serving:?} {creating:?}");

    let (_, below) = README.split_once("The backend needs `dynamodb:").context("no permissions")?;
    let (serve, create) = format!("`dynamodb:{below}")
        .split_once("`create-table` needs")
        .map(|(serve, create)| (serve.to_owned(), create.to_owned()))
        .context("no permissions of create-table")?;
    let (create, _) = create.split_once("```json").context("no policy")?;
    let named = |text: &str| -> BTreeSet<String> {
        markdown::code_spans(text).into_iter().filter(|span| span.starts_with("dynamodb:")).map(str::to_owned).collect()
    };
    assert_eq!(named(&serve), serving);
    assert_eq!(named(create), creating);
    assert!(README.contains(r#""Action": ["dynamodb:PutItem", "dynamodb:Query"]"#));
    Ok(())
}

fn pascal_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

async fn the_numbers_are_the_codes() -> anyhow::Result<()> {
    use gripchat::{app::NEWEST, store};
    let readme = README.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("The newest, {NEWEST} unless `limit` says otherwise (1 to 200)"),
        format!("a stream: the newest {NEWEST}, then what comes"),
        format!("among the {},000 newest messages behind", store::KEY_SEARCH_MOST / 1_000),
        format!("among the newest {}. The same key", store::KEY_SEARCH_NEWEST),
    ] {
        assert!(readme.contains(&sentence), "not in the README: {sentence}");
    }
    let (rooms, _) = readme.split_once("are no rooms.").context("no reserved names")?;
    let (_, reserved) = rooms.rsplit_once("creating. ").context("no reserved names")?;
    for name in markdown::code_spans(reserved) {
        assert!(gripchat::chat::RoomId::parse(name).is_err(), "{name} is a room");
    }
    Ok(())
}

async fn files_that_are_named_exist() -> anyhow::Result<()> {
    let links = markdown::links(README).into_iter().filter(|link| !link.starts_with("http"));
    let folders = ["src/", "tests/", "scripts/", "client/", "templates/", "docs/"];
    let spans = markdown::code_spans(README).into_iter();
    let spans = spans.filter(|span| folders.iter().any(|folder| span.starts_with(folder)));
    let named: BTreeSet<_> = links.chain(spans.filter_map(|span| span.split_whitespace().next())).collect();
    assert!(named.len() > 20, "{named:?}");
    for path in named {
        assert!(Path::new(ROOT).join(path).exists(), "{path} does not exist");
    }
    Ok(())
}
