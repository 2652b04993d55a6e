//! What a backend publishes: an item for one channel, in a format for each kind of connection.

use serde::Serialize;

use super::hold::Channel;

/// An item that proxies deliver to every connection that is subscribed to its channel.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Item {
    channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_id: Option<String>,
    formats: Formats,
}

/// The content of an item, encoded for each kind of connection.
///
/// A proxy delivers nothing to a connection whose format is missing.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Formats {
    /// For held streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_stream: Option<HttpStream>,
}

/// The content of an item for held streams.
#[derive(Clone, Debug, Serialize)]
pub struct HttpStream {
    /// Text that is appended to the response body.
    pub content: String,
}

impl Item {
    /// Creates an item without an id. It is published once: proxies cannot notice that they missed it.
    pub fn ephemeral(channel: &Channel, formats: Formats) -> Self {
        Self { channel: channel.as_str().to_owned(), id: None, prev_id: None, formats }
    }

    /// Creates an item in the sequence of its channel. Every item of such a channel must have an id.
    pub fn sequenced(channel: &Channel, id: String, prev_id: String, formats: Formats) -> Self {
        Self { channel: channel.as_str().to_owned(), id: Some(id), prev_id: Some(prev_id), formats }
    }

    pub(super) fn is_sequenced(&self) -> bool {
        self.id.is_some()
    }

    /// The size of the content in bytes. The rest of an item is small.
    pub(super) fn len(&self) -> usize {
        self.formats.len()
    }
}

impl Formats {
    /// Creates content for held streams only.
    pub fn http_stream(content: String) -> Self {
        Self { http_stream: Some(HttpStream { content }) }
    }

    fn len(&self) -> usize {
        self.http_stream.as_ref().map_or(0, |format| format.content.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(item: &Item) -> String {
        serde_json::to_string(item).unwrap()
    }

    #[test]
    fn an_item_is_published_in_the_fields_of_the_protocol() {
        let channel = Channel::new("messages", "a");
        assert_eq!(
            json(&Item::ephemeral(&channel, Formats::http_stream("x\n".into()))),
            r#"{"channel":"messages-a","formats":{"http-stream":{"content":"x\n"}}}"#
        );
        assert_eq!(
            json(&Item::sequenced(&channel, "e-2".into(), "e-1".into(), Formats::http_stream("x".into()))),
            r#"{"channel":"messages-a","id":"e-2","prev-id":"e-1","formats":{"http-stream":{"content":"x"}}}"#
        );
    }
}
