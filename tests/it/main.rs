//! The black-box tests: the program as users meet it, behind a real Pushpin, over a real DynamoDB, in a real browser.
//!
//! | module | what it shows |
//! |---|---|
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `posting` | density and idempotency under concurrency, over several processes |

use std::process::ExitCode;

mod streams;
mod support;

fn main() -> ExitCode {
    let trials = [support::fault::tests::trials(), support::sse::tests::trials(), streams::trials()];
    support::trials::main(trials.into_iter().flatten().collect())
}
