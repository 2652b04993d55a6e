//! The command line: commands, exit codes, and what a process needs around the backend and the edge.
//!
//! | command | starts |
//! |---|---|
//! | `run`, or none | backend, edge and embedded store in one process |
//! | `serve` | the backend |
//! | `edge` | the edge |
//! | `create-table` | nothing: it creates the DynamoDB table |
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `run` | `gripchat run` | `process`, `shutdown`, `store` |
//! | `serve` | `gripchat serve` | `process`, `shutdown`, `store` |
//! | `edge` | `gripchat edge` | `process`, `shutdown` |
//! | `create_table` | `gripchat create-table` | `dynamodb`, `process` |
//! | `store` | opens the store that the configuration names | `dynamodb` |
//! | `dynamodb` | the settings, the store and the table of DynamoDB | `process` |
//! | `dynamodb_missing` | the same interface, in a binary without DynamoDB | nothing |
//! | `process` | the log, the output, ports and the limit of open files | nothing |
//! | `shutdown` | signals | `process` |
//!
//! The module of a command has a function `check`, which makes the checks that need more than the text of a value, and
//! returns the command ready to run.

mod create_table;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(not(feature = "dynamodb"))]
#[path = "dynamodb_missing.rs"]
mod dynamodb;
mod edge;
mod process;
mod run;
mod serve;
mod shutdown;
mod store;

use std::{process::ExitCode, sync::LazyLock};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use self::{
    create_table::CreateTable,
    process::{Ready, print_error},
};
use crate::{
    config::{self, Problems, Unchecked},
    features,
};

/// The configuration or the command line cannot be used (`EX_USAGE` of sysexits.h).
const EX_USAGE: u8 = 64;

/// Printed at the end of the help of the commands that use DynamoDB.
const AWS_HELP: &str = "AWS settings come from where the AWS SDKs look: AWS_REGION, \
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, AWS_ENDPOINT_URL_DYNAMODB and so on.";

/// What `--version` prints after the name: the version, then a line about features. `-V` prints only the version.
static LONG_VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), features::summary()));

/// Chat rooms over Server-Sent Events, from a stateless backend behind a GRIP proxy
///
/// Without a command it is `run`: the whole chat on this machine, to be opened at http://localhost:7999/.
#[derive(Parser)]
#[command(
    version,
    long_version = LONG_VERSION.as_str(),
    args_conflicts_with_subcommands = true,
    // They are the flags of `run`, whose help lists them.
    mut_args(|argument| argument.hide(true)),
    override_usage = "gripchat [OPTIONS of run]\n       gripchat <COMMAND>",
    after_help = "gripchat <COMMAND> --help lists a command's options and their variables."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: config::Run,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole chat on this machine: backend, edge and embedded store in one process
    Run(config::Run),
    /// Run the backend, for a GRIP proxy in front of it
    #[command(after_help = AWS_HELP)]
    Serve(config::Serve),
    /// Run the edge, a GRIP proxy for one machine, in front of any GRIP backend
    Edge(config::Edge),
    /// Create the DynamoDB table; does nothing if it exists
    #[command(after_help = AWS_HELP)]
    CreateTable(CreateTable),
}

/// Runs the program with the arguments and variables of the process.
///
/// Not async, so that the futures of all commands are compiled here, once, and not again in every executable that calls
/// this.
pub fn main() -> ExitCode {
    let cli = match config::parse::<Cli>(Cli::command(), std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.context("cannot start tokio").and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("gripchat: {error:#}"));
            if error.is::<Problems>() { ExitCode::from(EX_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(cli: Unchecked<Cli>) -> anyhow::Result<()> {
    cli.finish(check).await?.await
}

async fn check(cli: Cli, problems: &mut Problems) -> Option<Ready> {
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(config) => run::check(config, problems),
        Command::Serve(config) => serve::check(config, problems).await,
        Command::Edge(config) => edge::check(config, problems),
        Command::CreateTable(config) => create_table::check(config, problems).await,
    }
}
