//! The black-box tests: the program as users meet it, behind a real Pushpin, over a real DynamoDB, in a real browser.
//!
//! | module | what it shows |
//! |---|---|
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `posting` | density and idempotency under concurrency, over several processes |

use std::process::ExitCode;

mod faults;
mod streams;
mod support;

fn main() -> ExitCode {
    let trials = [support::fault::tests::trials(), support::sse::tests::trials(), faults::trials(), streams::trials()];
    support::trials::main(trials.into_iter().flatten().collect())
}
