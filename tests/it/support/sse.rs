//! A client of Server-Sent Events that reports every event with its time, and how the stream ended.
//!
//! Unlike a browser's EventSource, it never reconnects by itself. A test that needs this opens another [`Stream`] with
//! `Last-Event-ID: {last_event_id}`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use reqwest::{
    Client, Response,
    header::{CONTENT_TYPE, HeaderMap},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

pub(crate) use parser::{Event, Parser};

mod parser;
pub(crate) mod tests;

/// For the head of the response. A GRIP proxy sends it when the hold starts, so a response without a head is not a stream.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// An open stream. Its connection ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    headers: HeaderMap,
    events: mpsc::UnboundedReceiver<(Instant, Event)>,
    parser: Arc<Mutex<Parser>>,
    /// How the stream ended, after it has.
    end: watch::Receiver<Option<String>>,
    reading: JoinHandle<()>,
}

impl Stream {
    /// Opens `url` and waits for the head of the response, which must be one that an EventSource accepts.
    pub(crate) async fn open(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Self> {
        // A client of its own has only this connection, so that closing the stream closes the connection.
        let client = Client::builder().no_proxy().build()?;
        let mut request = client.get(url).header("Accept", "text/event-stream").header("Cache-Control", "no-store");
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let response = timeout(HEAD_TIMEOUT, request.send())
            .await
            .with_context(|| format!("GET {url}: no response within {HEAD_TIMEOUT:?}"))?
            .with_context(|| format!("GET {url}"))?;

        let (status, headers) = (response.status(), response.headers().clone());
        if status != 200 {
            let body = timeout(HEAD_TIMEOUT, response.text()).await.context("the body does not end")??;
            bail!("GET {url}: {status}: {body}");
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        ensure!(essence.eq_ignore_ascii_case("text/event-stream"), "GET {url}: not a stream but {media_type:?}");

        let parser = Arc::new(Mutex::new(Parser::default()));
        #[expect(clippy::disallowed_methods, reason = "a test may read its events late, and must lose none")]
        let (send_event, events) = mpsc::unbounded_channel();
        let (send_end, end) = watch::channel(None);
        let reading = tokio::spawn({
            let parser = parser.clone();
            async move {
                let how = read(response, &parser, &send_event).await;
                // Before the end of the events, so that the reason is known when a test sees the end.
                send_end.send_replace(Some(how));
                drop(send_event);
            }
        });
        Ok(Self { headers, events, parser, end, reading })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the next event, or `None` after this time or after the end of the stream.
    pub(crate) async fn next(&mut self, within: Duration) -> Option<Event> {
        self.next_at(within).await.map(|(_, event)| event)
    }

    /// Returns the next event and the time when it arrived, which may be long before this call.
    pub(crate) async fn next_at(&mut self, within: Duration) -> Option<(Instant, Event)> {
        timeout(within, self.events.recv()).await.ok().flatten()
    }

    /// Returns the next event with this name. Other events before it are skipped.
    pub(crate) async fn next_named(&mut self, name: &str, within: Duration) -> Option<Event> {
        let mut events = self.until(within, |event| event.event == name).await.ok()?;
        events.pop()
    }

    /// Returns all events up to and including the first that `matches`, or an error with the events that came instead.
    pub(crate) async fn until(
        &mut self,
        within: Duration,
        mut matches: impl FnMut(&Event) -> bool,
    ) -> anyhow::Result<Vec<Event>> {
        let deadline = Instant::now() + within;
        let mut seen = Vec::new();
        loop {
            match timeout_at(deadline, self.events.recv()).await {
                Ok(Some((_, event))) => seen.push(event),
                Ok(None) => bail!("{}, after {}", self.end().unwrap_or_default(), list(&seen)),
                Err(_) => bail!("nothing that matches within {within:?}, but {}", list(&seen)),
            }
            if seen.last().is_some_and(&mut matches) {
                return Ok(seen);
            }
        }
    }

    /// Returns the events that have arrived and were not returned yet.
    pub(crate) fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|(_, event)| event).collect()
    }

    /// Returns what an EventSource would send as `Last-Event-ID` if it reconnected now, after all events that have arrived.
    pub(crate) fn last_event_id(&self) -> String {
        self.parser().last_event_id().to_owned()
    }

    /// Returns how long clients should wait before they reconnect, if the server sent that.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.parser().retry()
    }

    /// Returns the number of comment lines so far. Keep-alives often are such lines.
    pub(crate) fn comments(&self) -> usize {
        self.parser().comments()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// Returns how the stream ended, if it has.
    pub(crate) fn end(&self) -> Option<String> {
        self.end.borrow().clone()
    }

    /// Whether the server ends the stream during this time. Events before the end can still be read.
    pub(crate) async fn closed(&mut self, within: Duration) -> bool {
        matches!(timeout(within, self.end.wait_for(Option::is_some)).await, Ok(Ok(_)))
    }

    /// Closes the connection, and returns when it is closed.
    pub(crate) async fn close(mut self) {
        self.reading.abort();
        // The task owns the response, which owns the connection. Its only possible error is that it was aborted.
        let _ = (&mut self.reading).await;
    }

    fn parser(&self) -> std::sync::MutexGuard<'_, Parser> {
        self.parser.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(
    mut response: Response,
    parser: &Mutex<Parser>,
    events: &mpsc::UnboundedSender<(Instant, Event)>,
) -> String {
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return "the server ended the stream".to_owned(),
            Err(error) => return format!("the stream broke: {:#}", anyhow::Error::from(error)),
        };
        let arrived = Instant::now();
        for event in parser.lock().unwrap_or_else(PoisonError::into_inner).feed(&chunk) {
            // Fails when the stream was dropped, which ends this task as well.
            let _ = events.send((arrived, event));
        }
    }
}

fn list(events: &[Event]) -> String {
    let one = |event: &Event| format!("\n  {} {:?} {}", event.event, event.last_event_id, event.data);
    match events {
        [] => "no event".to_owned(),
        _ => format!("{} events:{}", events.len(), events.iter().map(one).collect::<String>()),
    }
}
