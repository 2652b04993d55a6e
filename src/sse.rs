//! An encoder for Server-Sent Events.
//!
//! It is pure, and accepts any text as data. Each line of the data becomes a `data:` line, as the format requires (HTML,
//! "Server-sent events", "Parsing an event stream"). A carriage return arrives as a newline, because the format cannot
//! represent it. Ids and names must be single lines; all of them are chosen by this program.

use std::fmt::{Display, Write as _};

/// Appends an event to the body of a stream.
///
/// It always has a `data:` line, because browsers ignore events without one.
pub fn push_event(body: &mut String, name: &str, id: Option<&dyn Display>, data: &str) {
    debug_assert!(!name.contains(['\r', '\n']), "the name of an event is one line");
    // Writing to a String cannot fail.
    let _ = writeln!(body, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(body, "id: {id}");
    }
    let mut rest = data;
    while let Some(end) = rest.find(['\r', '\n']) {
        let _ = writeln!(body, "data: {}", &rest[..end]);
        let line_end = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + line_end..];
    }
    let _ = writeln!(body, "data: {rest}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, id: Option<&dyn Display>, data: &str) -> String {
        let mut body = String::new();
        push_event(&mut body, name, id, data);
        body
    }

    /// Parses a body like a browser: the algorithm of the HTML standard, for well-formed bodies.
    fn parse(body: &str) -> Vec<(String, Option<String>, String)> {
        let blocks = body.strip_suffix("\n\n").expect("an event ends with an empty line");
        blocks
            .split("\n\n")
            .map(|block| {
                let (mut name, mut id, mut data) = (String::new(), None, Vec::new());
                for line in block.split('\n') {
                    match line.split_once(": ").expect("every field has a value") {
                        ("event", value) => name = value.to_owned(),
                        ("id", value) => id = Some(value.to_owned()),
                        ("data", value) => data.push(value.to_owned()),
                        (field, _) => panic!("unknown field {field}"),
                    }
                }
                (name, id, data.join("\n"))
            })
            .collect()
    }

    #[test]
    fn an_event_is_one_block_of_fields() {
        assert_eq!(event("message", Some(&"e-57"), "{}"), "event: message\nid: e-57\ndata: {}\n\n");
    }

    #[test]
    fn an_event_without_data_still_has_a_data_line() {
        assert_eq!(event("stream-open", None, ""), "event: stream-open\ndata: \n\n");
    }

    proptest! {
        #[test]
        fn any_data_arrives_with_its_line_ends_as_newlines(data in any::<String>(), second in ".*") {
            let mut body = event("message", Some(&"e-1"), &data);
            push_event(&mut body, "message", None, &second);
            let sent = |data: &str| data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(parse(&body), vec![
                ("message".to_owned(), Some("e-1".to_owned()), sent(&data)),
                ("message".to_owned(), None, sent(&second)),
            ]);
        }
    }
}
