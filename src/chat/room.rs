//! Names of rooms.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The longest name, in characters (Unicode scalar values, after normalization).
const MAX_CHARS: usize = 64;

/// Names of rooms whose page would be unreachable, because the server uses the path itself.
const RESERVED: [&str; 7] = ["assets", "favicon.ico", "healthz", "metrics", "readyz", "robots.txt", "rooms"];

/// The name of a room: 1 to 64 letters, digits and combining marks of any script, `-`, `_` and `.`.
///
/// Names are converted to Unicode Normalization Form C, so that a name is the same room on systems that compose accents
/// differently. Names are case-sensitive. A name does not start with a combining mark, and contains at least one letter
/// or digit. This also excludes `.` and `..`, which URL parsers remove from a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(String);

/// Why a text is not a room's name. The text says how to correct it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// The name is empty, has more than 64 characters, or has no letter and no digit.
    #[error("a room's name has 1 to 64 characters, at least one of them a letter or a digit")]
    Length,
    /// The name contains a character that is not allowed.
    #[error("a room's name may contain letters, digits, \"-\", \"_\" and \".\"; {0:?} is none of them")]
    Character(char),
    /// The server uses the path itself.
    #[error("{0:?} is reserved; choose another name for the room")]
    Reserved(String),
}

impl RoomId {
    /// Parses a name that a person entered or a URL contained. It must be percent-decoded.
    pub fn parse(name: &str) -> Result<Self, RoomError> {
        // A character decomposes into at most four characters of at most four bytes. So normalizing cannot bring a longer
        // name below the limit, and would be wasted work.
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

    /// The name, without encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a character is a vowel sign, virama or accent. Words of many scripts cannot be written without them.
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
    fn names_may_use_any_script() {
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
    fn a_name_has_at_most_64_characters() {
        assert!(RoomId::parse(&"é".repeat(64)).is_ok());
        assert_eq!(RoomId::parse(&"é".repeat(65)), Err(RoomError::Length));
        assert_eq!(RoomId::parse(&"a".repeat(100_000)), Err(RoomError::Length));
    }

    #[test]
    fn a_name_has_a_letter_or_a_digit() {
        for name in ["", ".", "..", "-", "_.-"] {
            assert_eq!(RoomId::parse(name), Err(RoomError::Length), "{name:?}");
        }
    }

    #[test]
    fn characters_that_could_reach_another_channel_or_path_are_refused() {
        for name in ["a,messages-b", "a;b", "a b", "a/b", "a%2Cb", "a\nb", "a\"b", "<b>", "😀", "\u{301}a"] {
            assert!(matches!(RoomId::parse(name), Err(RoomError::Character(_))), "{name:?}");
        }
    }

    #[test]
    fn paths_of_the_server_are_refused() {
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
