//! A store that records metrics of every call and logs slow calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tracing::warn;

use super::{Activity, Append, Appended, Page, Replay, Store, StoreError};
use crate::{
    chat::{Cursor, MessageId, RoomId},
    telemetry::metrics::store::{self as metrics, Kind, Read},
};

/// A call that takes longer than this is logged as a warning. Stores usually answer within milliseconds.
const SLOW_CALL: Duration = Duration::from_secs(1);
/// The kind of error of a call whose caller stopped waiting for it.
const GIVEN_UP: &str = "given_up";

/// Records metrics of the calls of a store.
pub struct Instrumented<S> {
    kind: Kind,
    store: S,
}

/// Which method is called.
#[derive(Clone, Copy)]
enum Operation {
    Append,
    Read(Read),
}

/// A running call. If it is dropped before it ends, it counts as given up.
struct Call<'a> {
    kind: Kind,
    operation: Operation,
    room: Option<&'a RoomId>,
    started: Instant,
    /// The outcome, and the kind of error if there is one. The metric of appends has the outcome as a label: `stored`,
    /// `duplicate` or `failed`.
    outcome: (&'static str, Option<&'static str>),
}

impl<S: Store> Instrumented<S> {
    /// Records the calls of `store` as those of a store of this kind.
    pub fn new(kind: Kind, store: S) -> Self {
        Self { kind, store }
    }

    fn call<'a>(&self, operation: Operation, room: Option<&'a RoomId>) -> Call<'a> {
        Call { kind: self.kind, operation, room, started: Instant::now(), outcome: ("failed", Some(GIVEN_UP)) }
    }

    async fn read<T>(
        &self,
        read: Read,
        room: Option<&RoomId>,
        result: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut call = self.call(Operation::Read(read), room);
        let outcome = result.await;
        call.outcome = ("read", outcome.as_ref().err().map(StoreError::kind));
        outcome
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Self { kind, operation, room, started, outcome: (outcome, error) } = *self;
        let took = started.elapsed();
        let name = match operation {
            Operation::Append => {
                metrics::appended(kind, outcome, took);
                "append"
            }
            Operation::Read(read) => {
                metrics::read(kind, read, took);
                read.name()
            }
        };
        if let Some(error) = error {
            metrics::failed(kind, name, error);
        }
        if took > SLOW_CALL {
            let room = room.map(RoomId::as_str);
            warn!(room.id = room, operation = name, error, duration_ms = took.as_millis() as u64, "the store was slow");
        }
    }
}

#[async_trait]
impl<S: Store> Store for Instrumented<S> {
    async fn append(&self, room: &RoomId, append: Append) -> Result<Appended, StoreError> {
        let mut call = self.call(Operation::Append, Some(room));
        let outcome = self.store.append(room, append).await;
        call.outcome = match &outcome {
            Ok(Appended { duplicate: false, .. }) => ("stored", None),
            Ok(Appended { duplicate: true, .. }) => ("duplicate", None),
            Err(error) => ("failed", Some(error.kind())),
        };
        outcome
    }

    async fn after(&self, room: &RoomId, cursor: &Cursor, limit: usize) -> Result<Replay, StoreError> {
        self.read(Read::After, Some(room), self.store.after(room, cursor, limit)).await
    }

    async fn latest(&self, room: &RoomId, limit: usize) -> Result<Page, StoreError> {
        self.read(Read::Latest, Some(room), self.store.latest(room, limit)).await
    }

    async fn before(&self, room: &RoomId, id: &MessageId, limit: usize) -> Result<Page, StoreError> {
        self.read(Read::Before, Some(room), self.store.before(room, id, limit)).await
    }

    async fn rooms(&self) -> Result<Arc<[Activity]>, StoreError> {
        self.read(Read::Rooms, None, self.store.rooms()).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.read(Read::Check, None, self.store.check()).await
    }
}
