//! Changes of protocol, such as to WebSocket: passed through, as between client and backend alone.

use http::{HeaderMap, HeaderValue, Response, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tracing::debug;

use super::{forward::Body, pager};

/// Asks the next server for the protocol that this one was asked for.
pub(super) fn ask(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Answers that the backend has changed protocols, and then carries bytes both ways until one side ends.
pub(super) fn join(client: OnUpgrade, mut response: Response<Incoming>) -> Response<Body> {
    let backend = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let outcome = async {
            let (client, backend) = tokio::try_join!(client, backend)?;
            Ok(copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(backend)).await)
        };
        let outcome: Result<_, hyper::Error> = outcome.await;
        debug!(?outcome, "an upgraded connection ended");
    });
    let (head, _) = response.into_parts();
    Response::from_parts(head, pager::empty())
}
