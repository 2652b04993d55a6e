//! Cursors, ids, epochs and dates. A parsed value formats to the text it was parsed from.
#![no_main]

use gripchat::chat::{Cursor, Epoch, MAX_SEQ, MessageId, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!(id.to_string(), text);
        assert!((1..=MAX_SEQ).contains(&id.seq));
        assert_eq!(text.parse(), Ok(Cursor::After(id)));
    }
    if let Ok(epoch) = text.parse::<Epoch>() {
        assert!(epoch.as_str() == text && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
    }
    if let Ok(date) = text.parse::<Timestamp>() {
        assert_eq!(date.to_string().parse(), Ok(date));
        assert_eq!(date.clock().len(), 5);
        assert_eq!(Timestamp::from_millis(date.as_millis()), date);
    }
});
