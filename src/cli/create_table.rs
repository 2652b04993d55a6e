//! `gripchat create-table`.

use clap::Args;

use super::aws;
use crate::{
    config::{LogArgs, Problems, TableArgs},
    store::table::{self, Created},
    telemetry,
};

#[derive(Args, Debug)]
pub(super) struct CreateTableArgs {
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) async fn run(args: CreateTableArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let log = args.log.parse(&mut problems);
    let name = args.table.parse(&mut problems);
    let aws = aws::config(&mut problems).await;
    let (Some(log), Some(name), true) = (log, name, problems.is_empty()) else {
        return Err(problems.into());
    };
    telemetry::start(log);

    let client = aws_sdk_dynamodb::Client::new(&aws);
    let created = table::create(&client, &name, |step| eprintln!("{name}: {step}")).await?;
    match created {
        Created::New => println!("table {name} is ready"),
        Created::Existing => println!("table {name} was there already, and is ready"),
    }
    Ok(())
}
