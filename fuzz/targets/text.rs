//! Authors and texts. Accepted ones contain no forbidden control characters, and arrive in a browser unchanged.
#![no_main]

use gripchat::{
    chat::{Author, Draft, RoomId, Text, Timestamp},
    feed,
    store::Appended,
};
use gripchat_fuzz::sse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (name, text) = input;
    let author = Author::parse(name);
    if let Ok(author) = &author {
        assert!((1..=64).contains(&author.as_str().chars().count()));
        assert!(!author.as_str().contains(char::is_control) && author.as_str().trim() == author.as_str());
        assert_eq!(Author::parse(author.as_str()).as_ref(), Ok(author));
    }
    let Ok(text) = Text::parse(text) else { return };
    assert!((1..=4_000).contains(&text.as_str().chars().count()));
    assert!(!text.as_str().contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    assert_eq!(Text::parse(text.as_str()).as_ref(), Ok(&text));

    let Ok(author) = author else { return };
    let date = Timestamp::from_millis(0);
    let draft = Draft { provisional_id: Default::default(), from: author, text, date };
    let message = draft.into_message("e-7".parse().expect("an id"));
    let room = RoomId::parse("a").expect("a room");
    let item = feed::persisted_item(&room, &Appended::new(message.clone(), false, false));
    let item = serde_json::to_value(&item).expect("JSON");
    let content = item["formats"]["http-stream"]["content"].as_str().expect("text");
    let [event] = &sse::parse(content)[..] else { panic!("one event, not {content:?}") };
    assert_eq!((event.name.as_str(), event.last_event_id.as_str()), ("message", "e-7"));
    let seen: serde_json::Value = serde_json::from_str(&event.data).expect("JSON");
    assert_eq!(seen, serde_json::to_value(&message).expect("JSON"));
});
