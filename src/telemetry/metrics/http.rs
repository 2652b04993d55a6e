//! Metrics of HTTP requests to the backend.

use std::time::Duration;

use ::http::{Method, StatusCode};
use prometheus_client::metrics::histogram::Histogram;

use super::{
    ALL,
    catalogue::{By, Catalogue, Value},
    seconds,
};

pub(super) struct Metrics {
    requests: By<Histogram, 3>,
}

impl Metrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        Self {
            requests: catalogue.histograms(
                "gripchat_http_request_duration_seconds",
                &["route", "method", "status"],
                "Time from the head of a request to the head of its response; the route is a pattern or none, the status is gone if the client disconnected first",
                seconds,
            ),
        }
    }
}

/// Records a request that was answered, or, without a status, whose client disconnected first. The route comes from the
/// table of routes.
pub fn answered(route: &str, method: &Method, status: Option<StatusCode>, took: Duration) {
    let status = status.map_or("gone".into(), |status| Value::from(status.as_str().to_owned()));
    let labels: [Value; 3] = [route.to_owned().into(), method_label(method).into(), status];
    ALL.http.requests.get(labels).observe(took.as_secs_f64());
}

/// Returns the method as a label: one of a fixed set, because a client can send any word as a method.
pub fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
