//! The paths of next links, at which proxies request what a stream missed.

use super::{Variant, channels::path_segment};
use crate::chat::{Cursor, RoomId};

/// A next link of a room.
///
/// Its path is constant for a room and a variant, and has no query: a proxy merges recoveries by path and `Grip-Last`,
/// ignores the query, and requests at most ten paths a second. Only the pages of a replay have paths of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextLink {
    /// The variant of the stream.
    pub variant: Variant,
    /// The cursor that a page of a replay follows. The first page has none in its path: its cursor is in `Grip-Last`.
    pub page: Option<Cursor>,
}

impl NextLink {
    /// Returns the path: `/rooms/<room>/recover/[persisted/][after/<cursor>/]`.
    pub fn path(&self, room: &RoomId) -> String {
        let mut path = format!("/rooms/{}/recover/", path_segment(room));
        match self.variant {
            Variant::Full => {}
            Variant::Persisted => path.push_str("persisted/"),
        }
        if let Some(cursor) = &self.page {
            path.push_str(&format!("after/{cursor}/"));
        }
        path
    }

    /// Parses a path that [`path`](Self::path) has created, for any room.
    pub fn parse(path: &str) -> Option<Self> {
        let (_room, link) = path.strip_prefix("/rooms/")?.split_once('/')?;
        let mut segments = link.strip_suffix('/')?.split('/').peekable();
        segments.next_if_eq(&"recover")?;
        let variant = segments.next_if_eq(&"persisted").map_or(Variant::Full, |_| Variant::Persisted);
        let page = match segments.next() {
            None => None,
            Some("after") => Some(segments.next()?.parse().ok()?),
            Some(_) => return None,
        };
        segments.next().is_none().then_some(Self { variant, page })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_path_of_a_link_is_parsed_as_that_link(
            room in "[a-zé._-]{1,12}|recover|persisted|after",
            persisted in any::<bool>(),
            page in proptest::option::of("0|[a-z0-9]{1,8}-[1-9][0-9]{0,9}"),
        ) {
            let Ok(room) = RoomId::parse(&room) else { return Ok(()) };
            let variant = if persisted { Variant::Persisted } else { Variant::Full };
            let link = NextLink { variant, page: page.map(|cursor| cursor.parse().unwrap()) };
            prop_assert_eq!(NextLink::parse(&link.path(&room)), Some(link));
        }
    }

    #[test]
    fn the_path_contains_the_variant_and_the_cursor() {
        let room = RoomId::parse("a").unwrap();
        let path = |variant, page: Option<&str>| {
            NextLink { variant, page: page.map(|cursor| cursor.parse().unwrap()) }.path(&room)
        };
        assert_eq!(path(Variant::Full, None), "/rooms/a/recover/");
        assert_eq!(path(Variant::Full, Some("e-7")), "/rooms/a/recover/after/e-7/");
        assert_eq!(path(Variant::Persisted, None), "/rooms/a/recover/persisted/");
        assert_eq!(path(Variant::Persisted, Some("e-7")), "/rooms/a/recover/persisted/after/e-7/");
    }

    #[test]
    fn no_other_path_is_a_next_link() {
        for rest in [
            "",
            "recover",
            "recover//",
            "recover/after/",
            "recover/after/7/",
            "recover/after/e-7",
            "recover/after/e-7/persisted/",
            "recover/persisted/persisted/",
            "recover/until/",
            "messages/",
        ] {
            assert_eq!(NextLink::parse(&format!("/rooms/a/{rest}")), None, "{rest}");
        }
    }
}
