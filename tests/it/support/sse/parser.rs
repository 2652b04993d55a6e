//! From bytes to events, as the HTML standard has it: <https://html.spec.whatwg.org/multipage/server-sent-events.html>,
//! sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".

use std::time::Duration;

use anyhow::Context as _;

/// A dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` where the block names none.
    pub(crate) event: String,
    pub(crate) data: String,
    /// What JavaScript sees: the last `id` of the stream so far, from this block or one before it.
    pub(crate) last_event_id: String,
    /// The `id` of this block.
    pub(crate) id: Option<String>,
}

impl Event {
    pub(crate) fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.data).with_context(|| format!("data of a {} event: {}", self.event, self.data))
    }
}

/// Takes a stream in pieces, which may end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The bytes of the line that has not ended yet.
    line: Vec<u8>,
    /// Whether the last byte was a CR: an LF right after it belongs to the same end of line.
    after_cr: bool,
    /// Whether a first line was seen: only that can begin with a byte order mark.
    begun: bool,
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
                // At a CR already: waiting for what follows it would hold back the event until the next one.
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
        // A line's end is never inside a character, so that lines can be decoded one by one.
        let mut line = &*String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.begun, true) {
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
                // Without digits, or with more than fit, there is nothing a test could mean by it.
                self.retry = value.parse().map(Duration::from_millis).ok().or(self.retry);
            }
            // Fields of other names are ignored, and names are compared with their case.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let Block { event, mut data, id } = std::mem::take(&mut self.block);
        // Also for a block without data, which is how a server moves the position of a client without an event.
        if let Some(id) = &id {
            id.clone_into(&mut self.last_event_id);
        }
        // The line feed that its last line added. Without any line there is none, and nothing to dispatch.
        data.pop()?;
        Some(Event {
            event: if event.is_empty() { "message".to_owned() } else { event },
            data,
            last_event_id: self.last_event_id.clone(),
            id,
        })
    }
}
