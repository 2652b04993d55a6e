//! The state that all handlers share.

use std::sync::Arc;

use super::{post_limit::PostLimit, readiness::Readiness};
use crate::{app::App, forwarded::TrustedProxies, grip::Trust};

/// The state that all handlers share.
#[derive(Clone)]
pub struct Web {
    /// The chat.
    pub app: Arc<App>,
    /// The verify keys of the GRIP proxies, which decide whether a `Grip-Sig` is valid.
    pub trust: Arc<Trust>,
    /// The addresses of other proxies, whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The checks of `/readyz`.
    pub readiness: Arc<Readiness>,
    /// The rate limit for posts, if there is one.
    pub post_limit: Option<Arc<PostLimit>>,
}
