//! What a proxy changes in the head of a message that it forwards (RFC 9110, section 7.6).

use std::net::IpAddr;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use hyper::ext::ReasonPhrase;

/// Headers that concern a single connection, even if `Connection` does not name them (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Changes the headers of a request to the backend.
pub(crate) fn to_backend(headers: &mut HeaderMap, client: IpAddr) {
    // The HTTP server has answered `Expect` already. `Grip-` headers are removed because a client that could send them
    // to the backend could read any room.
    remove(headers, |name| *name == header::EXPECT);
    // Appended, so that the last address is the one that the edge itself has seen.
    let address = client.to_canonical().to_string();
    let mut chain = String::new();
    for known in headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
        chain.push_str(known);
        chain.push_str(", ");
    }
    chain.push_str(&address);
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
    // A proxy in front of the edge may have set this: the edge itself does not speak TLS.
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// Changes the headers of a response to the client.
pub(crate) fn to_client(headers: &mut HeaderMap) {
    remove(headers, |_| false);
}

/// Changes the headers of a response whose body will be longer than the backend's. If `only` is not empty, headers that
/// it does not name are removed.
pub(super) fn expose(headers: &mut HeaderMap, only: &[String]) {
    headers.remove(header::CONTENT_LENGTH);
    if !only.is_empty() {
        retain(headers, |name| only.iter().any(|exposed| exposed == name.as_str()));
    }
}

/// Returns the protocol that a request wants to upgrade to (RFC 9110, section 7.8).
pub(crate) fn upgrade_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    named_by_connection(headers).any(|name| name == header::UPGRADE).then(|| headers.get(header::UPGRADE).cloned())?
}

/// Sets the reason phrase of a response.
pub(super) fn set_reason(extensions: &mut Extensions, reason: Option<&str>) {
    let phrase = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok());
    if let Some(phrase) = phrase {
        extensions.insert(phrase);
    }
}

/// Removes the headers of a single connection, those of GRIP, and those for which `also` returns `true`.
fn remove(headers: &mut HeaderMap, also: impl Fn(&HeaderName) -> bool) {
    let named: Vec<HeaderName> = named_by_connection(headers).collect();
    let goes = |name: &HeaderName| {
        HOP_BY_HOP.contains(name) || named.contains(name) || name.as_str().starts_with("grip-") || also(name)
    };
    retain(headers, |name| !goes(name));
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok())
}

/// Keeps some headers, in their order. Builds a new map, since removing from a map changes the order.
fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    if !headers.keys().all(&keep) {
        let kept = headers.iter().filter(|(name, _)| keep(name));
        *headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn headers_of_one_connection_are_not_forwarded() {
        let mut request = headers(&[
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("expect", "100-continue"),
            ("cookie", "a=b"),
        ]);
        to_backend(&mut request, Ipv4Addr::LOCALHOST.into());
        let left: Vec<_> = request.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(request["cookie"], "a=b");
    }

    #[test]
    fn grip_headers_of_clients_are_removed() {
        let mut request = headers(&[("grip-sig", "forged"), ("grip-last", "a; last-id=1")]);
        to_backend(&mut request, Ipv4Addr::LOCALHOST.into());
        assert!(request.keys().all(|name| !name.as_str().starts_with("grip-")));
    }

    #[test]
    fn the_address_that_the_edge_has_seen_is_the_last_of_the_chain() {
        let mut request = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")]);
        to_backend(&mut request, "::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(request["x-forwarded-for"], "1.2.3.4, 10.0.0.1");
        assert_eq!(request["x-forwarded-proto"], "https");
        let mut first = HeaderMap::new();
        to_backend(&mut first, Ipv4Addr::LOCALHOST.into());
        assert_eq!(
            (&first["x-forwarded-for"], &first["x-forwarded-proto"]),
            (&"127.0.0.1".parse().unwrap(), &"http".parse().unwrap())
        );
    }

    #[test]
    fn a_list_of_exposed_headers_removes_all_others() {
        let mut response = headers(&[("content-length", "3"), ("x-a", "1"), ("x-b", "2")]);
        expose(&mut response, &["x-b".to_owned()]);
        assert_eq!(response, headers(&[("x-b", "2")]));
    }

    #[test]
    fn an_upgrade_requires_both_headers() {
        assert_eq!(
            upgrade_protocol(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")])).unwrap(),
            "websocket"
        );
        assert_eq!(upgrade_protocol(&headers(&[("upgrade", "websocket")])), None);
    }
}
