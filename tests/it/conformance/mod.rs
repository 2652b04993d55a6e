//! GRIP, held to be what every proxy here does: each rule once, for every proxy, with nothing but bytes on all sides.
//!
//! ```text
//! client, `wire` ──► proxy ──► backend, `scripted`
//!                      ▲
//!    test, publishing ─┘
//! ```
//!
//! | module | rules of |
//! |---|---|
//! | `forwarding`, `fields`, `refusals` | plain proxying: bodies; header fields; what no backend answered |
//! | `instruct`, `channels`, `links` | the answers that make a proxy hold: their headers, channels and next links |
//! | `streams`, `keep_alive`, `responses` | what a held client gets |
//! | `sequence`, `recovery`, `recheck`, `outage` | reliability: the order of ids, and going back to the backend |
//! | `control` | the control port |
//! | `filters` | who does not get an item |
//!
//! Where two proxies differ on purpose, [`differences`] says what each does and why, and the rules take it from there.

use futures_util::future::BoxFuture;
use libtest_mimic::Trial;

use self::stand::{Stand, hold, stream_item};
use crate::support::{
    proxy::Kind,
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
pub(crate) mod stand;
mod streams;

type Rule = fn(Kind) -> BoxFuture<'static, anyhow::Result<()>>;

/// All proxies. Another one is another line.
const PROXIES: [(&str, &[Need], Kind); 2] = [("pushpin", &[Need::Pushpin], Kind::Pushpin), ("edge", &[], Kind::Edge)];

/// Rules by their names: `rules![a_rule, another]`.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        vec![$((stringify!($rule), |kind| Box::pin($rule(kind)))),*]
    };
}
use rules;

pub(crate) fn trials() -> Vec<Trial> {
    // Those that have to wait first, so that they do not run alone at the end.
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
        // The first part stands for the crate, as in a module's path.
        let name = move |rule| format!("it::conformance::{proxy}::{rule}");
        rules.iter().map(move |&(rule, check)| trial(&name(rule), needs, async move || check(kind).await))
    });
    of_proxies.chain(differences::trials()).collect()
}
