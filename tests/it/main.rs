//! The black-box tests: the program as users meet it, behind a real Pushpin, over a real DynamoDB, in a real browser.
//!
//! | module | what it shows |
//! |---|---|
//! | `api` | HTTP: negotiation, methods, forms, errors |
//! | `publishing` | what control ports of all kinds are sent |
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `posting` | density and idempotency under concurrency, over several processes |

use std::process::ExitCode;

mod api;
mod faults;
mod publishing;
mod streams;
mod support;

fn main() -> ExitCode {
    let trials = [
        support::fault::tests::trials(),
        support::sse::tests::trials(),
        publishing::trials(),
        api::trials(),
        faults::trials(),
        streams::trials(),
    ];
    support::trials::main(trials.into_iter().flatten().collect())
}
