//! The latency that the backend adds to a delivery. It compares the time from a POST to its first event at a subscriber
//! with the time that Pushpin alone takes from a direct publish to the same subscriber, alternating in one run.
//!
//! `cargo bench --all-features --bench latency`; needs Pushpin and DynamoDB Local, as `scripts/test` installs them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::support::{
    sse::Stream,
    stack::{Kind, SOON, Stack, http},
};

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "the tests use the rest")]
mod support;

/// Deliveries of each kind that are measured.
const COUNTED: usize = 500;
/// Deliveries of each kind before that, which are not measured.
const WARM_UP: usize = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // See tests/it/main.rs.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = measure().await;
    support::dynamodb::stop_shared()?;
    outcome
}

async fn measure() -> anyhow::Result<()> {
    let stack = Stack::start_with(Kind::PushpinDynamoDb, &[("RUST_LOG", "warn"), ("RECHECK_INTERVAL", "1h")]).await?;
    let through_proxy = stack.room("bench");
    let direct = stack.room_at(&stack.backend.url(), "bench");
    let mut stream = through_proxy.stream(None).await?;
    stream.next(SOON).await.context("the stream opens")?;
    let control = format!("http://{}/publish/", stack.proxy.control_addr());
    let client = http()?;

    let (mut published, mut posted, mut proxied) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unproxied, mut forwarded) = (Vec::new(), Vec::new());
    for n in 0..WARM_UP + COUNTED {
        let text = format!("direct {n}");
        let started = Instant::now();
        let publish = client.post(&control).json(&publication(&text)).send();
        let publish = tokio::spawn(publish);
        let took = arrival(&mut stream, &text).await? - started;
        publish.await??.error_for_status()?;
        record(&mut published, n, took);

        for (room, name, durations) in [(&direct, "posted", &mut posted), (&through_proxy, "proxied", &mut proxied)] {
            let text = format!("{name} {n}");
            let started = Instant::now();
            let post = tokio::spawn({
                let (room, text) = (room.clone(), text.clone());
                async move { room.post(&text).await }
            });
            let took = arrival(&mut stream, &text).await? - started;
            post.await??;
            record(durations, n, took);
        }

        // The time that Pushpin takes to forward any request: `/` is answered without reading the store.
        for (base, durations) in [(stack.backend.url(), &mut unproxied), (stack.proxy.url(), &mut forwarded)] {
            let started = Instant::now();
            client.get(format!("{base}/")).send().await?;
            record(durations, n, started.elapsed());
        }
    }

    println!("from the request to the first event at a subscriber, {COUNTED} of each in turn:");
    let published = report("publish directly to Pushpin", published);
    let posted = report("POST to the backend", posted);
    let proxied = report("POST through Pushpin", proxied);
    println!("the backend adds {:+.2} ms (median)", millis(posted) - millis(published));
    println!("the backend and the request through Pushpin add {:+.2} ms", millis(proxied) - millis(published));
    let forwarding = millis(median(&mut forwarded)) - millis(median(&mut unproxied));
    println!("Pushpin's forwarding of a request and its response takes {forwarding:.2} ms of that");
    Ok(())
}

/// Returns the body of a publish request with an item like those of the backend.
fn publication(text: &str) -> Value {
    let message = json!({"from": "Ada", "text": text});
    let content = format!("event: message\ndata: {message}\n\n");
    json!({"items": [{"channel": "provisional-bench", "formats": {"http-stream": {"content": content}}}]})
}

/// Waits for the first event with this text, and returns when it arrived.
async fn arrival(stream: &mut Stream, text: &str) -> anyhow::Result<Instant> {
    loop {
        let (at, event) = stream.next_at(SOON).await.context("no event arrived")?;
        if event.event == "message" && event.json()?["text"] == text {
            return Ok(at.into());
        }
    }
}

fn record(durations: &mut Vec<Duration>, n: usize, took: Duration) {
    if n >= WARM_UP {
        durations.push(took);
    }
}

/// Prints the percentiles, and returns the median.
fn report(what: &str, mut durations: Vec<Duration>) -> Duration {
    let median = median(&mut durations);
    let at = |share: usize| millis(durations[(durations.len() - 1) * share / 100]);
    println!("{what:>30}: p50 {:6.2} ms   p90 {:6.2} ms   p99 {:6.2} ms", millis(median), at(90), at(99));
    median
}

/// Sorts the durations, and returns their median.
fn median(durations: &mut [Duration]) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
