//! Compares the tables of the documents with the program.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, ensure};
use clap::CommandFactory as _;
use libtest_mimic::Trial;

use super::{CONFIGURATION, DEPLOY, RELIABILITY, ROOT, markdown};
use crate::support::trials::trials;

pub(super) fn trials() -> Vec<Trial> {
    trials![
        [] => the_configuration_table_matches_the_command_line,
        [] => the_table_of_grip_urls_matches_the_code,
        [] => the_permissions_are_those_of_the_calls_in_the_code,
        [] => the_tests_of_the_guarantees_exist,
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

/// Compares the last column of the table of guarantees. What is in parentheses names mixes of faults.
async fn the_tests_of_the_guarantees_exist() -> anyhow::Result<()> {
    let tests = super::black_box_tests().await?;
    let below = RELIABILITY.lines().skip_while(|line| !line.starts_with("| guarantee |")).skip(2);
    let rows: Vec<&str> = below.take_while(|line| line.starts_with('|')).collect();
    ensure!(rows.len() == 8, "{} guarantees", rows.len());
    for row in rows {
        let cell = row.trim_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        let outside: String = cell.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
        let modules: Vec<&str> = markdown::code_spans(&outside)
            .into_iter()
            .filter(|span| span.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | ':')))
            .collect();
        ensure!(!modules.is_empty(), "no tests: {row}");
        for module in modules {
            let exists = tests.iter().any(|name| name.starts_with(&format!("{module}::")));
            ensure!(exists, "there is no module {module} with tests: {row}");
        }
    }
    Ok(())
}
