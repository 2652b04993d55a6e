//! The black-box tests: the program as users meet it, behind a real Pushpin, over a real DynamoDB, in a real browser.
//!
//! What is about the chat runs on several stacks, whose names stand in those of the trials: `pushpin_dynamodb`,
//! `edge_dynamodb` and `edge_embedded`. The last needs nothing but this repository.
//!
//! | module | what it shows |
//! |---|---|
//! | `api` | HTTP: negotiation, methods, forms, errors |
//! | `chaos` | no gap, no double, no loss, whatever breaks: streams, posters, seeded faults and a judge |
//! | `conformance` | GRIP: what clients and backends see of a proxy, of each that there is |
//! | `contract` | what every store keeps to, and two processes on one table |
//! | `cost` | what messages cost, in DynamoDB's units |
//! | `delivery` | what pages load: compressed, kept by browsers, and all there |
//! | `edge` | what is the edge's own: its limits, deadlines, slow readers, end, and what its document says |
//! | `embedded` | the embedded store: killed, damaged, in use, full, at work |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `health` | `/healthz` and `/readyz`: what probes are told |
//! | `limits` | how often a client may post, whoever it says it is, and what is refused unread |
//! | `pages` | the pages, in browsers |
//! | `posting` | density and idempotency under concurrency, over several processes |
//! | `program` | the command line: exit codes, the log, `run`, `edge`, start without its parts, end |
//! | `publishing` | what control ports of all kinds are sent |
//! | `docs` | README.md and docs/: their commands, tables and links |
//! | `rooms` | the list of rooms: order, pages, refusals, and that it can be switched off |
//! | `storm` | two thousand streams that come back at once |
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `table` | `gripchat create-table` |
//! | `telemetry` | figures, the ids of requests, and what is written of them |

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
    // What the tests' own HTTP clients ask for when they are made, though none of them speaks TLS.
    rustls::crypto::ring::default_provider().install_default().expect("no other is installed yet");
    // The longest first, so that they do not run alone at the end.
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
