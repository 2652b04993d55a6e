//! What a subscriber receives through a real proxy: messages, replays, resets, and nothing of other rooms.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use libtest_mimic::Trial;
use serde_json::Value;

use crate::support::{
    browser,
    sse::{Event, Stream},
    stack::{Kind, Room, SOON, Stack},
    trials::on_stacks,
};

pub(crate) fn trials() -> Vec<Trial> {
    on_stacks![
        [ALL] => a_message_arrives_provisionally_and_then_persisted,
        [APART] => a_stream_of_persisted_messages_has_no_provisional_ones,
        [APART] => without_a_cursor_a_stream_starts_with_the_newest_fifty,
        [ALL] => a_reconnecting_subscriber_gets_exactly_what_it_missed,
        [APART] => a_replay_of_several_pages_is_complete_and_continues_live,
        [APART] => a_subscriber_of_an_empty_room_gets_all_messages_when_it_reconnects,
        [APART] => every_kind_of_cursor_has_its_documented_response,
        [DYNAMODB] => a_cursor_before_expired_messages_gets_a_reset,
        [APART] => the_header_takes_precedence_over_the_query,
        Heavy [APART, Browser] => a_browsers_event_source_receives_a_reset,
        [APART] => a_quiet_stream_gets_keep_alive_events,
        [APART] => invalid_room_names_subscribe_to_nothing,
        [APART] => rooms_in_any_script_have_their_own_channels,
        [APART] => any_text_arrives_byte_for_byte,
        [APART] => a_head_request_is_not_held,
        [APART] => a_stream_outside_the_proxy_is_refused_with_a_remedy,
        [APART] => grip_headers_of_clients_are_ignored,
    ]
}

/// Returns the ids of the persisted messages among the events.
pub(crate) fn ids(events: &[Event]) -> Vec<String> {
    events.iter().filter(|event| event.event == "message").filter_map(|event| event.id.clone()).collect()
}

fn id(message: &Value) -> &str {
    message["id"].as_str().unwrap_or("no id")
}

/// Reads up to and including the event with this id.
pub(crate) async fn up_to(stream: &mut Stream, id: &str) -> anyhow::Result<Vec<Event>> {
    stream.until(SOON, |event| event.event == "message" && event.id.as_deref() == Some(id)).await
}

/// Posts messages one after the other, and returns their ids in order.
async fn fill(room: &Room, count: usize) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for n in 0..count {
        let message = room.post(&format!("message {n}")).await?;
        ids.push(id(&message).to_owned());
    }
    Ok(ids)
}

async fn a_message_arrives_provisionally_and_then_persisted(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let open = stream.next(SOON).await.context("a stream starts with an event")?;
    assert_eq!((open.event.as_str(), open.json()?["lastEventId"].as_str()), ("stream-open", Some("0")));

    let posted = room.post("hello").await?;
    let provisional = stream.next(SOON).await.context("the provisional message")?;
    assert_eq!(provisional.id, None, "a provisional message has no position in the log");
    let provisional = provisional.json()?;
    assert_eq!(provisional.get("id"), None);
    for field in ["provisionalId", "from", "text", "date"] {
        assert_eq!(provisional[field], posted[field], "{field}");
    }
    let persisted = stream.next(SOON).await.context("the persisted message")?;
    assert_eq!(persisted.json()?, posted);
    assert_eq!(persisted.id.as_deref(), posted["id"].as_str());
    assert_eq!(room.history("").await?["messages"], serde_json::json!([posted]));
    Ok(())
}

async fn a_stream_of_persisted_messages_has_no_provisional_ones(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream_at("?provisional=false", &[]).await?;
    let posted = fill(&room, 3).await?;
    let events = up_to(&mut stream, &posted[2]).await?;
    assert_eq!(events[0].event, "stream-open");
    assert_eq!(ids(&events), posted);
    assert_eq!(events.len(), 4, "{events:?}");
    Ok(())
}

