//! The encodings of bytes in headers: `cstring`, which a keep-alive may use, and base64.

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Encodes text for `format=cstring`, which has only these escapes. A `;` would end the value, and spaces at the ends of
/// a header value are not part of it.
pub(super) fn encode_cstring(data: &str) -> String {
    let mut encoded = String::new();
    for (at, byte) in data.bytes().enumerate() {
        match byte {
            b' ' if at == 0 || at + 1 == data.len() => encoded.push_str(r"\x20"),
            b'\\' => encoded.push_str(r"\\"),
            b'\r' => encoded.push_str(r"\r"),
            b'\n' => encoded.push_str(r"\n"),
            b' '..=b'~' if !b",;\"".contains(&byte) => encoded.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, r"\x{byte:02X}");
            }
        }
    }
    encoded
}

/// Decodes a `cstring`. Like Pushpin, this drops unknown escapes. A trailing backslash or bad hex is an error.
pub(super) fn decode_cstring(text: &str) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            data.push(byte);
            continue;
        }
        match bytes.next()? {
            b'\\' => data.push(b'\\'),
            b'r' => data.push(b'\r'),
            b'n' => data.push(b'\n'),
            b'x' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                data.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => {}
        }
    }
    Some(data)
}

pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unknown_escapes_are_dropped_and_incomplete_ones_are_errors() {
        assert_eq!(decode_cstring(r"a\tb"), Some(b"ab".to_vec()));
        assert_eq!(decode_cstring(r"\x41\\"), Some(b"A\\".to_vec()));
        assert_eq!(decode_cstring("a\\"), None);
        assert_eq!(decode_cstring(r"\x4"), None);
        assert_eq!(decode_cstring(r"\xzz"), None);
    }

    proptest! {
        #[test]
        fn a_cstring_decodes_to_what_was_encoded(data in any::<String>()) {
            prop_assert_eq!(decode_cstring(&encode_cstring(&data)), Some(data.into_bytes()));
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            let _ = decode_cstring(&text);
        }
    }
}
