//! Where the proxies differ on purpose. The rules expect of each proxy what its column states.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use crate::support::{proxy::Kind, trials::trials};

/// All differences.
pub(crate) const DIFFERENCES: [&Difference; 17] = [
    &SLOW_CLIENT,
    &HEAD_HOLD,
    &TRUNCATED_RESPONSE,
    &HOP_BY_HOP_REQUEST_FIELDS,
    &HOP_BY_HOP_RESPONSE_FIELDS,
    &FORWARDED_FOR,
    &FORWARDED_PROTO,
    &CHUNKED_PUBLISH,
    &CONTROL_KEEP_ALIVE,
    &CONTROL_QUERY,
    &ENDED_STREAM,
    &LONG_OUTAGE,
    &LINK_QUERY,
    &LINK_ELSEWHERE,
    &ACCEPT_ENCODING,
    &COMPRESSED_HOLD,
    &BAD_BASE64,
];

pub(super) fn trials() -> Vec<Trial> {
    trials![[] => every_difference_differs_and_has_a_reason]
}

async fn every_difference_differs_and_has_a_reason() -> anyhow::Result<()> {
    for Difference { name, pushpin, edge, why } in DIFFERENCES {
        assert_ne!(pushpin, edge, "{name}");
        assert!(!why.is_empty(), "{name}");
    }
    let names: BTreeSet<_> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    assert_eq!(names.len(), DIFFERENCES.len());
    Ok(())
}

/// One behaviour, as the texts with which a rule describes what it observed.
pub(crate) struct Difference {
    /// The behaviour that differs.
    pub(crate) name: &'static str,
    pub(crate) pushpin: &'static str,
    pub(crate) edge: &'static str,
    /// Why the edge does not behave like Pushpin 1.36.
    pub(crate) why: &'static str,
}

impl Difference {
    /// The expected behaviour of this proxy.
    pub(super) fn of(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Pushpin => self.pushpin,
            Kind::Edge => self.edge,
        }
    }

    /// Fails unless the proxy behaved as expected.
    pub(super) fn check(&self, kind: Kind, seen: &str) {
        assert_eq!(seen, self.of(kind), "{} ({})", self.name, self.why);
    }
}

pub(super) const HEAD_HOLD: Difference = Difference {
    name: "a response to HEAD with Grip-Hold",
    pushpin: "held",
    edge: "answered",
    why: "a response to HEAD has no body, so the client would take held content for the next response",
};

pub(super) const FORWARDED_FOR: Difference = Difference {
    name: "X-Forwarded-For, if the client sends 192.0.2.7",
    pushpin: "127.0.0.1",
    edge: "192.0.2.7, 127.0.0.1",
    why: "Pushpin is configured to drop it (scripts/pushpin.conf.in); a backend behind the edge knows which proxies it trusts",
};

pub(super) const FORWARDED_PROTO: Difference = Difference {
    name: "X-Forwarded-Proto, if the client sends none",
    pushpin: "",
    edge: "http",
    why: "a backend that writes absolute links needs the scheme",
};

pub(super) const HOP_BY_HOP_REQUEST_FIELDS: Difference = Difference {
    name: "hop-by-hop fields of a request that reach the backend",
    pushpin: "x-hop, proxy-connection, te",
    edge: "",
    why: "RFC 9110, section 7.6.1: a proxy forwards neither the fields that Connection names nor those known to be hop-by-hop",
};

pub(super) const HOP_BY_HOP_RESPONSE_FIELDS: Difference = Difference {
    name: "hop-by-hop fields of a response that reach the client",
    pushpin: "x-hop",
    edge: "",
    why: "RFC 9110, section 7.6.1: a proxy does not forward the fields that Connection names",
};

pub(super) const CHUNKED_PUBLISH: Difference = Difference {
    name: "the status of a publish request in chunks, without Content-Length",
    pushpin: "411",
    edge: "200",
    why: "refusing it would gain nothing",
};

pub(super) const CONTROL_KEEP_ALIVE: Difference = Difference {
    name: "Connection, in responses of the control port",
    pushpin: "close",
    edge: "",
    why: "publishing repeatedly over one connection costs less",
};

pub(super) const TRUNCATED_RESPONSE: Difference = Difference {
    name: "a response that the backend truncates",
    pushpin: "ends as if complete",
    edge: "is truncated",
    why: "otherwise the client takes half a response for a whole one",
};

pub(super) const CONTROL_QUERY: Difference = Difference {
    name: "the status of a publish request to /publish/?q=1",
    pushpin: "404",
    edge: "200",
    why: "a GRIP_URL may have other parameters in its query, which are no reason to lose a message",
};

pub(super) const ENDED_STREAM: Difference = Difference {
    name: "the connection of a stream that has ended",
    pushpin: "accepts the next request",
    edge: "closes, as the response announced",
    why: "a held stream is taken over from the HTTP server; returning it would cost every held stream more than a new connection",
};

pub(super) const SLOW_CLIENT: Difference = Difference {
    name: "a stream whose client is more than a hundred items behind",
    pushpin: "may stall",
    edge: "is recovered",
    why: "Pushpin 1.36 sometimes sends such a stream nothing after the hundred queued items",
};

pub(super) const LONG_OUTAGE: Difference = Difference {
    name: "a stream whose next link has failed for 40 seconds",
    pushpin: "ended",
    edge: "held",
    why: "while the backend is down, a held stream costs less than a client that reconnects repeatedly",
};

pub(super) const LINK_QUERY: Difference = Difference {
    name: "next links that differ only in their query",
    pushpin: "one request, and its response for all",
    edge: "a request and a response each",
    why: "otherwise one client could receive what only another may see",
};

pub(super) const LINK_ELSEWHERE: Difference = Difference {
    name: "a next link to another host",
    pushpin: "followed",
    edge: "502",
    why: "the edge has one backend, whose responses must not make it send requests elsewhere",
};

pub(super) const ACCEPT_ENCODING: Difference = Difference {
    name: "Accept-Encoding as the backend receives it",
    pushpin: "the proxy's own, or none",
    edge: "the client's",
    why: "the backend may compress responses that are not held, and the edge forwards them unchanged",
};

pub(super) const COMPRESSED_HOLD: Difference = Difference {
    name: "a compressed response with Grip-Hold",
    pushpin: "decompressed and held",
    edge: "502",
    why: "the edge does not decompress, and a client could not read items after a compressed body",
};

pub(super) const BAD_BASE64: Difference = Difference {
    name: "the status for an item whose content-bin is not base64",
    pushpin: "200",
    edge: "400",
    why: "a publisher that receives an error can be corrected",
};