async fn without_a_cursor_a_stream_starts_with_the_newest_fifty(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let posted = fill(&room, 53).await?;
    let mut stream = room.stream(None).await?;
    let events = up_to(&mut stream, &posted[52]).await?;
    assert_eq!(ids(&events), posted[3..]);
    // A client whose connection ends here would get all fifty when it reconnects.
    assert_eq!(events[0].json()?["lastEventId"], Value::from(posted[2].as_str()));
    let live = fill(&room, 1).await?;
    assert_eq!(ids(&up_to(&mut stream, &live[0]).await?), live);
    Ok(())
}

async fn a_reconnecting_subscriber_gets_exactly_what_it_missed(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let seen = fill(&room, 2).await?;
    up_to(&mut stream, &seen[1]).await?;
    let cursor = stream.last_event_id();
    stream.close().await;

    let missed = fill(&room, 120).await?;
    let mut stream = room.stream(Some(&cursor)).await?;
    let events = up_to(&mut stream, &missed[119]).await?;
    assert_eq!(ids(&events), missed);
    assert_eq!(events[0].json()?["lastEventId"], Value::from(cursor));
    Ok(())
}

async fn a_replay_of_several_pages_is_complete_and_continues_live(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut posted = fill(&room, 450).await?;
    for query in ["?lastEventId=0", "?lastEventId=0&provisional=false"] {
        let mut stream = room.stream_at(query, &[]).await?;
        let last = posted.last().context("no message was posted")?;
        let events = up_to(&mut stream, last).await?;
        assert_eq!(ids(&events), posted, "{query}");
        let opened = events.iter().filter(|event| event.event == "stream-open").count();
        assert_eq!(opened, 1, "there is one stream-open, and not one for every page");
        let live = fill(&room, 1).await?;
        assert_eq!(ids(&up_to(&mut stream, &live[0]).await?), live, "{query}");
        posted.extend(live);
    }
    Ok(())
}

async fn a_subscriber_of_an_empty_room_gets_all_messages_when_it_reconnects(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    stream.next(SOON).await.context("the stream opens")?;
    let cursor = stream.last_event_id();
    stream.close().await;
    // More messages than at the start of a stream without a cursor.
    let posted = fill(&room, 60).await?;
    let mut stream = room.stream(Some(&cursor)).await?;
    assert_eq!(ids(&up_to(&mut stream, &posted[59]).await?), posted);
    Ok(())
}

/// Opens a stream with a cursor, and returns it and its first event.
async fn open_after(room: &Room, cursor: &str) -> anyhow::Result<(Stream, Event)> {
    let mut stream = room.stream(Some(cursor)).await?;
    let first = stream.next(SOON).await.with_context(|| format!("no event for {cursor:?}"))?;
    Ok((stream, first))
}

/// Checks that a stream with this cursor starts with a reset to the head and continues live. Returns the new head.
async fn check_reset(room: &Room, cursor: &str, reason: &str, head: &str) -> anyhow::Result<String> {
    let (mut stream, first) = open_after(room, cursor).await?;
    assert_eq!(first.event, "stream-reset", "{cursor}");
    assert_eq!(first.json()?, serde_json::json!({"reason": reason, "lastEventId": head}), "{cursor}");
    assert_eq!(first.id.as_deref(), Some(head), "{cursor}");
    let open = stream.next(SOON).await.context("no stream-open after the reset")?;
    assert_eq!(open.event, "stream-open", "{cursor}");
    let live = room.post(cursor).await?;
    assert_eq!(ids(&up_to(&mut stream, id(&live)).await?), [id(&live)], "{cursor}");
    Ok(id(&live).to_owned())
}

