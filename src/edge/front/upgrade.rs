//! Changes of protocol, such as to WebSocket: passed through, as between client and backend alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::takeover::Handover;
use crate::edge::body::{self, Body};

/// Asks the next server for the protocol that this one was asked for.
pub(in crate::edge) fn ask(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Answers that the backend has changed protocols, and then carries bytes both ways until one side ends, or the edge.
/// The handover counts the connection, which hyper has let go.
pub(in crate::edge) fn join(
    client: OnUpgrade,
    mut response: Response<Incoming>,
    handover: Arc<Handover>,
    stop: CancellationToken,
) -> Response<Body> {
    let backend = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let carried = async {
            let (client, backend) = tokio::try_join!(client, backend)?;
            Ok(copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(backend)).await)
        };
        let outcome: Option<Result<_, hyper::Error>> = stop.run_until_cancelled(carried).await;
        debug!(?outcome, "an upgraded connection ended");
        drop(handover);
    });
    let (head, _) = response.into_parts();
    Response::from_parts(head, body::empty())
}
