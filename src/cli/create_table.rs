//! `gripchat create-table`.

use clap::Args;

#[cfg(feature = "dynamodb")]
use super::{aws, process::start_log};
use crate::config::{LogFlags, Problems, Table};
#[cfg(feature = "dynamodb")]
use crate::store::table::{self, Created};

#[derive(Args)]
pub(super) struct CreateTable {
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    log: LogFlags,
}

#[cfg(feature = "dynamodb")]
pub(super) async fn run(config: CreateTable, mut problems: Problems) -> anyhow::Result<()> {
    let aws = aws::config(&mut problems).await;
    start_log(&config.log, Some(()), problems)?;

    let client = aws_sdk_dynamodb::Client::new(&aws);
    let name = config.table.name;
    let created = table::create(&client, &name, |step| eprintln!("{name}: {step}")).await?;
    match created {
        Created::New => println!("table {name} is ready"),
        Created::Existing => println!("table {name} exists already, and is ready"),
    }
    Ok(())
}

#[cfg(not(feature = "dynamodb"))]
pub(super) async fn run(_: CreateTable, mut problems: Problems) -> anyhow::Result<()> {
    problems.add("create-table", crate::features::DYNAMODB.missing());
    Ok(problems.or(None)?)
}
