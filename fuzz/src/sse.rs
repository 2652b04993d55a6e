//! A parser for event streams. It follows the algorithm of the HTML standard step by step, as browsers do ("Server-sent
//! events", "Interpreting an event stream").

/// A dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The type of the event.
    pub name: String,
    /// The stream's last event id when it was dispatched.
    pub last_event_id: String,
    /// The data of the event.
    pub data: String,
}

/// Returns all events that a complete stream dispatches.
pub fn parse(stream: &str) -> Vec<Event> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let (mut events, mut last_event_id) = (Vec::new(), String::new());
    let (mut data, mut name) = (String::new(), String::new());
    for line in lines(stream) {
        if line.is_empty() {
            if data.is_empty() {
                name.clear();
                continue;
            }
            data.pop();
            let name = std::mem::take(&mut name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            events.push(Event { name, last_event_id: last_event_id.clone(), data: std::mem::take(&mut data) });
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => last_event_id = value.to_owned(),
            _ => {}
        }
    }
    events
}

/// Returns the complete lines, which end with CR LF, LF or CR.
fn lines(stream: &str) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), stream);
    while let Some(end) = rest.find(['\r', '\n']) {
        lines.push(&rest[..end]);
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
    }
    lines
}
