//! The parser against the standard, and the client against a server that says exactly what it is told to.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Event, Parser, Stream};
use crate::support::trials::trials;

/// Far more than anything here takes; reached only by a failure.
const SOON: Duration = Duration::from_secs(30);

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [] => the_examples_of_the_standard,
        [] => every_end_of_line_ends_a_line_wherever_the_stream_is_cut,
        [] => an_event_is_dispatched_at_a_carriage_return,
        [] => only_the_first_byte_order_mark_is_skipped,
        [] => one_blank_after_the_colon_is_skipped,
        [] => an_id_stays_until_the_next_and_counts_without_data,
        [] => an_id_with_a_nul_is_ignored,
        [] => retry_takes_digits_only,
        [] => a_block_without_data_forgets_its_name,
        [] => an_unfinished_block_is_no_event,
        [] => broken_text_is_replaced,
        [] => a_stream_gives_events_as_they_come,
        [] => a_response_that_is_no_stream_is_an_error_with_its_status_and_body,
        [] => a_wait_that_fails_lists_the_events_that_came,
        [] => closing_ends_the_connection,
    ]
}

fn parse(stream: &[u8]) -> Vec<Event> {
    Parser::default().feed(stream)
}

fn data(stream: &str) -> Vec<String> {
    parse(stream.as_bytes()).into_iter().map(|event| event.data).collect()
}

async fn the_examples_of_the_standard() -> anyhow::Result<()> {
    assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);

    let events = parse(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
    let seen: Vec<_> = events.iter().map(|event| (&*event.data, &*event.last_event_id, event.id.as_deref())).collect();
    assert_eq!(seen, [("first event", "1", Some("1")), ("second event", "", Some("")), (" third event", "", None)]);

    // Two events, of which the last is not finished.
    assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
    assert_eq!(data("data:test\n\ndata: test\n\n"), ["test", "test"]);
    Ok(())
}

async fn every_end_of_line_ends_a_line_wherever_the_stream_is_cut() -> anyhow::Result<()> {
    for end in ["\n", "\r", "\r\n"] {
        let stream = ["event: né", "data: a", "data: b", "id: 7", "", ": c", "data: d", "", ""].join(end).into_bytes();
        let whole = parse(&stream);
        assert_eq!(whole.len(), 2, "{end:?}");
        assert_eq!((&*whole[0].event, &*whole[0].data, &*whole[1].data), ("né", "a\nb", "d"), "{end:?}");
        for cut in 0..stream.len() {
            let mut parser = Parser::default();
            let mut events = parser.feed(&stream[..cut]);
            events.extend(parser.feed(&stream[cut..]));
            assert_eq!(events, whole, "{end:?} cut at {cut}");
        }
    }
    Ok(())
}

async fn an_event_is_dispatched_at_a_carriage_return() -> anyhow::Result<()> {
    let mut parser = Parser::default();
    assert_eq!(parser.feed(b"data: a\r\r").len(), 1);
    assert_eq!(parser.feed(b"\ndata: b\r\n").len(), 0);
    assert_eq!(parser.feed(b"\r").len(), 1);
    Ok(())
}

