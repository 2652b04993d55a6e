//! The black-box tests: the program as users see it, with a real Pushpin, a real DynamoDB and a real browser.
//!
//! Tests of the whole chat run on several stacks, whose names are part of the names of the tests: `pushpin_dynamodb`,
//! `edge_dynamodb` and `edge_embedded`. The last one needs only this repository.
//!
//! | module | what it tests |
//! |---|---|
//! | `api` | HTTP: negotiation, methods, forms, errors |
//! | `chaos` | no gaps, duplicates or losses under random faults: streams, posters and a judge |
//! | `conformance` | GRIP: what clients and backends receive from each proxy |
//! | `contract` | the contract of every store, and two processes on one table |
//! | `cost` | what messages cost, in DynamoDB's units |
//! | `delivery` | the pages and their assets: compression, caching, completeness |
//! | `docs` | README.md and docs/: their commands, tables and links |
//! | `edge` | what only the edge has: limits, deadlines, slow readers, shutdown, and its document |
//! | `embedded` | the embedded store: killed, damaged, in use, on a full disk, in operation |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `health` | `/healthz` and `/readyz` |
//! | `limits` | how often a client may post, how its address is found, and what is refused unread |
//! | `pages` | the pages, in browsers |
//! | `posting` | dense ids and idempotency under concurrency, with several processes |
//! | `program` | the command line: exit codes, logs, `run`, `edge`, a start without its parts, shutdown |
//! | `publishing` | the requests to control ports of all kinds |
//! | `rooms` | the list of rooms: order, pages, refusals, and turning it off |
//! | `storm` | two thousand streams that reconnect at once |
//! | `streams` | the events of a stream: provisional, persisted, replayed, reset |
//! | `table` | `gripchat create-table` |
//! | `telemetry` | metrics, request ids and logs |

use std::process::ExitCode;

mod api;
mod chaos;
mod conformance;
mod contract;
mod cost;
mod delivery;
mod docs;
mod edge;
mod embedded;
mod faults;
mod health;
mod limits;
mod pages;
mod posting;
mod program;
mod publishing;
mod rooms;
mod storm;
mod streams;
mod support;
mod table;
mod telemetry;

fn main() -> ExitCode {
    if let Some(ended) = embedded::child::main() {
        return ended;
    }
    // The HTTP clients of the tests require it when they are created, although none of them uses TLS.
    rustls::crypto::ring::default_provider().install_default().expect("no other provider is installed yet");
    // The longest first, so that they do not run alone at the end. Heavy tests start in this order, several at a time,
    // and light ones run beside them.
    let trials = [
        pages::trials(),
        chaos::trials(),
        storm::trials(),
        faults::trials(),
        embedded::trials(),
        conformance::trials(),
        edge::trials(),
        streams::trials(),
        delivery::trials(),
        posting::trials(),
        health::trials(),
        limits::trials(),
        program::trials(),
        telemetry::trials(),
        contract::trials(),
        api::trials(),
        docs::trials(),
        rooms::trials(),
        cost::trials(),
        table::trials(),
        publishing::trials(),
        support::fault::tests::trials(),
        support::sse::tests::trials(),
    ];
    support::trials::main(trials.into_iter().flatten().collect())
}
