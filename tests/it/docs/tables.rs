//! Compares the tables and numbers of the documents with the program.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;
use clap::CommandFactory as _;
use libtest_mimic::Trial;

use super::{API, CONFIGURATION, DEPLOY, ROOT, markdown};
use crate::support::trials::trials;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => the_configuration_table_matches_the_command_line,
        [] => the_table_of_grip_urls_matches_the_code,
        [] => the_permissions_are_those_of_the_calls_in_the_code,
        [] => the_numbers_match_the_constants,
    ]
}

/// Compares sets of rows, since a row may belong to several commands, which list their options in different orders.
async fn the_configuration_table_matches_the_command_line() -> anyhow::Result<()> {
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
    let table = markdown::table(CONFIGURATION, "| flag |");
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
    // Without a command, gripchat is `gripchat run`.
    assert_eq!(documented("run"), of(&program));
    Ok(())
}

async fn the_table_of_grip_urls_matches_the_code() -> anyhow::Result<()> {
    let code = include_str!("../../../src/grip/url/mod.rs");
    let code: String =
        code.lines().filter_map(|line| line.strip_prefix("//! ")).map(|line| format!("{line}\n")).collect();
    let table = markdown::table(CONFIGURATION, "| `GRIP_URL` |");
    assert!(!table.is_empty());
    assert_eq!(table, markdown::table(&code, "| URL |"));
    Ok(())
}

async fn the_permissions_are_those_of_the_calls_in_the_code() -> anyhow::Result<()> {
    let calls = |file: &str| -> anyhow::Result<BTreeSet<String>> {
        let code: String = fs::read_to_string(Path::new(ROOT).join(file))?.split_whitespace().collect();
        // Each call sets its table first.
        let before = code.split("().table_name(").map(|text| text.rsplit('.').next().unwrap_or_default());
        let operations = before.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        Ok(operations.map(|name| format!("dynamodb:{}", pascal_case(name))).collect())
    };
    let mut serving = BTreeSet::new();
    for file in fs::read_dir(Path::new(ROOT).join("src/store/dynamodb"))? {
        let file = file?.file_name().into_string().map_err(|name| anyhow::anyhow!("{name:?} is not UTF-8"))?;
        if file != "table.rs" {
            serving.extend(calls(&format!("src/store/dynamodb/{file}"))?);
        }
    }
    let creating = calls("src/store/dynamodb/table.rs")?;
    assert_eq!((serving.len(), creating.len()), (2, 4), "{serving:?} {creating:?}");

    let (_, below) = DEPLOY.split_once("The backend needs `dynamodb:").context("no permissions")?;
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
    assert!(DEPLOY.contains(r#""Action": ["dynamodb:PutItem", "dynamodb:Query"]"#));
    Ok(())
}

fn pascal_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

async fn the_numbers_match_the_constants() -> anyhow::Result<()> {
    use gripchat::{app::INITIAL_MESSAGES, store};
    let api = API.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("the newest messages, {INITIAL_MESSAGES} unless `limit` (1 to 200) is given"),
        format!("is a stream: the newest {INITIAL_MESSAGES} messages"),
        format!("among the {},000 messages after `Last-Event-ID`", store::KEY_SEARCH_MAX / 1_000),
        format!("the server searches the newest {} messages", store::KEY_SEARCH_NEWEST),
    ] {
        assert!(api.contains(&sentence), "not in docs/api.md: {sentence}");
    }
    let (rooms, _) = api.split_once("are reserved.").context("no reserved names")?;
    let (_, reserved) = rooms.rsplit_once("The names ").context("no reserved names")?;
    for name in markdown::code_spans(reserved) {
        assert!(gripchat::chat::RoomId::parse(name).is_err(), "{name} is a valid room");
    }
    Ok(())
}