async fn only_the_first_byte_order_mark_is_skipped() -> anyhow::Result<()> {
    assert_eq!(data("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
    assert_eq!(data("\u{feff}\u{feff}data: a\n\n"), [""; 0]);
    Ok(())
}

async fn one_blank_after_the_colon_is_skipped() -> anyhow::Result<()> {
    assert_eq!(data("data:a\ndata: a\ndata:  a\ndata:\ta\ndata: a: b\n\n"), ["a\na\n a\n\ta\na: b"]);
    assert_eq!(data(" data: a\nData: b\ndata : c\n\n"), [""; 0]);
    Ok(())
}

async fn an_id_stays_until_the_next_and_counts_without_data() -> anyhow::Result<()> {
    let mut parser = Parser::default();
    let events = parser.feed(b"id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid: 3\n");
    let ids: Vec<_> = events.iter().map(|event| (event.id.as_deref(), &*event.last_event_id)).collect();
    assert_eq!(ids, [(Some("1"), "1"), (None, "1"), (None, "2")]);
    assert_eq!(parser.last_event_id(), "2", "a block that has not ended counts for nothing");
    Ok(())
}

async fn an_id_with_a_nul_is_ignored() -> anyhow::Result<()> {
    let events = parse(b"id: 1\nid: 2\0\ndata: a\n\n");
    assert_eq!((events[0].id.as_deref(), &*events[0].last_event_id), (Some("1"), "1"));
    Ok(())
}

async fn retry_takes_digits_only() -> anyhow::Result<()> {
    let mut parser = Parser::default();
    parser.feed(b"retry: 1500\n");
    assert_eq!(parser.retry(), Some(Duration::from_millis(1500)));
    parser.feed(b"retry: 2s\nretry: -1\nretry: +3\nretry:\nretry\n");
    assert_eq!(parser.retry(), Some(Duration::from_millis(1500)));
    Ok(())
}

async fn a_block_without_data_forgets_its_name() -> anyhow::Result<()> {
    let events = parse(b"event: stream-open\n\ndata: a\n\nevent: b\nevent\ndata: c\n\n");
    let names: Vec<_> = events.iter().map(|event| &*event.event).collect();
    assert_eq!(names, ["message", "message"]);
    Ok(())
}

async fn an_unfinished_block_is_no_event() -> anyhow::Result<()> {
    assert_eq!(data("data: a\n"), [""; 0]);
    assert_eq!(data("data: a\n\ndata: b"), ["a"]);
    Ok(())
}

async fn broken_text_is_replaced() -> anyhow::Result<()> {
    assert_eq!(parse(b"data: a\xffb\n\n")[0].data, "a\u{fffd}b");
    Ok(())
}

async fn a_stream_gives_events_as_they_come() -> anyhow::Result<()> {
    let (mut server, mut stream) = streaming().await?;
    assert_eq!(stream.headers()["X-Test"], "kept");
    server.write_all(b": hello\n\nretry: 20\nevent: message\nid: 1\ndata: {\"n\":1}\n\n").await?;
    assert_eq!(stream.next(SOON).await.expect("an event").json()?["n"], 1);
    assert_eq!((stream.comments(), stream.retry()), (1, Some(Duration::from_millis(20))));

    server.write_all(b"data: skipped\n\nevent: wanted\ndata:\n\nid: 4\ndata: rest\n\ndata: unfinished").await?;
    assert_eq!(stream.next_named("wanted", SOON).await.expect("it comes").last_event_id, "1");
    assert!(stream.is_open());
    drop(server);
    assert!(stream.closed(SOON).await);
    assert_eq!(stream.end().as_deref(), Some("the server ended the stream"));
    assert_eq!(stream.drain().len(), 1);
    assert_eq!(stream.last_event_id(), "4");
    assert_eq!(stream.next(SOON).await, None);
    Ok(())
}

async fn a_response_that_is_no_stream_is_an_error_with_its_status_and_body() -> anyhow::Result<()> {
    for (head, expected) in [
        ("404 Not Found\r\nContent-Length: 7", "404 Not Found: no room"),
        ("200 OK\r\nContent-Type: text/html\r\nContent-Length: 7", "not a stream but \"text/html\""),
    ] {
        let (listener, url) = listening().await?;
        let (opened, server) = tokio::join!(Stream::open(&url, &[]), answer(&listener, head, "no room"));
        server?;
        let error = opened.expect_err("not a stream").to_string();
        assert!(error.contains(expected), "{error}");
    }
    Ok(())
}

async fn a_wait_that_fails_lists_the_events_that_came() -> anyhow::Result<()> {
    let (mut server, mut stream) = streaming().await?;
    server.write_all(b"event: near\nid: 9\ndata: miss\n\n").await?;
    stream.until(SOON, |event| event.event == "near").await?;
    let error = stream.until(Duration::from_millis(20), |_| true).await.expect_err("nothing more").to_string();
    assert!(error.ends_with("but no event"), "{error}");

    server.write_all(b"event: near\nid: 9\ndata: miss\n\n").await?;
    drop(server);
    let error = stream.until(SOON, |event| event.event == "far").await.expect_err("never sent").to_string();
    assert!(error.contains("the server ended the stream, after 1 events:\n  near \"9\" miss"), "{error}");
    Ok(())
}

async fn closing_ends_the_connection() -> anyhow::Result<()> {
    let (mut server, stream) = streaming().await?;
    stream.close().await;
    assert_eq!(timeout(SOON, server.read(&mut [0; 8])).await??, 0);
    Ok(())
}

/// A server's end of a stream that has begun, and the client's. The body is whatever is written until the end.
async fn streaming() -> anyhow::Result<(TcpStream, Stream)> {
    let (listener, url) = listening().await?;
    let head = "200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nX-Test: kept";
    let (stream, server) = tokio::join!(Stream::open(&url, &[("Last-Event-ID", "0")]), answer(&listener, head, ""));
    Ok((server?, stream?))
}

async fn listening() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    Ok((listener, url))
}

/// Reads one request, and answers it with a status and headers, and the beginning of a body.
async fn answer(listener: &TcpListener, head: &str, body: &str) -> anyhow::Result<TcpStream> {
    let (mut server, _) = timeout(SOON, listener.accept()).await??;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(timeout(SOON, server.read_u8()).await??);
    }
    server.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await?;
    Ok(server)
}
