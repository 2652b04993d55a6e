//! Where the proxies differ on purpose. The rules hold each proxy to its own column.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use crate::support::{proxy::Kind, trials::trials};

/// All of them.
pub(crate) const DIFFERENCES: [&Difference; 17] = [
    &SLOW_CLIENT,
    &HEAD_HOLD,
    &BROKEN_ANSWER,
    &NEXT_HOP_OF_REQUESTS,
    &NEXT_HOP_OF_ANSWERS,
    &FORWARDED_FOR,
    &FORWARDED_PROTO,
    &CHUNKED_PUBLISH,
    &CONTROL_CONNECTION,
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
    trials![[] => every_difference_is_one_and_has_a_reason]
}

async fn every_difference_is_one_and_has_a_reason() -> anyhow::Result<()> {
    for Difference { name, pushpin, edge, why } in DIFFERENCES {
        assert_ne!(pushpin, edge, "{name}");
        assert!(!why.is_empty(), "{name}");
    }
    let names: BTreeSet<_> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    assert_eq!(names.len(), DIFFERENCES.len());
    Ok(())
}

/// One behaviour, in the words in which a rule says what it saw.
pub(crate) struct Difference {
    /// What it is about.
    pub(crate) name: &'static str,
    pub(crate) pushpin: &'static str,
    pub(crate) edge: &'static str,
    /// Why the edge does not do as Pushpin 1.36 does.
    pub(crate) why: &'static str,
}

impl Difference {
    /// What is expected of that proxy.
    pub(super) fn of(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Pushpin => self.pushpin,
            Kind::Edge => self.edge,
        }
    }

    /// Fails unless the proxy did what is expected of it.
    pub(super) fn check(&self, kind: Kind, seen: &str) {
        assert_eq!(seen, self.of(kind), "{} ({})", self.name, self.why);
    }
}

pub(super) const HEAD_HOLD: Difference = Difference {
    name: "an answer to HEAD that says hold",
    pushpin: "held",
    edge: "answered",
    why: "an answer to HEAD has no body, so that what a hold sends would be taken for the next answer",
};

pub(super) const FORWARDED_FOR: Difference = Difference {
    name: "X-Forwarded-For, where the client says 192.0.2.7",
    pushpin: "127.0.0.1",
    edge: "192.0.2.7, 127.0.0.1",
    why: "Pushpin is set to drop it (scripts/pushpin.conf.in); behind the edge the backend knows which proxies it believes",
};

pub(super) const FORWARDED_PROTO: Difference = Difference {
    name: "X-Forwarded-Proto, where the client says nothing",
    pushpin: "",
    edge: "http",
    why: "a backend that makes absolute links needs the scheme",
};

pub(super) const NEXT_HOP_OF_REQUESTS: Difference = Difference {
    name: "fields of a request for the next hop that the backend sees all the same",
    pushpin: "x-hop, proxy-connection, te",
    edge: "",
    why: "RFC 9110, section 7.6.1: a proxy forwards neither what Connection names nor what is known to be for one hop",
};

pub(super) const NEXT_HOP_OF_ANSWERS: Difference = Difference {
    name: "fields of an answer for the next hop that the client sees all the same",
    pushpin: "x-hop",
    edge: "",
    why: "RFC 9110, section 7.6.1: a proxy does not forward what Connection names",
};

pub(super) const CHUNKED_PUBLISH: Difference = Difference {
    name: "the status for what is published in chunks, without Content-Length",
    pushpin: "411",
    edge: "200",
    why: "nothing is gained by refusing it",
};

pub(super) const CONTROL_CONNECTION: Difference = Difference {
    name: "Connection, in answers of the control port",
    pushpin: "close",
    edge: "",
    why: "publishing again and again over one connection costs less",
};

pub(super) const BROKEN_ANSWER: Difference = Difference {
    name: "an answer that breaks off at the backend",
    pushpin: "ends as if whole",
    edge: "breaks off",
    why: "a client that is not told takes half an answer for a whole one",
};

pub(super) const CONTROL_QUERY: Difference = Difference {
    name: "the status for what is published to /publish/?q=1",
    pushpin: "404",
    edge: "200",
    why: "what else a GRIP_URL has in its query goes along, and is no reason to lose a message",
};

pub(super) const ENDED_STREAM: Difference = Difference {
    name: "the connection of a stream that has ended",
    pushpin: "takes the next request",
    edge: "closes, as the response has said",
    why: "the stream has left the HTTP server's hands, and keeping it costs each held stream more than a new connection",
};

pub(super) const SLOW_CLIENT: Difference = Difference {
    name: "a stream whose client has not kept up for more than a hundred items",
    pushpin: "may stall",
    edge: "is recovered",
    why: "Pushpin 1.36 now and then sends such a stream nothing any more, behind the hundred that were queued",
};

pub(super) const LONG_OUTAGE: Difference = Difference {
    name: "a stream whose next link has failed for 40 seconds",
    pushpin: "ended",
    edge: "held",
    why: "while the backend is away a stream that stays costs less than a client that comes back again and again",
};

pub(super) const LINK_QUERY: Difference = Difference {
    name: "next links that differ in their query only",
    pushpin: "one request, and its answer for all",
    edge: "a request and an answer each",
    why: "what one client may see would reach another one",
};

pub(super) const LINK_ELSEWHERE: Difference = Difference {
    name: "a next link to another host",
    pushpin: "followed",
    edge: "502",
    why: "the edge has one backend, and what that answers must not make it ask anybody else",
};

pub(super) const ACCEPT_ENCODING: Difference = Difference {
    name: "Accept-Encoding that the backend sees",
    pushpin: "what the proxy says, or nothing",
    edge: "the client's",
    why: "the backend may compress what is not held, and the edge passes it on as it is",
};

pub(super) const COMPRESSED_HOLD: Difference = Difference {
    name: "a compressed answer that says hold",
    pushpin: "decompressed and held",
    edge: "502",
    why: "the edge does not decompress, and items behind a compressed answer could not be read",
};

pub(super) const BAD_BASE64: Difference = Difference {
    name: "the status for an item whose content-bin is no base64",
    pushpin: "200",
    edge: "400",
    why: "a publisher that is told can mend it",
};
