//! What stands for `cli/dynamodb` in a binary without the feature `dynamodb`: the same interface, whose settings do not
//! exist.

use std::sync::Arc;

use crate::{
    config::{Backend, Problems, Table},
    features::{DYNAMODB, MissingFeature},
    store::Store,
};

pub(super) enum Settings {}

pub(super) enum Open {}

pub(super) async fn settings(_: &Table, _: &mut Problems) -> Result<Settings, MissingFeature> {
    Err(DYNAMODB.missing())
}

pub(super) fn open(settings: Settings, _: &Backend) -> (Arc<dyn Store>, Option<Open>) {
    match settings {}
}

pub(super) async fn create_table(settings: Settings) -> anyhow::Result<()> {
    match settings {}
}

impl Open {
    pub(super) async fn close(self) {
        match self {}
    }
}
