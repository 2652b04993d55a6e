//! Opens the store that the configuration names.

#[cfg(feature = "dynamodb")]
use std::time::Duration;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[cfg(feature = "dynamodb")]
use super::aws;
#[cfg(feature = "dynamodb")]
use crate::store::DynamoDb;
use crate::{
    config::{self, Backend, Problems, StoreKind},
    store::{Embedded, Instrumented, Retention, Store},
    telemetry::metrics::store::Kind,
};

/// How long it may take at the end to add rooms with new messages to the list of rooms.
#[cfg(feature = "dynamodb")]
const LISTED_WITHIN: Duration = Duration::from_secs(1);

/// All that is needed to open a store.
pub(super) enum Settings {
    #[cfg(feature = "dynamodb")]
    DynamoDb {
        table: String,
        client: aws_sdk_dynamodb::Client,
    },
    Embedded {
        folder: PathBuf,
    },
}

/// An open store.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    #[cfg(feature = "dynamodb")]
    dynamodb: Option<DynamoDb>,
}

/// Reads the AWS settings if the store needs them.
pub(super) async fn settings(config: &config::Store, problems: &mut Problems) -> Option<Settings> {
    match config.kind {
        StoreKind::Embedded => Some(Settings::Embedded { folder: config.folder.data.clone() }),
        StoreKind::DynamoDb => dynamodb(config, problems).await,
    }
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(config: &config::Store, problems: &mut Problems) -> Option<Settings> {
    let client = aws_sdk_dynamodb::Client::new(&aws::config(problems).await);
    Some(Settings::DynamoDb { table: config.table.name.clone(), client })
}

#[cfg(not(feature = "dynamodb"))]
async fn dynamodb(_: &config::Store, problems: &mut Problems) -> Option<Settings> {
    problems.add("STORE", format_args!("{}, or set STORE=embedded", crate::features::DYNAMODB.missing()));
    None
}

/// Opens a store for a backend.
pub(super) fn open(settings: Settings, backend: &Backend) -> anyhow::Result<Opened> {
    match settings {
        Settings::Embedded { folder } => {
            let store = open_embedded(&folder, backend.message_retention)?;
            Ok(Opened {
                store,
                #[cfg(feature = "dynamodb")]
                dynamodb: None,
            })
        }
        #[cfg(feature = "dynamodb")]
        Settings::DynamoDb { table, client } => {
            let store = DynamoDb::new(client, table, backend.message_retention);
            let store = if backend.room_list { store } else { store.without_room_list() };
            Ok(Opened { store: Arc::new(Instrumented::new(Kind::DynamoDb, store.clone())), dynamodb: Some(store) })
        }
    }
}

/// Opens the embedded store.
pub(super) fn open_embedded(folder: &Path, retention: Retention) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Arc::new(Instrumented::new(Kind::Embedded, Embedded::open(folder, retention)?)))
}

impl Opened {
    /// Finishes what the store does in the background, within a deadline.
    pub(super) async fn close(self) {
        #[cfg(feature = "dynamodb")]
        if let Some(dynamodb) = self.dynamodb {
            dynamodb.finish_room_list(LISTED_WITHIN).await;
        }
    }
}