async fn every_kind_of_cursor_has_its_documented_response(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let posted = fill(&room, 6).await?;
    let epoch = posted[0].split('-').next().context("an id has an epoch")?;
    let head = &posted[5];

    // Everything after these cursors is still stored.
    for (cursor, follows) in [("0", &posted[..]), (&posted[0], &posted[1..]), (head, &[])] {
        let (mut stream, first) = open_after(&room, cursor).await?;
        assert_eq!((first.event.as_str(), first.id.as_deref()), ("stream-open", Some(cursor)));
        let mut seen = Vec::new();
        if let Some(last) = follows.last() {
            seen = up_to(&mut stream, last).await?;
        }
        assert_eq!(ids(&seen), follows, "{cursor}");
    }

    let mut head = head.clone();
    for (cursor, reason) in [
        (format!("{epoch}-1000").as_str(), "ahead"),
        (&format!("{epoch}-9007199254740991"), "ahead"),
        ("otherone-6", "epoch"),
        ("otherone-9999", "epoch"),
        ("rubbish", "malformed"),
        (&format!("{epoch}-0"), "malformed"),
        ("<script>alert(1)</script>", "malformed"),
    ] {
        head = check_reset(&room, cursor, reason, &head).await?;
    }
    Ok(())
}

async fn a_cursor_before_expired_messages_gets_a_reset(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let posted = fill(&room, 6).await?;
    let mut head = posted[5].clone();
    // Messages 1 to 3 expire. Everything after 3 is still stored, and not everything after 0, 1 and 2.
    for message in &posted[..3] {
        stack.table().expire("lobby", message).await?;
    }
    let (mut stream, first) = open_after(&room, &posted[2]).await?;
    assert_eq!(first.event, "stream-open");
    assert_eq!(ids(&up_to(&mut stream, &head).await?), posted[3..]);
    for cursor in ["0", &posted[0], &posted[1]] {
        head = check_reset(&room, cursor, "expired", &head).await?;
    }
    Ok(())
}

async fn the_header_takes_precedence_over_the_query(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let posted = fill(&room, 3).await?;
    let query = format!("?lastEventId={}", posted[0]);
    // An EventSource that was opened with a query reconnects like this.
    let mut stream = room.stream_at(&query, &[("Last-Event-ID", &posted[1])]).await?;
    assert_eq!(ids(&up_to(&mut stream, &posted[2]).await?), posted[2..]);
    let mut stream = room.stream_at(&query, &[]).await?;
    assert_eq!(ids(&up_to(&mut stream, &posted[2]).await?), posted[1..]);
    Ok(())
}

/// A browser ignores an event without a data line, so the page would not receive the reset.
async fn a_browsers_event_source_receives_a_reset(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    stack.room("lobby").post("hello").await?;
    browser::run("event-source-reset", &stack.proxy.url(), async |question| {
        anyhow::bail!("the scenario asked {question:?}, but it must not ask anything")
    })
    .await
}

async fn a_quiet_stream_gets_keep_alive_events(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let mut stream = stack.room("lobby").stream(None).await?;
    let quiet = Duration::from_secs(20);
    let alive = stream.next_named("keep-alive", quiet + SOON).await.context("no keep-alive came")?;
    assert_eq!((alive.data.as_str(), alive.id), ("{}", None));
    Ok(())
}

async fn invalid_room_names_subscribe_to_nothing(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for name in [
        "a,messages-b",
        "a%2Cmessages-b",
        "a%3Bmessages-b",
        "a;b",
        "a%0Amessages-b",
        "a%22",
        "a%20b",
        "%2E%2E",
        "%ff",
        "a%00",
        "b%252Cc",
        "%F0%9F%98%80",
    ] {
        let answer = stack.room(name).get("").await?;
        assert!([400, 404].contains(&answer.status), "{name} was answered {answer:?}");
        let refused = stack.room(name).stream(None).await;
        assert!(refused.is_err(), "{name} opened a stream");
        let posted = stack.room(name).post_with("x", &[]).await?;
        assert!([400, 404].contains(&posted.status), "{name} was posted to");
    }
    // Two rooms are separate even if the name of one is a prefix of the other's.
    let mut stream = stack.room("a").stream(None).await?;
    stack.room("a-b").post("not for a").await?;
    let mine = stack.room("a").post("for a").await?;
    let events = up_to(&mut stream, id(&mine)).await?;
    assert!(events.iter().all(|event| !event.data.contains("not for a")), "{events:?}");
    Ok(())
}

