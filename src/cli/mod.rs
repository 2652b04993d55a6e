//! The command line.
//!
//! | command | starts |
//! |---|---|
//! | `run`, or none | backend, edge and embedded store in one process |
//! | `serve` | the backend |
//! | `edge` | the edge |
//! | `create-table` | nothing: it makes the DynamoDB table |

mod aws;
mod create_table;
mod descriptors;
mod edge;
mod listen;
mod run;
mod serve;
mod shutdown;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::create_table::CreateTableArgs;
use crate::{
    config::{EdgeArgs, Problems, RunArgs, ServeArgs},
    failpoint,
};

/// The configuration or the command line cannot be used (`EX_USAGE` of sysexits.h).
const EX_USAGE: u8 = 64;

/// Chat rooms over Server-Sent Events, from a stateless backend behind a GRIP proxy
///
/// Without a command it is `run`: the whole chat on this machine, to be opened at http://localhost:7999/.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    // They are those of `run`, which tells of them.
    mut_args(|argument| argument.hide(true)),
    override_usage = "gripchat [OPTIONS of run]\n       gripchat <COMMAND>",
    after_help = "gripchat <COMMAND> --help tells a command's options and their variables."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole chat on this machine: backend, edge and embedded store in one process
    Run(RunArgs),
    /// Run the backend, for a GRIP proxy in front of it
    #[command(after_help = aws::HELP)]
    Serve(ServeArgs),
    /// Run the edge, a GRIP proxy for one machine, in front of any GRIP backend
    Edge(EdgeArgs),
    /// Create the DynamoDB table; does nothing if it is there
    #[command(after_help = aws::HELP)]
    CreateTable(CreateTableArgs),
}

/// Runs the program with the arguments and variables of the process.
pub async fn run() -> ExitCode {
    failpoint::start();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match cli.command {
        None => run::run(cli.run).await,
        Some(Command::Run(args)) => run::run(args).await,
        Some(Command::Serve(args)) => serve::run(args).await,
        Some(Command::Edge(args)) => edge::run(args).await,
        Some(Command::CreateTable(args)) => create_table::run(args).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gripchat: {error:#}");
            if error.is::<Problems>() { ExitCode::from(EX_USAGE) } else { ExitCode::FAILURE }
        }
    }
}
