//! Responses in pages: a response that has a next link but no hold continues with the body of that link's response.

use std::time::Duration;

use bytes::Bytes;
use tokio::{sync::mpsc, time::sleep};
use tracing::{Instrument as _, debug, warn};

use super::{hold_context::HoldContext, takeover::BodyPart};
use crate::{
    edge::{
        backend::{Backend, FetchError},
        held::{Link, LinkBase, NextStep},
        items::ends_event,
    },
    grip::Instructions,
    telemetry::metrics::edge::Purpose,
};

/// The pauses after which a failed request for a page is repeated. After the last attempt, the response ends after the
/// pages that were sent.
const RETRY_PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// Starts a task that sends one page after the other. It ends after the last page, at a page that requires a hold, or
/// when the client has gone.
pub(super) fn start(
    backend: Backend,
    link: Link,
    context: HoldContext,
    between_events: bool,
    parts: mpsc::Sender<BodyPart>,
) {
    let pages = async move {
        tokio::select! {
            () = send_pages(&backend, link, &context, between_events, &parts) => {}
            () = parts.closed() => {}
        }
    };
    tokio::spawn(pages.in_current_span());
}

async fn send_pages(
    backend: &Backend,
    mut link: Link,
    context: &HoldContext,
    mut between_events: bool,
    parts: &mpsc::Sender<BodyPart>,
) {
    loop {
        let Ok((headers, body)) = fetch(backend, &link, context).await else { return };
        if !body.is_empty() {
            between_events = ends_event(&body);
            if parts.send(BodyPart::Bytes(body)).await.is_err() {
                return;
            }
        }
        let base = LinkBase { host: &context.host, uri: &link.uri, backend: backend.address() };
        let instructions = Instructions::parse(&headers).map_err(|error| error.to_string());
        match instructions
            .and_then(|instructions| NextStep::new(instructions, &base).map_err(|error| error.to_string()))
        {
            Ok(NextStep::Page(next)) => link = next,
            Ok(NextStep::Hold(instructions)) => {
                context.hold(&instructions, between_events);
                let _ = parts.send(BodyPart::Hold).await;
                return;
            }
            Ok(NextStep::End) => return,
            Err(error) => return warn!(link = %link.uri, "response ends before its last page: {error}"),
        }
    }
}

async fn fetch(backend: &Backend, link: &Link, context: &HoldContext) -> Result<(http::HeaderMap, Bytes), FetchError> {
    let mut pauses = RETRY_PAUSES.into_iter();
    loop {
        let page = backend.get(Purpose::Page, &context.id, &link.uri, &context.host, &[]).await;
        match (page, pauses.next()) {
            (Ok(page), _) => return Ok(page),
            (Err(error), Some(pause)) => {
                debug!(link = %link.uri, %error, "request for a page failed; repeating it");
                sleep(pause.mul_f64(1.0 + rand::random_range(0.0..0.5))).await;
            }
            (Err(error), None) => {
                warn!(link = %link.uri, "response ends before its last page: {error}");
                return Err(error);
            }
        }
    }
}