async fn rooms_in_any_script_have_their_own_channels(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    for (path, other_spelling) in [
        ("%D0%BA%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0", None),
        ("%E0%A4%B9%E0%A4%BF%E0%A4%A8%E0%A5%8D%E0%A4%A6%E0%A5%80", None),
        // Composed and decomposed accents are the same room.
        ("caf%C3%A9", Some("cafe%CC%81")),
    ] {
        let room = stack.room(path);
        let mut stream = room.stream(None).await?;
        let message = stack.room(other_spelling.unwrap_or(path)).post("hello").await?;
        assert_eq!(ids(&up_to(&mut stream, id(&message)).await?), [id(&message)], "{path}");
    }
    Ok(())
}

async fn any_text_arrives_byte_for_byte(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let mut stream = room.stream(None).await?;
    let long = "😀".repeat(4_000);
    for text in [
        "<script>alert(1)</script>",
        "$& $` $' $1 {{ text }} %I %(x)I",
        "one\ntwo\n\n  three\t|",
        "line\u{2028}separator\u{2029}paragraph",
        "שלום مرحبا \u{202e}reversed",
        "👩‍👩‍👧‍👦 e\u{301} \u{feff}",
        "data: x\n\nevent: message\nid: 9\ndata: {}",
        "\\ \" ' ` & ; , \\u0041",
        &long,
    ] {
        let posted = room.post(text).await?;
        assert_eq!(posted["text"], text);
        let events = up_to(&mut stream, id(&posted)).await?;
        let received: Vec<_> = events.iter().filter(|event| event.event == "message").collect();
        assert_eq!(received.len(), 2, "provisional and persisted: {received:?}");
        for event in received {
            assert_eq!(event.json()?["text"], text);
        }
        let history = room.history("?limit=1").await?;
        assert_eq!(history["messages"][0]["text"], text);
    }
    Ok(())
}

/// Pushpin follows GRIP headers on HEAD too, and the body would be endless.
async fn a_head_request_is_not_held(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let head = stack.http().head(&room.url).header("Accept", "text/event-stream").send().await?;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "text/event-stream");
    let grip: Vec<_> = head.headers().keys().filter(|name| name.as_str().starts_with("grip-")).collect();
    assert!(grip.is_empty(), "{grip:?}");
    // Check the backend's own response too, because Pushpin removes the headers from its responses.
    let direct = stack.room_at(&stack.backend.url(), "lobby");
    let head = stack.http().head(&direct.url).header("Accept", "text/event-stream").send().await?;
    assert!(head.headers().keys().all(|name| !name.as_str().starts_with("grip-")));
    Ok(())
}

async fn a_stream_outside_the_proxy_is_refused_with_a_remedy(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let direct = stack.room_at(&stack.backend.url(), "lobby");
    for headers in [&[][..], &[("Grip-Sig", "forged")]] {
        let mut request = stack.http().get(&direct.url).header("Accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = crate::support::stack::answer(request).await?;
        assert_eq!((answer.status, answer.body["error"].as_str()), (501, Some("not_proxied")));
        let remedy = answer.body["message"].as_str().unwrap_or_default();
        assert!(remedy.contains("7999"), "{remedy}");
    }
    // Posting and reading need no proxy.
    direct.post("hello").await?;
    assert_eq!(direct.history("").await?["messages"][0]["text"], "hello");
    Ok(())
}

async fn grip_headers_of_clients_are_ignored(kind: Kind) -> anyhow::Result<()> {
    let stack = Stack::start(kind).await?;
    let room = stack.room("lobby");
    let posted = fill(&room, 3).await?;
    let forged = format!("messages-lobby; last-id={}", posted[0]);
    let mut stream = room.stream_at("", &[("Grip-Last", &forged), ("Last-Event-ID", &posted[1])]).await?;
    assert_eq!(ids(&up_to(&mut stream, &posted[2]).await?), posted[2..]);
    // The backend itself does not trust them without the signature of the proxy.
    let recover = format!("{}/rooms/lobby/recover/", stack.backend.url());
    let request = stack.http().get(recover).header("Grip-Last", &forged).header("Grip-Sig", "forged");
    assert_eq!(crate::support::stack::answer(request).await?.status, 501);
    ensure!(stream.is_open(), "the stream ended");
    Ok(())
}
