//! `Grip-Last`: the position of a proxy's stream, sent with every request of a next link.

use http::HeaderMap;

use super::{hold::Channel, list};

/// Returns the id of the last item that the proxy's stream has received on a channel.
///
/// Proxies send a header line for each channel that has a `prev-id`, in any order, and intermediaries may join lines
/// with commas. So all lines and all their entries are read.
pub fn last_id(headers: &HeaderMap, channel: &Channel) -> Option<String> {
    headers
        .get_all("grip-last")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(list::parse)
        .find(|entry| entry.token == channel.as_str())
        .and_then(|entry| entry.param("last-id").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().filter_map(|line| HeaderValue::from_str(line).ok());
        lines.map(|line| ("grip-last".parse().unwrap(), line)).collect()
    }

    #[test]
    fn the_entry_of_a_channel_is_found_on_any_line() {
        let room = Channel::new("messages", "a");
        let other_line = headers(&["messages-b; last-id=x-9", "messages-a; last-id=e-6"]);
        let joined = headers(&["messages-b; last-id=x-9, messages-a; last-id=e-6"]);
        assert_eq!(last_id(&other_line, &room).as_deref(), Some("e-6"));
        assert_eq!(last_id(&joined, &room).as_deref(), Some("e-6"));
    }

    #[test]
    fn the_entry_of_another_channel_is_ignored() {
        let room = Channel::new("messages", "a");
        assert_eq!(last_id(&headers(&["messages-ab; last-id=e-6"]), &room), None);
        assert_eq!(last_id(&HeaderMap::new(), &room), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(lines in proptest::collection::vec(any::<String>(), 0..4)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let _ = last_id(&headers(&lines), &Channel::new("messages", "a"));
        }
    }
}
