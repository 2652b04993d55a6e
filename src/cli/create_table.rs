//! `gripchat create-table`.

use clap::Args;

use super::{
    dynamodb,
    process::{Ready, start_log},
};
use crate::{
    config::{LogFlags, Problems, Table},
    telemetry::Log,
};

#[derive(Args)]
pub(super) struct CreateTable {
    #[command(flatten)]
    table: Table,
    #[command(flatten)]
    log: LogFlags,
}

pub(super) async fn check(config: CreateTable, problems: &mut Problems) -> Option<Ready> {
    let settings = dynamodb::settings(&config.table, problems).await;
    let settings = settings.map_err(|missing| problems.add("create-table", missing)).ok();
    let log = config.log.config(problems);
    Some(Box::pin(run(settings?, log?)))
}

async fn run(settings: dynamodb::Settings, log: Log) -> anyhow::Result<()> {
    start_log(log);
    dynamodb::create_table(settings).await
}
