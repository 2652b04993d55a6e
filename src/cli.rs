//! The command line.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use clap::{Args, Parser, Subcommand};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    config::{LogArgs, Problems, ServeArgs, StoreArgs},
    serve, store,
    store::{DynamoDb, table::Created},
    telemetry,
};

/// The configuration or the command line cannot be used (`EX_USAGE` of sysexits.h).
const EX_USAGE: u8 = 64;

/// One attempt of one call. DynamoDB answers within milliseconds; behind this lies a dead connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Chat rooms over Server-Sent Events, from a stateless backend behind a GRIP proxy
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "AWS settings come from where the AWS SDKs look: AWS_REGION, \
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE, AWS_ENDPOINT_URL_DYNAMODB and so on."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the backend
    Serve(ServeArgs),
    /// Create the DynamoDB table; does nothing if it is there
    CreateTable(CreateTableArgs),
}

#[derive(Args, Debug)]
struct CreateTableArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs the program with the arguments and variables of the process.
pub async fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match cli.command {
        Command::Serve(args) => run_serve(args).await,
        Command::CreateTable(args) => run_create_table(args).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gripchat: {error:#}");
            if error.is::<Problems>() { ExitCode::from(EX_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

async fn run_serve(args: ServeArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let config = args.parse(&mut problems);
    let aws = aws(&mut problems).await;
    let (Some(log), Some(config), true) = (log, config, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with LISTEN", config.listen))?;
    println!("gripchat listening on http://{}", listener.local_addr()?);
    let store = DynamoDb::new(aws_sdk_dynamodb::Client::new(&aws), config.table.clone(), config.retention);
    serve::serve(listener, &config, Arc::new(store), shutdown()?).await
}

async fn run_create_table(args: CreateTableArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let name = args.store.parse(&mut problems);
    let aws = aws(&mut problems).await;
    let (Some(log), Some(name), true) = (log, name, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    let client = aws_sdk_dynamodb::Client::new(&aws);
    let created = store::table::create(&client, &name, |step| eprintln!("{name}: {step}")).await?;
    match created {
        Created::New => println!("table {name} is ready"),
        Created::Existing => println!("table {name} was there already, and is ready"),
    }
    Ok(())
}

/// The AWS settings, from the SDK's own chain.
async fn aws(problems: &mut Problems) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard())
        .load()
        .await;
    if aws.region().is_none() {
        problems.add("AWS_REGION", "is not set; give the region of the table, such as eu-central-1");
    }
    aws
}

/// Ends at the first SIGTERM or SIGINT.
fn shutdown() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
