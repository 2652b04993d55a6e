//! All metrics: each name once, with its help text, its labels, and the functions that record it.
//!
//! | module | what it is | imports |
//! |---|---|---|
//! | `catalogue` | registration: name, help text and labels in one place | nothing |
//! | [`posts`] | posts by outcome | `catalogue` |
//! | [`publish`] | requests to the proxies' control ports | `catalogue` |
//! | [`store`] | appends, reads and errors of every store; metrics of DynamoDB and the embedded store | `catalogue` |
//! | [`streams`] | streams opened, reset and recovered, as the backend sees them | `catalogue` |
//! | [`http`] | requests by route | `catalogue` |
//! | [`edge`] | held streams, items and recoveries of the edge | `catalogue` |
//! | `process` | the process: CPU time, memory, file descriptors | `catalogue` |
//!
//! The metrics are those of this process, kept in atomics of constant size. A process that never exposes them, such as
//! a test or a benchmark, pays for nothing else. `docs/metrics.md` describes all of them; a test compares it with this
//! list.
//!
//! The values of labels come from closed sets (`catalogue`), never from a client: no rooms, authors or addresses.

mod catalogue;
pub mod edge;
pub mod http;
pub mod posts;
mod process;
pub mod publish;
pub mod store;
pub mod streams;

use std::sync::LazyLock;

use ::http::{HeaderName, HeaderValue, header};
use prometheus_client::{encoding::text::encode, metrics::histogram::Histogram, registry::Registry};

use self::catalogue::Catalogue;
pub use self::catalogue::Description;

/// The `Content-Type` header of [`text`].
pub const CONTENT_TYPE: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"));

/// All metrics, created on first use.
static ALL: LazyLock<All> = LazyLock::new(All::new);

struct All {
    registry: Registry,
    descriptions: Vec<Description>,
    posts: posts::Metrics,
    publish: publish::Metrics,
    store: store::Metrics,
    streams: streams::Metrics,
    http: http::Metrics,
    edge: edge::Metrics,
}

impl All {
    fn new() -> Self {
        let mut catalogue = Catalogue::default();
        let posts = posts::Metrics::new(&mut catalogue);
        let publish = publish::Metrics::new(&mut catalogue);
        let store = store::Metrics::new(&mut catalogue);
        let streams = streams::Metrics::new(&mut catalogue);
        let http = http::Metrics::new(&mut catalogue);
        let edge = edge::Metrics::new(&mut catalogue);
        process::register(&mut catalogue);
        let Catalogue { registry, descriptions } = catalogue;
        Self { registry, descriptions, posts, publish, store, streams, http, edge }
    }
}

/// Creates the metrics, and records the current time as the start of the process.
pub(super) fn start() {
    LazyLock::force(&ALL);
    process::start();
}

/// Returns all metrics in the text format of OpenMetrics, which Prometheus reads.
pub fn text() -> String {
    let mut text = String::new();
    encode(&mut text, &ALL.registry).expect("writing to a string cannot fail");
    text
}

/// Returns the descriptions of all metrics, in the order of [`text`].
pub fn descriptions() -> &'static [Description] {
    &ALL.descriptions
}

/// Buckets for durations, from the time of an in-memory store to the longest deadline.
fn seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Buckets for numbers of things, from one to thousands.
fn amounts() -> Histogram {
    Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let mut names = BTreeSet::new();
        for Description { name, kind, help, .. } in descriptions() {
            assert!(names.insert(name), "{name} is registered twice");
            assert!(name.starts_with("gripchat_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
            assert!(!help.ends_with('.'), "the library adds the full stop to the help text of {name}");
        }
    }

    #[test]
    fn the_text_contains_the_names_as_they_are_written_in_the_code() {
        let text = text();
        for sample in [
            "\ngripchat_posts_total{outcome=\"duplicate\",reason=\"\"} ",
            "\n# UNIT gripchat_embedded_commit_duration_seconds seconds\n",
            "\ngripchat_embedded_commit_duration_seconds_bucket{le=\"+Inf\"} ",
            "\ngripchat_edge_deliveries_total ",
            "\nprocess_cpu_seconds_total ",
            "\ngripchat_build_info{version=\"",
        ] {
            assert!(text.contains(sample), "{sample} is not in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
