//! Items of the DynamoDB table. Any attributes are decoded to a message or refused, and a decoded message is unchanged
//! after it was encoded and decoded again.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use aws_sdk_dynamodb::types::AttributeValue;
use gripchat::{
    chat::{Cursor, RoomId, Timestamp},
    store::fuzzing::dynamodb::{decode, encode},
};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Text(&'a str),
    Number(&'a str),
    Bool(bool),
    Null,
    Bytes(&'a [u8]),
    Texts(Vec<&'a str>),
    /// The value of a valid item.
    Valid,
    Absent,
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    attributes: [Value<'a>; 9],
    foreign: Option<(&'a str, Value<'a>)>,
}

const VALID: [(&str, &str); 9] = [
    ("pk", "room#a"),
    ("sk", "m#0000000000000057"),
    ("epoch", "e"),
    ("provisional_id", "00000000-0000-0000-0000-000000000007"),
    ("author", "Ada"),
    ("text", "hi"),
    ("date", "2026-01-02T03:04:05.678Z"),
    ("first", ""),
    ("expires_at", "1800000000"),
];

fuzz_target!(|input: Input<'_>| {
    let mut item = HashMap::new();
    for ((name, valid), value) in VALID.into_iter().zip(input.attributes) {
        let valid = match name {
            "first" => AttributeValue::Bool(true),
            "expires_at" => AttributeValue::N(valid.to_owned()),
            _ => AttributeValue::S(valid.to_owned()),
        };
        if let Some(value) = attribute(value, valid) {
            item.insert(name.to_owned(), value);
        }
    }
    if let Some((name, value)) = input.foreign
        && let Some(value) = attribute(value, AttributeValue::Null(true))
    {
        item.insert(name.to_owned(), value);
    }
    let now = Timestamp::from_millis(1_767_323_045_670);
    let Ok(record) = decode(&item, now) else { return };
    let id = record.message.id.clone();
    assert_eq!(id.to_string().parse(), Ok(Cursor::After(id)), "a message's id is a cursor");
    let room = RoomId::parse("a").expect("a room");
    let encoded = encode(&room, &record.message, record.first, None);
    assert_eq!(encoded["sk"], item["sk"], "keys sort like numbers");
    let decoded = decode(&encoded, now).expect("an encoded message is valid");
    assert_eq!((decoded.message, decoded.first, decoded.visible), (record.message, record.first, true));
});

fn attribute(value: Value<'_>, valid: AttributeValue) -> Option<AttributeValue> {
    Some(match value {
        Value::Text(text) => AttributeValue::S(text.to_owned()),
        Value::Number(text) => AttributeValue::N(text.to_owned()),
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Null => AttributeValue::Null(true),
        Value::Bytes(bytes) => AttributeValue::B(bytes.to_vec().into()),
        Value::Texts(texts) => AttributeValue::Ss(texts.into_iter().map(str::to_owned).collect()),
        Value::Valid => valid,
        Value::Absent => return None,
    })
}
