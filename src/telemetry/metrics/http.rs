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
                "From a request's head to the head of its answer; the route is a pattern or none, the status gone where the client went",
                seconds,
            ),
        }
    }
}

/// A request was answered, or its client has gone before. The route is one of the table of routes.
pub fn answered(route: &str, method: &Method, status: Option<StatusCode>, took: Duration) {
    let status = status.map_or("gone".into(), |status| Value::from(status.as_str().to_owned()));
    let labels: [Value; 3] = [route.to_owned().into(), known(method).into(), status];
    ALL.http.requests.get(labels).observe(took.as_secs_f64());
}

/// A client can say any word for a method, which is one of a few here.
pub fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
