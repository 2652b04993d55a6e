//! Upgraded connections, such as WebSocket: bytes are copied between client and backend without being read.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::takeover::Takeover;
use crate::edge::body::{self, Body};

/// Adds the headers that request an upgrade from the backend.
pub(super) fn request(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Returns the response that confirms the upgrade. Then copies bytes in both directions until one side ends, or `stop`.
/// The takeover keeps counting the connection, which hyper has released.
pub(super) fn join(
    client: OnUpgrade,
    mut response: Response<Incoming>,
    takeover: Arc<Takeover>,
    stop: CancellationToken,
) -> Response<Body> {
    let backend = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let copied = async {
            let (client, backend) = tokio::try_join!(client, backend)?;
            Ok(copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(backend)).await)
        };
        let outcome: Option<Result<_, hyper::Error>> = stop.run_until_cancelled(copied).await;
        debug!(?outcome, "upgraded connection closed");
        drop(takeover);
    });
    let (head, _) = response.into_parts();
    Response::from_parts(head, body::empty())
}
