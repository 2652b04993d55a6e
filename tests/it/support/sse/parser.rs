//! Parses bytes into events, as in the HTML standard: <https://html.spec.whatwg.org/multipage/server-sent-events.html>,
//! sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".

use std::time::Duration;

use anyhow::Context as _;

/// A dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` if the block has no name.
    pub(crate) event: String,
    pub(crate) data: String,
    /// The `lastEventId` in JavaScript: the last `id` of the stream so far, from this block or an earlier one.
    pub(crate) last_event_id: String,
    /// The `id` of this block.
    pub(crate) id: Option<String>,
}

impl Event {
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.data).with_context(|| format!("data of a {} event: {}", self.event, self.data))
    }
}

/// Parses a stream in pieces, which may end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The bytes of the current line.
    line: Vec<u8>,
    /// Whether the last byte was a CR: an LF right after it belongs to the same end of line.
    after_cr: bool,
    /// Whether the first line was read: only that one can start with a byte order mark.
    started: bool,
    block: Block,
    last_event_id: String,
    retry: Option<Duration>,
    comments: usize,
}

/// The buffers that an empty line empties.
#[derive(Debug, Default)]
struct Block {
    event: String,
    data: String,
    id: Option<String>,
}

impl Parser {
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let ends_cr_lf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                b'\n' if ends_cr_lf => {}
                // Already at a CR: waiting for the byte after it would delay the event until the next one.
                b'\r' | b'\n' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
        }
        events
    }

    pub(crate) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    pub(crate) fn comments(&self) -> usize {
        self.comments
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        // A line end is never inside a character, so lines can be decoded one by one.
        let mut line = &*String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        match line.split_once(':') {
            Some(("", _)) => self.comments += 1,
            Some((name, value)) => self.field(name, value.strip_prefix(' ').unwrap_or(value)),
            None => self.field(line, ""),
        }
        None
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.block.event),
            "data" => {
                self.block.data.push_str(value);
                self.block.data.push('\n');
            }
            "id" if !value.contains('\0') => self.block.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A value without digits, or too large, is ignored.
                self.retry = value.parse().map(Duration::from_millis).ok().or(self.retry);
            }
            // Fields of other names are ignored, and names are compared with their case.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let Block { event, mut data, id } = std::mem::take(&mut self.block);
        // Also for a block without data, with which a server moves the position of a client without an event.
        if let Some(id) = &id {
            id.clone_into(&mut self.last_event_id);
        }
        // The line feed after the last line. Without data there is none, and nothing to dispatch.
        data.pop()?;
        Some(Event {
            event: if event.is_empty() { "message".to_owned() } else { event },
            data,
            last_event_id: self.last_event_id.clone(),
            id,
        })
    }
}
