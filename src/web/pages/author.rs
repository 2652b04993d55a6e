//! The initials and the color of an author. `client/render.js` computes the same.

/// The number of hues in `client/base.css`.
const HUES: u32 = 12;

/// The first letters of the first and the last word; of a name without letters, its first character.
pub(super) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let letter = |word: Option<&str>| word.and_then(|word| word.chars().find(|c| c.is_alphanumeric()));
    let letters: String = [letter(words.next()), letter(words.next_back())].into_iter().flatten().collect();
    if letters.is_empty() { name.trim().chars().take(1).collect() } else { letters.to_uppercase() }
}

/// The hue of an author, by FNV-1a: it distributes short names well, and takes a few lines in Rust and in JavaScript.
pub(super) fn hue(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % HUES
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn initials_and_hues_equal_those_of_the_script() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/client/vectors/author.json")).unwrap();
        for pair in vectors["initials"].as_array().unwrap() {
            let name = pair[0].as_str().unwrap();
            assert_eq!(initials(name), pair[1].as_str().unwrap(), "{name:?}");
        }
        for pair in vectors["hues"].as_array().unwrap() {
            let name = pair[0].as_str().unwrap();
            assert_eq!(u64::from(hue(name)), pair[1].as_u64().unwrap(), "{name:?}");
        }
    }
}
