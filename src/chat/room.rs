//! A room's name.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The longest name, in characters (Unicode scalar values, after normalization).
const MAX_CHARS: usize = 64;

/// Names whose page would be unreachable, because the program answers at that path itself.
const RESERVED: [&str; 7] = ["assets", "favicon.ico", "healthz", "metrics", "readyz", "robots.txt", "rooms"];

/// The name of a room: 1 to 64 letters, digits and combining marks of any script, `-`, `_` and `.`.
///
/// Names are brought to Unicode Normalization Form C, so that a name typed on systems that compose
/// accents differently is one room. Case counts. A name begins with something other than a
/// combining mark and holds at least one letter or digit, which also rules out `.` and `..`, that
/// every URL parser takes for a step in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(String);

/// Why a text is not a room's name. The display says what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// Nothing, more than 64 characters, or no letter and no digit.
    #[error("a room's name has 1 to 64 characters, at least one of them a letter or a digit")]
    Length,
    /// A character outside the alphabet.
    #[error("a room's name may hold letters, digits, \"-\", \"_\" and \".\"; {0:?} is none of them")]
    Character(char),
    /// A path of the program's own.
    #[error("{0:?} is a path of the server's own; choose another name for the room")]
    Reserved(String),
}

impl RoomId {
    /// Reads a name as a person or a URL gave it, percent-decoded.
    pub fn parse(name: &str) -> Result<Self, RoomError> {
        // A character decomposes into at most four, of at most four bytes: beyond that no
        // normalizing brings a name below the limit, and a huge one is not worth the work.
        if name.len() > MAX_CHARS * 16 {
            return Err(RoomError::Length);
        }
        let name: String = name.nfc().collect();
        let foreign = |c: &char| !(c.is_alphanumeric() || is_mark(*c) || "-_.".contains(*c));
        if let Some(c) = name.chars().find(foreign) {
            return Err(RoomError::Character(c));
        }
        if let Some(c) = name.chars().next().filter(|c| is_mark(*c)) {
            return Err(RoomError::Character(c));
        }
        if name.chars().count() > MAX_CHARS || !name.chars().any(char::is_alphanumeric) {
            return Err(RoomError::Length);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(RoomError::Reserved(name));
        }
        Ok(Self(name))
    }

    /// The name as a person reads it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Vowel signs, viramas and accents: a word of many scripts cannot be written without them.
fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_any_script_are_rooms() {
        for name in ["default", "a", "R2-D2_v1.0", "café", "комната", "部屋", "हिन्दी", "غرفة"]
        {
            assert_eq!(RoomId::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_typed_with_combining_accents_is_the_same_room() {
        assert_eq!(RoomId::parse("cafe\u{301}"), RoomId::parse("café"));
    }

    #[test]
    fn sixty_four_characters_are_a_room_and_one_more_is_none() {
        assert!(RoomId::parse(&"é".repeat(64)).is_ok());
        assert_eq!(RoomId::parse(&"é".repeat(65)), Err(RoomError::Length));
        assert_eq!(RoomId::parse(&"a".repeat(100_000)), Err(RoomError::Length));
    }

    #[test]
    fn steps_in_a_path_are_no_rooms() {
        for name in ["", ".", "..", "-", "_.-"] {
            assert_eq!(RoomId::parse(name), Err(RoomError::Length), "{name:?}");
        }
    }

    #[test]
    fn what_could_reach_another_channel_or_path_is_no_room() {
        for name in ["a,messages-b", "a;b", "a b", "a/b", "a%2Cb", "a\nb", "a\"b", "<b>", "😀", "\u{301}a"] {
            assert!(matches!(RoomId::parse(name), Err(RoomError::Character(_))), "{name:?}");
        }
    }

    #[test]
    fn the_servers_own_paths_are_no_rooms() {
        assert!(matches!(RoomId::parse("rooms"), Err(RoomError::Reserved(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_a_parsed_name_parses_to_itself(name in any::<String>()) {
            if let Ok(room) = RoomId::parse(&name) {
                prop_assert!(room.as_str().chars().count() <= MAX_CHARS);
                prop_assert_eq!(RoomId::parse(room.as_str()), Ok(room));
            }
        }
    }
}
