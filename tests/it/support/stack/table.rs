//! A table in DynamoDB Local for one test, with a fault proxy in front of it.

use std::net::SocketAddr;

use anyhow::Context as _;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use gripchat::store::table;
use uuid::Uuid;

use crate::support::{dynamodb, fault::FaultProxy};

/// The table of a stack.
pub(crate) struct Table {
    pub(crate) name: String,
    /// A client without the fault proxy.
    pub(crate) client: Client,
    /// The backends use this one.
    pub(crate) fault_proxy: FaultProxy,
}

impl Table {
    pub(crate) async fn create() -> anyhow::Result<Self> {
        let dynamodb = dynamodb::shared().await?;
        let (client, name) = (client(dynamodb), table_name());
        table::create(&client, &name, |_| {}).await?;
        Ok(Self { name, client, fault_proxy: FaultProxy::start(dynamodb).await? })
    }

    /// Makes a message expire, like one that DynamoDB's TTL has not deleted yet.
    pub(crate) async fn expire(&self, room: &str, id: &str) -> anyhow::Result<()> {
        let past = AttributeValue::N("1000000000".to_owned());
        let (_, seq) = id.split_once('-').context("not an id")?;
        let seq: u64 = seq.parse()?;
        self.client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(format!("room#{room}")))
            .key("sk", AttributeValue::S(format!("m#{seq:016}")))
            .update_expression("SET expires_at = :past")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":past", past)
            .send()
            .await?;
        Ok(())
    }

    /// Deletes the items of a room directly in the table.
    pub(crate) async fn wipe(&self, room: &str) -> anyhow::Result<()> {
        let items = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(format!("room#{room}")))
            .projection_expression("pk, sk")
            .send()
            .await?;
        anyhow::ensure!(items.count() > 0, "the room is empty");
        for item in items.items() {
            self.client.delete_item().table_name(&self.name).set_key(Some(item.clone())).send().await?;
        }
        Ok(())
    }
}

/// Returns a name that no other test uses.
pub(crate) fn table_name() -> String {
    format!("test-{}", Uuid::new_v4().simple())
}

/// Returns a client of DynamoDB Local that ignores the environment.
pub(crate) fn client(dynamodb: SocketAddr) -> Client {
    // As the program's, over ring; it is never used with HTTPS here.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_dynamodb::Config::builder()
        .http_client(http)
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(format!("http://{dynamodb}"))
        .build();
    Client::from_conf(config)
}
