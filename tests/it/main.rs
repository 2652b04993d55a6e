//! The black-box tests: the program as users meet it, behind a real Pushpin, over a real DynamoDB, in a real browser.
//!
//! | module | what it shows |
//! |---|---|
//! | `api` | HTTP: negotiation, methods, forms, errors |
//! | `publishing` | what control ports of all kinds are sent |
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `posting` | density and idempotency under concurrency, over several processes |
//! | `program` | the command line: exit codes, the log, start without its parts, end |
//! | `readme` | what the README says: its examples, tables and names |

use std::process::ExitCode;

mod api;
mod faults;
mod program;
mod publishing;
mod readme;
//! | `contract` | what every store keeps to, and two processes on one table |
//! | `streams` | what a subscriber sees: provisional, persisted, replayed, reset |
//! | `faults` | crashes, lost publishes, a slow or failing store, redeploys |
//! | `posting` | density and idempotency under concurrency, over several processes |
//! | `cost` | what messages cost, in DynamoDB's units |
//! | `table` | `gripchat create-table` |

use std::process::ExitCode;

mod contract;
mod cost;
mod posting;
//! | `pages` | the pages in browsers, through all of it |

use std::process::ExitCode;

mod pages;
mod streams;
mod support;
mod table;

fn main() -> ExitCode {
    let trials = [
        support::fault::tests::trials(),
        support::sse::tests::trials(),
        publishing::trials(),
        api::trials(),
        faults::trials(),
        streams::trials(),
        program::trials(),
        readme::trials(),
        contract::trials(),
        streams::trials(),
        posting::trials(),
        cost::trials(),
        table::trials(),
    ];
    let trials = [support::fault::tests::trials(), support::sse::tests::trials(), streams::trials(), pages::trials()];
    support::trials::main(trials.into_iter().flatten().collect())
}
