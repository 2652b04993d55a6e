//! The whole chat: Pushpin, a backend and a table of its own, with a proxy that can fail on either side of the backend.
//!
//! ```text
//! test ──► Pushpin ──► backend ──► `store`, a fault proxy ──► DynamoDB Local
//!             ▲           └──────► `control`, a fault proxy ─┐
//!             └──────────────────────────────────────────────┘
//! ```

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use gripchat::store::table;
use serde_json::Value;
use uuid::Uuid;

use super::{backend::Backend, dynamodb, fault::FaultProxy, ports::free_port, pushpin::Pushpin, sse::Stream};

/// What is published arrives within this time, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// How often the proxy rechecks its streams in these tests.
pub(crate) const RECHECK: Duration = Duration::from_secs(4);

/// Everything that a person's chat needs. Dropped, it ends.
pub(crate) struct Stack {
    pub(crate) pushpin: Pushpin,
    pub(crate) backend: Backend,
    pub(crate) store: FaultProxy,
    pub(crate) control: FaultProxy,
    pub(crate) dynamodb: Client,
    pub(crate) table: String,
    http: reqwest::Client,
}

/// A room, as clients reach it.
#[derive(Clone)]
pub(crate) struct Room {
    /// With the slash at the end.
    pub(crate) url: String,
    http: reqwest::Client,
}

/// An answer in full.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Stack {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// With variables for the backend beside those it needs.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let dynamodb = dynamodb::shared().await?;
        let (client, table) = (client(dynamodb), table_name());
        table::create(&client, &table, |_| {}).await?;
        let store = FaultProxy::start(dynamodb).await?;

        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let pushpin = Pushpin::start(listen).await?;
        let control = FaultProxy::start(pushpin.control_addr()).await?;
        let env = environment(&table, store.addr(), control.addr(), variables);
        let backend = Backend::start_on(listen, env).await?;
        Self::of(pushpin, backend, store, control, client, table)
    }

    /// Of parts that a test has started in its own way.
    pub(crate) fn of(
        pushpin: Pushpin,
        backend: Backend,
        store: FaultProxy,
        control: FaultProxy,
        dynamodb: Client,
        table: String,
    ) -> anyhow::Result<Self> {
        Ok(Self { pushpin, backend, store, control, dynamodb, table, http: http()? })
    }

    /// A room, through Pushpin.
    pub(crate) fn room(&self, name: &str) -> Room {
        self.room_at(&self.pushpin.url(), name)
    }

    /// A room, straight at a backend.
    pub(crate) fn room_at(&self, base: &str, name: &str) -> Room {
        Room::new(base, name, self.http.clone())
    }

    /// The client that the rooms use.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Lets a message be past its time, as DynamoDB's TTL would see it: expired and not deleted yet.
    pub(crate) async fn expire(&self, room: &str, id: &str) -> anyhow::Result<()> {
        let past = AttributeValue::N("1000000000".to_owned());
        let (_, seq) = id.split_once('-').context("not an id")?;
        let seq: u64 = seq.parse()?;
        self.dynamodb
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(format!("room#{room}")))
            .key("sk", AttributeValue::S(format!("m#{seq:016}")))
            .update_expression("SET expires_at = :past")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":past", past)
            .send()
            .await?;
        Ok(())
    }

    /// One more backend on the same table and proxy, reached directly.
    pub(crate) async fn another_backend(&self) -> anyhow::Result<Backend> {
        self.another_backend_with(&[]).await
    }

    /// The same, with other variables.
    pub(crate) async fn another_backend_with(&self, variables: &[(&str, &str)]) -> anyhow::Result<Backend> {
        Backend::start(environment(&self.table, self.store.addr(), self.control.addr(), variables)).await
    }
}

impl Room {
    pub(crate) fn new(base: &str, name: &str, http: reqwest::Client) -> Self {
        Self { url: format!("{base}/rooms/{name}/messages/"), http }
    }

    /// A stream, with `Last-Event-ID` where a cursor is given.
    pub(crate) async fn stream(&self, cursor: Option<&str>) -> anyhow::Result<Stream> {
        let headers: Vec<_> = cursor.map(|cursor| ("Last-Event-ID", cursor)).into_iter().collect();
        self.stream_at("", &headers).await
    }

    /// A stream with a query and headers.
    pub(crate) async fn stream_at(&self, query: &str, headers: &[(&str, &str)]) -> anyhow::Result<Stream> {
        let accept = [("Accept", "text/event-stream")];
        Stream::open(&format!("{}{query}", self.url), &[&accept[..], headers].concat()).await
    }

    /// Posts as JSON; the message of the answer.
    pub(crate) async fn post(&self, text: &str) -> anyhow::Result<Value> {
        let answer = self.post_with(text, &[]).await?;
        anyhow::ensure!(answer.status == 200, "the post was answered {answer:?}");
        Ok(answer.body)
    }

    /// Posts as JSON, with headers; whatever the answer is.
    pub(crate) async fn post_with(&self, text: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut request = self.http.post(&self.url).json(&serde_json::json!({"from": "Ada", "text": text}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    /// The snapshot as JSON.
    pub(crate) async fn history(&self, query: &str) -> anyhow::Result<Value> {
        let answer = self.get(query).await?;
        anyhow::ensure!(answer.status == 200, "the snapshot was answered {answer:?}");
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
    let body = serde_json::from_str(&text).with_context(|| format!("{status} with a body that is no JSON: {text}"))?;
    Ok(Answer { status, body })
}

/// What a backend needs to run against these.
pub(crate) fn environment(
    table: &str,
    dynamodb: SocketAddr,
    control: SocketAddr,
    variables: &[(&str, &str)],
) -> Vec<(String, String)> {
    let grip = format!("http://{control}/?verify-iss=pushpin&verify-key=changeme");
    let recheck = format!("{}s", RECHECK.as_secs());
    let dynamodb = format!("http://{dynamodb}");
    let needed = [
        ("GRIP_URL", grip.as_str()),
        ("DYNAMODB_TABLE", table),
        ("RECHECK_INTERVAL", &recheck),
        ("RUST_LOG", "info,gripchat=debug"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb),
    ];
    // The later of two equal names holds.
    needed.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A name that no other test has.
pub(crate) fn table_name() -> String {
    format!("test-{}", Uuid::new_v4().simple())
}

/// A client of DynamoDB Local that takes nothing from the environment.
pub(crate) fn client(dynamodb: SocketAddr) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(format!("http://{dynamodb}"))
        .build();
    Client::from_conf(config)
}

pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}
