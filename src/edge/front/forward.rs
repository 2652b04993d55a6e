//! What a proxy changes in the headers that pass it, in either direction (RFC 9110, section 7.6).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Those of a single connection, which `Connection` need not name (RFC 9110, section 7.6.1).
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

/// Of a request, on its way to the backend.
pub(in crate::edge) fn to_backend(headers: &mut HeaderMap, client: IpAddr) {
    // The server that took the request has answered an `Expect` already. And whoever may say `Grip-…` to a backend may
    // read any room: only the edge may.
    remove(headers, |name| *name == header::EXPECT);
    // Behind what is there: the address that the edge has seen itself is the last one.
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
    // A proxy in front of the edge knows better: the edge itself speaks no TLS.
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// Of a response, on its way to the client.
pub(in crate::edge) fn to_client(headers: &mut HeaderMap) {
    remove(headers, |_| false);
}

/// Of a response to which more will be added than the backend counted; if there is a list, only what it names.
pub(in crate::edge) fn expose(headers: &mut HeaderMap, only: &[String]) {
    headers.remove(header::CONTENT_LENGTH);
    if !only.is_empty() {
        retain(headers, |name| only.iter().any(|exposed| exposed == name.as_str()));
    }
}

/// The protocol that a connection is asked to change to, if it is (RFC 9110, section 7.8).
pub(in crate::edge) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    named_by_connection(headers).any(|name| name == header::UPGRADE).then(|| headers.get(header::UPGRADE).cloned())?
}

/// Removes what is for one connection, what is for or from the edge, and this.
fn remove(headers: &mut HeaderMap, this: impl Fn(&HeaderName) -> bool) {
    let named: Vec<HeaderName> = named_by_connection(headers).collect();
    let goes = |name: &HeaderName| {
        HOP_BY_HOP.contains(name) || named.contains(name) || name.as_str().starts_with("grip-") || this(name)
    };
    retain(headers, |name| !goes(name));
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok())
}

/// Keeps some headers, in their order: a map from which something is removed changes it.
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
    fn what_belongs_to_one_connection_stays_there() {
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
    fn no_client_can_pass_for_the_proxy() {
        let mut request = headers(&[("grip-sig", "forged"), ("grip-last", "a; last-id=1")]);
        to_backend(&mut request, Ipv4Addr::LOCALHOST.into());
        assert!(request.keys().all(|name| !name.as_str().starts_with("grip-")));
    }

    #[test]
    fn the_address_the_edge_saw_is_the_last_of_the_chain() {
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
    fn a_list_of_exposed_headers_hides_all_others() {
        let mut response = headers(&[("content-length", "3"), ("x-a", "1"), ("x-b", "2")]);
        expose(&mut response, &["x-b".to_owned()]);
        assert_eq!(response, headers(&[("x-b", "2")]));
    }

    #[test]
    fn a_change_of_protocol_needs_both_headers() {
        assert_eq!(
            upgrade(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")])).unwrap(),
            "websocket"
        );
        assert_eq!(upgrade(&headers(&[("upgrade", "websocket")])), None);
    }
}
