//! DynamoDB: its settings, the store over it, and its table.
//!
//! A binary without the feature `dynamodb` has `cli/dynamodb_missing.rs` instead, which has the same interface.

mod aws;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::Client;

use super::process::{print, print_error};
use crate::{
    config::{Backend, Problems, Table},
    features::MissingFeature,
    store::{
        DynamoDb, Instrumented, Store,
        table::{self, Created},
    },
    telemetry::metrics::store::Kind,
};

/// How long it may take at the end to add rooms with new messages to the list of rooms.
const ROOM_LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// All that is needed to use a table.
pub(super) struct Settings {
    table: String,
    client: Client,
}

/// An open store, which adds rooms to the list of rooms in the background.
pub(super) struct Open(DynamoDb);

/// Reads the AWS settings.
pub(super) async fn settings(table: &Table, problems: &mut Problems) -> Result<Settings, MissingFeature> {
    let client = Client::new(&aws::config(problems).await);
    Ok(Settings { table: table.name.clone(), client })
}

/// Opens the store over the table. The second value is always there; it is optional because it cannot exist in a binary
/// without the feature.
pub(super) fn open(Settings { table, client }: Settings, backend: &Backend) -> (Arc<dyn Store>, Option<Open>) {
    let store = DynamoDb::new(client, table, backend.message_retention);
    let store = if backend.room_list { store } else { store.without_room_list() };
    (Arc::new(Instrumented::new(Kind::DynamoDb, store.clone())), Some(Open(store)))
}

/// Creates the table, unless it exists.
pub(super) async fn create_table(Settings { table, client }: Settings) -> anyhow::Result<()> {
    let created = table::create(&client, &table, |step| print_error(format_args!("{table}: {step}"))).await?;
    match created {
        Created::New => print(format_args!("table {table} is ready")),
        Created::Existing => print(format_args!("table {table} exists already, and is ready")),
    }
    Ok(())
}

impl Open {
    /// Finishes the list of rooms, within a deadline.
    pub(super) async fn close(self) {
        self.0.finish_room_list(ROOM_LIST_TIMEOUT).await;
    }
}
