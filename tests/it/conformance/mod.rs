//! The GRIP conformance suite: every rule is written once and runs against every proxy, over sockets on all sides.
//!
//! ```text
//! client, `wire` ──► proxy ──► backend, `scripted`
//!                      ▲
//!    rule, publishing ─┘
//! ```
//!
//! | module | rules of |
//! |---|---|
//! | `forwarding`, `fields`, `refusals` | plain proxying: bodies; header fields; requests that no backend answered |
//! | `instruct`, `channels`, `links` | responses that make a proxy hold: their headers, channels and next links |
//! | `streams`, `keep_alive`, `responses` | what the client of a held request receives |
//! | `sequence`, `recovery`, `recheck`, `outage` | reliability: the order of ids, and recovery from the backend |
//! | `control` | the control port |
//! | `filters` | which streams do not get an item |
//!
//! Where the proxies differ on purpose, [`differences`] states what each does and why, and the rules expect that.

use futures_util::future::BoxFuture;
use libtest_mimic::Trial;

use self::setup::{Setup, hold, stream_item};
use crate::support::{
    proxy::Kind,
    schedule::Load,
    trials::{Need, trial},
};

mod channels;
mod control;
pub(crate) mod differences;
mod fields;
mod filters;
mod forwarding;
mod instruct;
mod keep_alive;
mod links;
mod outage;
mod recheck;
mod recovery;
mod refusals;
mod responses;
pub(crate) mod room;
mod sequence;
pub(crate) mod setup;
mod streams;

type Rule = fn(Kind) -> BoxFuture<'static, anyhow::Result<()>>;

/// The proxies under test.
const PROXIES: [(&str, &[Need], Kind); 2] = [("pushpin", &[Need::Pushpin], Kind::Pushpin), ("edge", &[], Kind::Edge)];

/// Rules by their names: `rules![a_rule, another]`.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        vec![$((stringify!($rule), |kind| Box::pin($rule(kind)))),*]
    };
}
use rules;

pub(crate) fn trials() -> Vec<Trial> {
    // The slow ones first, so that they do not run alone at the end.
    let rules: Vec<(&str, Rule)> = [
        sequence::rules(),
        outage::rules(),
        responses::rules(),
        keep_alive::rules(),
        recheck::rules(),
        recovery::rules(),
        links::rules(),
        streams::rules(),
        channels::rules(),
        instruct::rules(),
        forwarding::rules(),
        fields::rules(),
        refusals::rules(),
        control::rules(),
        filters::rules(),
    ]
    .concat();
    let of_proxies = PROXIES.into_iter().flat_map(|(proxy, needs, kind)| {
        // The first part is the crate, as in the path of a module.
        let name = move |rule| format!("it::conformance::{proxy}::{rule}");
        rules.iter().map(move |&(rule, check)| trial(&name(rule), Load::Light, needs, async move || check(kind).await))
    });
    of_proxies.chain(differences::trials()).collect()
}
