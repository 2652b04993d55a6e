//! Long answers in pages: a response without a hold and with a next link goes on at once with what the link answers.

use std::time::Duration;

use bytes::Bytes;
use tokio::{sync::mpsc, time::sleep};
use tracing::{Instrument as _, debug, warn};

use super::{hold::Hold, takeover::Part};
use crate::{
    edge::{
        backend::{Backend, FetchError},
        held::{Base, Link, Then},
        items::ends_event,
    },
    grip::Instructions,
    telemetry::metrics::edge::Purpose,
};

/// A page that is not answered is asked for again after these pauses, and then the response ends where it is.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// Sends page after page, up to one that says hold or end, or until the client is gone.
pub(in crate::edge) fn turn(backend: Backend, link: Link, hold: Hold, between_events: bool, parts: mpsc::Sender<Part>) {
    let turning = async move {
        tokio::select! {
            () = pages(&backend, link, &hold, between_events, &parts) => {}
            () = parts.closed() => {}
        }
    };
    tokio::spawn(turning.in_current_span());
}

async fn pages(backend: &Backend, mut link: Link, hold: &Hold, mut between_events: bool, parts: &mpsc::Sender<Part>) {
    loop {
        let Ok((headers, body)) = page(backend, &link, hold).await else { return };
        if !body.is_empty() {
            between_events = ends_event(&body);
            if parts.send(Part::Bytes(body)).await.is_err() {
                return;
            }
        }
        let base = Base { host: &hold.host, uri: &link.uri, backend: backend.address() };
        let then = Instructions::parse(&headers).map_err(|error| error.to_string());
        match then.and_then(|instruct| Then::new(instruct, &base).map_err(|error| error.to_string())) {
            Ok(Then::Page(next)) => link = next,
            Ok(Then::Hold(conditions)) => {
                hold.begin(&conditions, between_events);
                let _ = parts.send(Part::Hold).await;
                return;
            }
            Ok(Then::End) => return,
            Err(error) => return warn!(link = %link.uri, "a response ends before its last page: {error}"),
        }
    }
}

async fn page(backend: &Backend, link: &Link, hold: &Hold) -> Result<(http::HeaderMap, Bytes), FetchError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let page = backend.get(Purpose::Page, &hold.id, &link.uri, &hold.host, &[]).await;
        match (page, pauses.next()) {
            (Ok(page), _) => return Ok(page),
            (Err(error), Some(pause)) => {
                debug!(link = %link.uri, %error, "a page was not answered; asking again");
                sleep(pause.mul_f64(1.0 + rand::random_range(0.0..0.5))).await;
            }
            (Err(error), None) => {
                warn!(link = %link.uri, "a response ends before its last page: {error}");
                return Err(error);
            }
        }
    }
}
