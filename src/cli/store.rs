//! Opens the store that the configuration names.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::dynamodb;
use crate::{
    config::{self, Backend, Problems, StoreKind},
    store::{Embedded, Instrumented, Retention, Store},
    telemetry::metrics::store::Kind,
};

/// All that is needed to open a store.
pub(super) enum Settings {
    DynamoDb(dynamodb::Settings),
    Embedded { folder: PathBuf },
}

/// An open store.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    dynamodb: Option<dynamodb::Open>,
}

/// Reads the AWS settings if the store needs them.
pub(super) async fn settings(config: &config::Store, problems: &mut Problems) -> Option<Settings> {
    match config.kind {
        // The default store, instead of one whose name is not known: what that needs is not known either.
        _ if problems.contain("STORE") => None,
        StoreKind::Embedded => Some(Settings::Embedded { folder: config.folder.data.clone() }),
        StoreKind::DynamoDb => match dynamodb::settings(&config.table, problems).await {
            Ok(settings) => Some(Settings::DynamoDb(settings)),
            Err(missing) => {
                problems.add("STORE", format_args!("{missing}, or set STORE=embedded"));
                None
            }
        },
    }
}

/// Opens a store for a backend.
pub(super) fn open(settings: Settings, backend: &Backend) -> anyhow::Result<Opened> {
    match settings {
        Settings::Embedded { folder } => {
            Ok(Opened { store: open_embedded(&folder, backend.message_retention)?, dynamodb: None })
        }
        Settings::DynamoDb(settings) => {
            let (store, dynamodb) = dynamodb::open(settings, backend);
            Ok(Opened { store, dynamodb })
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
        if let Some(dynamodb) = self.dynamodb {
            dynamodb.close().await;
        }
    }
}
