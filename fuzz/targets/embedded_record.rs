//! Entries of the embedded store: any bytes are a message or are refused, and a message is written as it was read.
#![no_main]

use gripchat::{
    chat::{Cursor, Timestamp},
    store::fuzzing::embedded::{read, write},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (seq, value) = input;
    let now = Timestamp::from_millis(1_767_323_045_670);
    let Ok(record) = read("a", seq, value, now) else { return };
    let id = record.message.id.clone();
    assert_eq!(id.to_string().parse(), Ok(Cursor::After(id)), "a message's id is a cursor");
    let again = write(&record.message, record.first, None);
    let reread = read("a", seq, &again, now).expect("what was written is read");
    assert_eq!((reread.message, reread.first, reread.visible), (record.message, record.first, true));
});
