//! Everything that is counted: each name once, with its help, its labels and a function that counts.
//!
//! | module | counts |
//! |---|---|
//! | [`posts`] | posts by what became of them |
//! | [`publish`] | what goes to the proxies' control ports |
//! | [`store`] | appends, reads and errors of any store; what is DynamoDB's own, and the embedded store's |
//! | [`streams`] | streams opened, reset and recovered, as the backend answers them |
//! | [`http`] | requests by route |
//! | [`edge`] | held streams, items and recoveries of the edge |
//! | `process` | the process: time, memory, descriptors |
//!
//! The figures are this process's, in atomics of constant memory: who never asks for them, as a test or a bench, pays no
//! more for them than that. `docs/metrics.md` describes them all, and a test holds it to this list.
//!
//! Values of labels come from closed sets (`catalogue`), never from a client: no room, no author, no address.

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

/// What [`text`] is, as an answer's header.
pub const CONTENT_TYPE: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"));

/// All of them, made at first use.
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
        process::describe(&mut catalogue);
        let Catalogue { registry, descriptions } = catalogue;
        Self { registry, descriptions, posts, publish, store, streams, http, edge }
    }
}

/// Begins: the process counts as started now.
pub(super) fn start() {
    LazyLock::force(&ALL);
    process::start();
}

/// All figures, in the text format of OpenMetrics, which Prometheus reads.
pub fn text() -> String {
    let mut text = String::new();
    encode(&mut text, &ALL.registry).expect("a string takes everything");
    text
}

/// What there is, in the order of [`text`].
pub fn descriptions() -> &'static [Description] {
    &ALL.descriptions
}

/// From what a store in memory takes to what the longest deadline allows.
fn seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Of a few things or of thousands.
fn amounts() -> Histogram {
    Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_say_what_they_are_and_stand_once() {
        let mut names = BTreeSet::new();
        for Description { name, kind, help, .. } in descriptions() {
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.starts_with("gripchat_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name} is a {kind}");
            assert!(!help.ends_with('.'), "the library ends the help of {name} itself");
        }
    }

    #[test]
    fn what_is_written_whole_here_is_what_prometheus_reads() {
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
