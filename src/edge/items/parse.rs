//! Reads the items of a `POST /publish/`. All of them are checked before any is published.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use json_patch::Patch;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{
    frame::Frame,
    item::{Action, Id, Item, PublishedBody, PublishedResponse},
};

/// The formats of GRIP. The edge delivers all but the last. An unknown format is no error.
const FORMATS: [&str; 3] = ["http-stream", "http-response", "ws-message"];

/// Why a request is refused. The message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ItemError {
    #[error("the body must be a JSON object with a list \"items\"")]
    Body,
    #[error("item {0} must be an object")]
    NotAnObject(usize),
    #[error("item {0} has no \"channel\"; name one, as a string")]
    NoChannel(usize),
    #[error("item {0} has no format; give it \"formats\" with an \"http-stream\" or an \"http-response\"")]
    NoFormat(usize),
    #[error("item {0}: \"{1}\" must be {2}")]
    Type(usize, String, &'static str),
}

/// Reads all items of a request.
///
/// # Errors
/// If any of them is invalid.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Item>, ItemError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| ItemError::Body)?;
    let items = body.get("items").and_then(Value::as_array).ok_or(ItemError::Body)?;
    items.iter().enumerate().map(|(index, item)| Fields::of(index, item)?.item()).collect()
}

/// The fields of an item, or of an object in it.
struct Fields<'a> {
    /// The item's index in the list, for errors.
    index: usize,
    /// The path of this object within the item: empty, or `http-stream.`
    path: String,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn of(index: usize, item: &'a Value) -> Result<Self, ItemError> {
        let object = item.as_object().ok_or(ItemError::NotAnObject(index))?;
        Ok(Self { index, path: String::new(), object })
    }

    fn wrong(&self, name: &str, expected: &'static str) -> ItemError {
        ItemError::Type(self.index, format!("{}{name}", self.path), expected)
    }

    fn string(&self, name: &str) -> Result<Option<&'a str>, ItemError> {
        let Some(value) = self.object.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(name, "a string"))
    }

    fn inside(&self, name: &str) -> Result<Option<Self>, ItemError> {
        let Some(value) = self.object.get(name) else { return Ok(None) };
        let object = value.as_object().ok_or_else(|| self.wrong(name, "an object"))?;
        Ok(Some(Self { index: self.index, path: format!("{}{name}.", self.path), object }))
    }

    fn item(&self) -> Result<Item, ItemError> {
        let channel = self.string("channel")?.ok_or(ItemError::NoChannel(self.index))?;
        // Formats are in an object of their own, or in the item itself.
        let formats = self.inside("formats")?;
        let has_one = match &formats {
            Some(formats) => !formats.object.is_empty(),
            None => FORMATS.iter().any(|name| self.object.contains_key(*name)),
        };
        if !has_one {
            return Err(ItemError::NoFormat(self.index));
        }
        let formats = formats.as_ref().unwrap_or(self);
        let no_seq = self.object.get("no-seq").map(|value| value.as_bool().ok_or(value));
        Ok(Item {
            channel: channel.into(),
            id: self.string("id")?.map(Id::from),
            prev_id: self.string("prev-id")?.map(Id::from),
            no_seq: no_seq.transpose().map_err(|_| self.wrong("no-seq", "true or false"))?.unwrap_or_default(),
            meta: self.inside("meta")?.map(|meta| meta.strings()).transpose()?.unwrap_or_default(),
            stream: formats.inside("http-stream")?.map(|format| format.stream()).transpose()?,
            response: formats.inside("http-response")?.map(|format| format.response()).transpose()?,
        })
    }

    fn strings(&self) -> Result<BTreeMap<String, String>, ItemError> {
        let pair = |name: &String| Ok((name.clone(), self.string(name)?.unwrap_or_default().to_owned()));
        self.object.keys().map(pair).collect()
    }

    fn stream(&self) -> Result<Action<Option<Frame>>, ItemError> {
        match self.string("action")? {
            None | Some("send") => Ok(Action::Send(Frame::new(&self.bytes("content", true)?))),
            Some("close") => Ok(Action::Close),
            Some("hint") => Ok(Action::Hint),
            Some(_) => Err(self.wrong("action", "send, close or hint")),
        }
    }

    fn response(&self) -> Result<Action<PublishedResponse>, ItemError> {
        match self.string("action")? {
            None | Some("send") => {}
            Some("hint") => return Ok(Action::Hint),
            Some(_) => return Err(self.wrong("action", "send or hint")),
        }
        let code = self.object.get("code").map(|code| code.as_u64().and_then(|code| u16::try_from(code).ok()));
        let status = code.map(|code| code.and_then(|code| StatusCode::from_u16(code).ok()));
        let status = status.unwrap_or(Some(StatusCode::OK)).ok_or_else(|| self.wrong("code", "a status code"))?;
        let reason = self.string("reason")?.map(str::to_owned);
        let body = match self.object.get("body-patch") {
            Some(patch) => {
                let patch = Patch::deserialize(patch).map_err(|_| self.wrong("body-patch", "a JSON Patch"))?;
                PublishedBody::Patch(patch)
            }
            None => PublishedBody::Whole(self.bytes("body", false)?),
        };
        Ok(Action::Send(PublishedResponse { status, reason, headers: self.headers()?, body }))
    }

    /// Returns the text of a field, or the decoded base64 of the field with `-bin` after its name.
    fn bytes(&self, name: &str, required: bool) -> Result<Bytes, ItemError> {
        let binary_name = format!("{name}-bin");
        if let Some(encoded) = self.string(&binary_name)? {
            let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| self.wrong(&binary_name, "base64"))?;
            return Ok(bytes.into());
        }
        match self.string(name)? {
            Some(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            None if required => Err(self.wrong(name, "present, as text, or in base64 with -bin after its name")),
            None => Ok(Bytes::new()),
        }
    }

    /// Returns headers, which are an object, or a list of pairs if a name repeats.
    fn headers(&self) -> Result<HeaderMap, ItemError> {
        let wrong = || self.wrong("headers", "an object of strings or a list of pairs of strings");
        let pairs: Vec<(&str, &str)> = match self.object.get("headers") {
            None => Vec::new(),
            Some(Value::Object(object)) => {
                let pairs = object.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?)));
                pairs.collect::<Option<_>>().ok_or_else(wrong)?
            }
            Some(Value::Array(list)) => {
                let pairs = list.iter().map(|pair| match pair.as_array()?.as_slice() {
                    [name, value] => Some((name.as_str()?, value.as_str()?)),
                    _ => None,
                });
                pairs.collect::<Option<_>>().ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let header = |(name, value): (&str, &str)| -> Option<(HeaderName, HeaderValue)> {
            Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
        };
        pairs.into_iter().map(header).collect::<Option<_>>().ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse_one(item: Value) -> Result<Item, ItemError> {
        parse(json!({"items": [item]}).to_string().as_bytes()).map(|mut items| items.remove(0))
    }

    #[test]
    fn an_item_has_a_channel_ids_and_formats() {
        let item = parse_one(json!({
            "channel": "a", "id": "2", "prev-id": "1", "meta": {"sender": "x"},
            "formats": {"http-stream": {"content": "hello"}, "ws-message": {"content": "x"}},
        }))
        .unwrap();
        assert_eq!((&*item.channel, item.id.as_deref(), item.prev_id.as_deref()), ("a", Some("2"), Some("1")));
        assert_eq!(item.meta["sender"], "x");
        let Some(Action::Send(Some(frame))) = item.stream else { panic!("a frame") };
        assert_eq!(frame.content(), "hello");
        assert!(item.response.is_none());
    }

    #[test]
    fn formats_may_be_in_the_item_itself_and_binary() {
        let item = parse_one(json!({
            "channel": "a",
            "http-stream": {"content-bin": "aGk="},
            "http-response": {"code": 201, "headers": [["X-A", "1"], ["X-A", "2"]], "body-bin": "aG8="},
        }))
        .unwrap();
        let Some(Action::Send(Some(frame))) = item.stream else { panic!("a frame") };
        assert_eq!(frame.content(), "hi");
        let Some(Action::Send(response)) = item.response else { panic!("a response") };
        assert_eq!((response.status, response.body.replace(Bytes::new()).as_ref()), (StatusCode::CREATED, &b"ho"[..]));
        assert_eq!(response.headers.get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn a_published_body_may_be_a_patch_of_the_held_one() {
        let patch = json!([{"op": "replace", "path": "/n", "value": 2}]);
        let changed = |held: &'static str| {
            let item = parse_one(json!({"channel": "a", "http-response": {"body-patch": patch}})).unwrap();
            let Some(Action::Send(response)) = item.response else { panic!("a response") };
            response.body.replace(Bytes::from_static(held.as_bytes()))
        };
        assert_eq!(changed(r#"{"n":1,"m":3}"#), r#"{"m":3,"n":2}"#);
        assert_eq!(changed("no JSON"), "no JSON");
        assert_eq!(changed(r#"{"m":3}"#), r#"{"m":3}"#);
    }

    #[test]
    fn errors_name_the_field() {
        for (item, name) in [
            (json!({"formats": {}}), "channel"),
            (json!({"channel": "a", "id": 1, "http-stream": {"content": ""}}), "\"id\""),
            (json!({"channel": "a", "prev-id": null, "http-stream": {"content": ""}}), "\"prev-id\""),
            (json!({"channel": "a", "no-seq": "yes", "http-stream": {"content": ""}}), "no-seq"),
            (json!({"channel": "a"}), "formats"),
            (json!({"channel": "a", "formats": {}}), "formats"),
            (json!({"channel": "a", "formats": []}), "formats"),
            (json!({"channel": "a", "http-stream": {}}), "http-stream.content"),
            (json!({"channel": "a", "http-stream": {"content-bin": "%"}}), "http-stream.content-bin"),
            (json!({"channel": "a", "http-stream": {"action": "dance"}}), "http-stream.action"),
            (json!({"channel": "a", "http-response": {"code": 7}}), "http-response.code"),
            (json!({"channel": "a", "http-response": {"body-patch": [{"op": "dance"}]}}), "http-response.body-patch"),
            (json!({"channel": "a", "http-response": {"headers": {"a b": "1"}}}), "http-response.headers"),
        ] {
            let error = parse_one(item.clone()).unwrap_err().to_string();
            assert!(error.contains(name), "{item}: {error}");
        }
        assert_eq!(parse(b"{}").unwrap_err(), ItemError::Body);
        assert_eq!(parse(b"nonsense").unwrap_err(), ItemError::Body);
        assert_eq!(parse(b"{\"items\":[1]}").unwrap_err(), ItemError::NotAnObject(0));
    }

    #[test]
    fn unknown_formats_and_empty_lists_are_accepted() {
        assert!(parse_one(json!({"channel": "a", "formats": {"xmpp": {}}})).unwrap().stream.is_none());
        assert!(parse(b"{\"items\":[]}").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in any::<Vec<u8>>()) {
            let _ = parse(&body);
        }
    }
}
