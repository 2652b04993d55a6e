//! Records of the embedded store. Any bytes are decoded to a message or refused, and a decoded message is unchanged
//! after it was encoded and decoded again.
#![no_main]

use gripchat::{
    chat::{Cursor, Timestamp},
    store::fuzzing::embedded::{decode, encode},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (seq, value) = input;
    let now = Timestamp::from_millis(1_767_323_045_670);
    let Ok(record) = decode("a", seq, value, now) else { return };
    let id = record.message.id.clone();
    assert_eq!(id.to_string().parse(), Ok(Cursor::After(id)), "a message's id is a cursor");
    let encoded = encode(&record.message, record.first, None);
    let decoded = decode("a", seq, &encoded, now).expect("an encoded message is valid");
    assert_eq!((decoded.message, decoded.first, decoded.visible), (record.message, record.first, true));
});
