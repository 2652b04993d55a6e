//! A client of a room.

use anyhow::Context as _;
use serde_json::Value;

use crate::support::sse::Stream;

/// A client of a room.
#[derive(Clone)]
pub(crate) struct Room {
    /// The URL of its messages, with a slash at the end.
    pub(crate) url: String,
    http: reqwest::Client,
}

/// A complete response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Room {
    pub(crate) fn new(base: &str, name: &str, http: reqwest::Client) -> Self {
        Self { url: format!("{base}/rooms/{name}/messages/"), http }
    }

    /// Opens a stream, with `Last-Event-ID` if there is a cursor.
    pub(crate) async fn stream(&self, cursor: Option<&str>) -> anyhow::Result<Stream> {
        let headers: Vec<_> = cursor.map(|cursor| ("Last-Event-ID", cursor)).into_iter().collect();
        self.stream_at("", &headers).await
    }

    /// Opens a stream with a query and headers.
    pub(crate) async fn stream_at(&self, query: &str, headers: &[(&str, &str)]) -> anyhow::Result<Stream> {
        let accept = [("Accept", "text/event-stream")];
        Stream::open(&format!("{}{query}", self.url), &[&accept[..], headers].concat()).await
    }

    /// Posts as JSON, and returns the stored message.
    pub(crate) async fn post(&self, text: &str) -> anyhow::Result<Value> {
        let answer = self.post_with(text, &[]).await?;
        anyhow::ensure!(answer.status == 200, "the response to the post is {answer:?}");
        Ok(answer.body)
    }

    /// Posts as JSON with headers, and returns any response.
    pub(crate) async fn post_with(&self, text: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut request = self.http.post(&self.url).json(&serde_json::json!({"from": "Ada", "text": text}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// Returns the snapshot as JSON.
    pub(crate) async fn history(&self, query: &str) -> anyhow::Result<Value> {
        let answer = self.get(query).await?;
        anyhow::ensure!(answer.status == 200, "the response to the snapshot is {answer:?}");
        Ok(answer.body)
    }

    pub(crate) async fn get(&self, query: &str) -> anyhow::Result<Answer> {
        answer(self.http.get(format!("{}{query}", self.url))).await
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).with_context(|| format!("{status} with a body that is not JSON: {text}"))?;
    Ok(Answer { status, body })
}
