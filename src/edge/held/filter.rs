//! The filters of a subscription, which decide which items it gets.

use std::collections::BTreeMap;

/// A filter that `Grip-Channel` may name. Unknown names are ignored, as in Pushpin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Skips items that the subscriber sent: its `user` is the item's `sender`.
    SkipSelf,
    /// Skips items whose `skip_users` lists the subscriber's `user`.
    SkipUsers,
    /// Skips items whose `require_sub` names a channel to which the request does not subscribe.
    RequireSub,
}

impl Filter {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "skip-self" => Some(Self::SkipSelf),
            "skip-users" => Some(Self::SkipUsers),
            "require-sub" => Some(Self::RequireSub),
            _ => None,
        }
    }

    /// Whether a subscriber with this `user` and these channels gets an item with this `meta`.
    pub(crate) fn passes(
        self,
        meta: &BTreeMap<String, String>,
        user: Option<&str>,
        subscribed: impl FnOnce(&str) -> bool,
    ) -> bool {
        let field = |name: &str| meta.get(name).map(String::as_str);
        match self {
            Self::SkipSelf => user.is_none() || field("sender") != user,
            Self::SkipUsers => {
                let mut skipped = field("skip_users").into_iter().flat_map(|users| users.split(','));
                user.is_none_or(|user| skipped.all(|skipped| skipped.trim() != user))
            }
            Self::RequireSub => field("require_sub").is_none_or(subscribed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn users_do_not_get_what_they_sent_themselves() {
        let sent_by_ada = meta("sender", "ada");
        assert!(!Filter::SkipSelf.passes(&sent_by_ada, Some("ada"), |_| true));
        assert!(Filter::SkipSelf.passes(&sent_by_ada, Some("bob"), |_| true));
        assert!(Filter::SkipSelf.passes(&BTreeMap::new(), None, |_| true));
    }

    #[test]
    fn listed_users_are_skipped() {
        let skips = meta("skip_users", "ada,bob");
        assert!(!Filter::SkipUsers.passes(&skips, Some("bob"), |_| true));
        assert!(Filter::SkipUsers.passes(&skips, Some("bo"), |_| true));
        assert!(Filter::SkipUsers.passes(&BTreeMap::new(), Some("bob"), |_| true));
    }

    #[test]
    fn an_item_may_require_another_subscription() {
        let requires = meta("require_sub", "b");
        assert!(Filter::RequireSub.passes(&requires, None, |channel| channel == "b"));
        assert!(!Filter::RequireSub.passes(&requires, None, |_| false));
        assert!(Filter::RequireSub.passes(&BTreeMap::new(), None, |_| false));
    }
}
