//! The filters that a subscription may name: which items it gets.

use std::collections::BTreeMap;

/// A filter, by the name it has in `Grip-Channel`. Others are ignored, as Pushpin ignores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Filter {
    /// Not what the subscriber sent: its `user` is the item's `sender`.
    SkipSelf,
    /// Not for the users that the item's `skip_users` lists.
    SkipUsers,
    /// Only for those who also listen on the channel that the item's `require_sub` names.
    RequireSub,
}

impl Filter {
    pub(in crate::edge) fn parse(name: &str) -> Option<Self> {
        match name {
            "skip-self" => Some(Self::SkipSelf),
            "skip-users" => Some(Self::SkipUsers),
            "require-sub" => Some(Self::RequireSub),
            _ => None,
        }
    }

    /// Whether an item of this `meta` is for a subscriber with this `user` and these channels.
    pub(in crate::edge) fn passes(
        self,
        meta: &BTreeMap<String, String>,
        user: Option<&str>,
        subscribed: impl FnOnce(&str) -> bool,
    ) -> bool {
        let of_item = |name: &str| meta.get(name).map(String::as_str);
        match self {
            Self::SkipSelf => user.is_none() || of_item("sender") != user,
            Self::SkipUsers => {
                let mut skipped = of_item("skip_users").into_iter().flat_map(|users| users.split(','));
                user.is_none_or(|user| skipped.all(|skipped| skipped.trim() != user))
            }
            Self::RequireSub => of_item("require_sub").is_none_or(subscribed),
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
    fn nobody_gets_what_they_sent_themselves() {
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
    fn another_channel_may_be_required() {
        let requires = meta("require_sub", "b");
        assert!(Filter::RequireSub.passes(&requires, None, |channel| channel == "b"));
        assert!(!Filter::RequireSub.passes(&requires, None, |_| false));
        assert!(Filter::RequireSub.passes(&BTreeMap::new(), None, |_| false));
    }
}
