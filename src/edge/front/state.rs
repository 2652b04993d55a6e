//! The state that the handling of all requests shares, and the client of a request.

use std::{net::IpAddr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::takeover::Takeover;
use crate::{
    edge::{backend::Backend, channels::Hub, held::ClientLimits},
    forwarded::{ClientId, TrustedProxies},
};

/// The state that the handling of all requests shares.
pub(crate) struct Front {
    pub(crate) backend: Backend,
    pub(crate) hub: Arc<Hub>,
    /// The longest request body, in bytes.
    pub(crate) max_body: u64,
    pub(crate) limits: Arc<ClientLimits>,
    pub(crate) trusted: TrustedProxies,
    /// Cancelled when streams start to be ended. From then on there are no new ones.
    pub(crate) draining: CancellationToken,
    /// Ends what would not end by itself, such as upgraded connections.
    pub(crate) stop: CancellationToken,
}

/// The client of a request.
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Identifies the client for limits. Behind trusted proxies, this is not the address of the connection.
    pub(super) id: ClientId,
    /// For the takeover of the connection if a stream is held.
    pub(super) takeover: Arc<Takeover>,
    /// Whether streams were being ended already when it sent the request.
    pub(super) is_late: bool,
}
