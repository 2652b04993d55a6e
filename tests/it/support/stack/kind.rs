//! The stacks that the same trials run on.

use crate::support::{proxy, trials::Need};

/// Which proxy, and which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PushpinDynamoDb,
    EdgeDynamoDb,
    EdgeEmbedded,
}

impl Kind {
    /// For what holds whatever the parts are.
    pub(crate) const ALL: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeDynamoDb, Self::EdgeEmbedded];

    /// For what needs a store that several backends share, or one that fails on demand: no fault proxy can stand
    /// between a process and its own file.
    pub(crate) const DYNAMODB: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeDynamoDb];

    /// For what is the pages' own and takes its time: two that have no part in common.
    pub(crate) const APART: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeEmbedded];

    /// In the names of trials.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PushpinDynamoDb => "pushpin_dynamodb",
            Self::EdgeDynamoDb => "edge_dynamodb",
            Self::EdgeEmbedded => "edge_embedded",
        }
    }

    /// Its proxy.
    pub(crate) fn proxy(self) -> proxy::Kind {
        match self {
            Self::PushpinDynamoDb => proxy::Kind::Pushpin,
            Self::EdgeDynamoDb | Self::EdgeEmbedded => proxy::Kind::Edge,
        }
    }

    /// What it cannot be started without.
    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::PushpinDynamoDb => &[Need::Pushpin, Need::DynamoDb],
            Self::EdgeDynamoDb => &[Need::DynamoDb],
            Self::EdgeEmbedded => &[],
        }
    }
}
