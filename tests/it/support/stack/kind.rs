//! The stacks that tests run on.

use crate::support::{proxy, trials::Need};

/// A combination of a proxy and a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PushpinDynamoDb,
    EdgeDynamoDb,
    EdgeEmbedded,
}

impl Kind {
    /// All of them. Only for tests in which the combination of a proxy and a store may matter: they take the longest.
    pub(crate) const ALL: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeDynamoDb, Self::EdgeEmbedded];

    /// Two that have no part in common: each proxy and each store once. For tests of what either of them takes part in.
    pub(crate) const APART: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeEmbedded];

    /// Both proxies over a store that can fail on demand and that several backends share. No fault proxy can be put
    /// between a process and its own file, so such tests cannot run on the embedded store.
    pub(crate) const DYNAMODB: &[Self] = &[Self::PushpinDynamoDb, Self::EdgeDynamoDb];

    /// One stack with such a store, for tests in which the proxy only forwards.
    pub(crate) const EDGE_DYNAMODB: &[Self] = &[Self::EdgeDynamoDb];

    /// For tests of what the backend or the page does by itself: the stack that starts fastest and needs no other parts.
    pub(crate) const EDGE_EMBEDDED: &[Self] = &[Self::EdgeEmbedded];

    /// For tests of the page that also run on [`Kind::EDGE_EMBEDDED`], in another way.
    pub(crate) const PUSHPIN_DYNAMODB: &[Self] = &[Self::PushpinDynamoDb];

    /// The name in the names of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PushpinDynamoDb => "pushpin_dynamodb",
            Self::EdgeDynamoDb => "edge_dynamodb",
            Self::EdgeEmbedded => "edge_embedded",
        }
    }

    /// The proxy.
    pub(crate) fn proxy(self) -> proxy::Kind {
        match self {
            Self::PushpinDynamoDb => proxy::Kind::Pushpin,
            Self::EdgeDynamoDb | Self::EdgeEmbedded => proxy::Kind::Edge,
        }
    }

    /// The parts that it cannot be started without.
    pub(crate) fn needs(self) -> &'static [Need] {
        match self {
            Self::PushpinDynamoDb => &[Need::Pushpin, Need::DynamoDb],
            Self::EdgeDynamoDb => &[Need::DynamoDb],
            Self::EdgeEmbedded => &[],
        }
    }
}
