//! What one client may do, and how clients are told apart.

use std::num::NonZeroU32;

use clap::Args;

use super::Problems;
use crate::{forwarded::TrustedProxies, web::PostRate};

/// More is no limit.
const MOST: u32 = 1_000_000;

/// How often a client may post, as text.
#[derive(Args, Clone, Debug)]
pub struct PostArgs {
    /// Most posts of a client in a second, after its burst; 0 for no limit
    #[arg(long, env = "POST_RATE", default_value = "10", value_name = "NUMBER")]
    pub post_rate: String,

    /// Posts that a client may send at once: 1 to 1000000
    #[arg(long, env = "POST_BURST", default_value = "50", value_name = "NUMBER")]
    pub post_burst: String,
}

/// Who may say for whom it asks, as text.
#[derive(Args, Clone, Debug)]
pub struct TrustedArgs {
    // Not the private networks: where clients come from one, each could choose its own address.
    /// Proxies whose X-Forwarded-For is believed: addresses and networks, separated by blanks or commas
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "127.0.0.0/8 ::1", value_name = "NETWORKS")]
    pub trusted_proxies: String,
}

impl PostArgs {
    /// Checks them; gives the rate, if there is a limit.
    pub fn parse(&self, problems: &mut Problems) -> Option<Option<PostRate>> {
        let number = |text: &str| text.parse().ok().filter(|number| *number <= MOST);
        let rate = problems.check("POST_RATE", number(&self.post_rate).ok_or("must be a number of 0 to 1000000"));
        let burst = number(&self.post_burst).and_then(NonZeroU32::new).ok_or("must be a number of 1 to 1000000");
        let burst = problems.check("POST_BURST", burst);
        let (rate, burst) = (rate?, burst?);
        Some(NonZeroU32::new(rate).map(|rate| PostRate { rate, burst }))
    }
}

impl TrustedArgs {
    /// Checks them.
    pub fn parse(&self, problems: &mut Problems) -> Option<TrustedProxies> {
        problems.check("TRUSTED_PROXIES", self.trusted_proxies.parse())
    }
}
