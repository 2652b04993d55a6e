//! Requests to the backend.

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
                "From a request's head to the head of its answer; the route is a pattern, or none",
                seconds,
            ),
        }
    }
}

/// A request was answered. The route is one of the table of routes.
pub fn answered(route: &str, method: &Method, status: StatusCode, took: Duration) {
    let labels: [Value; 3] = [route.to_owned().into(), known(method).into(), status.as_str().to_owned().into()];
    ALL.http.requests.get(labels).observe(took.as_secs_f64());
}

/// A client can say any word for a method.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
