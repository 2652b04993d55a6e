//! `gripchat create-table`, as an operator uses it.

use std::{
    net::SocketAddr,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
        TimeToLiveStatus,
    },
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use gripchat::store::table::{self, Created};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout},
};

use crate::support::{
    dynamodb,
    gripchat::command,
    ports::free_port,
    stack::{self, SOON, environment, table_name},
    trials::trials,
};

pub(crate) fn trials() -> Vec<Trial> {
    trials![
        [DynamoDb] => the_table_is_created_with_its_keys_on_demand_billing_and_ttl,
        [DynamoDb] => an_existing_table_is_left_unchanged,
        [DynamoDb] => ttl_is_enabled_on_an_existing_table,
        [DynamoDb] => a_table_with_other_keys_is_refused_and_left_unchanged,
        [] => an_unreachable_dynamodb_is_reported,
        [] => progress_is_printed_while_waiting_for_a_new_table,
        [DynamoDb] => two_processes_that_create_the_table_at_once_both_succeed,
        [DynamoDb] => many_concurrent_creations_all_succeed,
    ]
}

async fn create_table(dynamodb: SocketAddr, table: &str) -> anyhow::Result<Output> {
    // The command needs no proxy, so the proxy's address is an unused one.
    let env = environment(table, dynamodb, SocketAddr::from(([127, 0, 0, 1], 9)), &[]);
    Ok(spawn_blocking(move || command(&["create-table"], &env).output()).await??)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn described(client: &Client, table: &str) -> anyhow::Result<TableDescription> {
    client.describe_table().table_name(table).send().await?.table.context("a description")
}

/// Whether TTL is enabled, and on which attribute.
async fn ttl(client: &Client, table: &str) -> anyhow::Result<(bool, Option<String>)> {
    let answer = client.describe_time_to_live().table_name(table).send().await?;
    let ttl = answer.time_to_live_description.context("a description")?;
    let on = matches!(ttl.time_to_live_status(), Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    Ok((on, ttl.attribute_name))
}

/// The name, type and kind of each key.
fn keys(table: &TableDescription) -> Vec<[&str; 3]> {
    let kind = |name| {
        let definition = table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
        definition.map_or("?", |definition| definition.attribute_type().as_str())
    };
    let keys = table.key_schema().iter();
    keys.map(|key| [key.attribute_name(), kind(key.attribute_name()), key.key_type().as_str()]).collect()
}

async fn the_table_is_created_with_its_keys_on_demand_billing_and_ttl() -> anyhow::Result<()> {
    let (dynamodb, table) = (dynamodb::shared().await?, table_name());
    let output = create_table(dynamodb, &table).await?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(&output), format!("table {table} is ready\n"));
    assert!(stderr(&output).contains(&format!("{table}: creating the table\n")), "{output:?}");

    let client = stack::client(dynamodb);
    let description = described(&client, &table).await?;
    assert_eq!(keys(&description), [["pk", "S", "HASH"], ["sk", "S", "RANGE"]]);
    let billing = description.billing_mode_summary().and_then(|summary| summary.billing_mode());
    assert_eq!(billing, Some(&BillingMode::PayPerRequest));
    assert_eq!(ttl(&client, &table).await?, (true, Some("expires_at".to_owned())));
    Ok(())
}

async fn an_existing_table_is_left_unchanged() -> anyhow::Result<()> {
    let (dynamodb, table) = (dynamodb::shared().await?, table_name());
    let client = stack::client(dynamodb);
    assert!(create_table(dynamodb, &table).await?.status.success());
    let before = (described(&client, &table).await?, ttl(&client, &table).await?);
    let output = create_table(dynamodb, &table).await?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(&output), format!("table {table} exists already, and is ready\n"));
    assert_eq!(stderr(&output), "");
    assert_eq!((described(&client, &table).await?, ttl(&client, &table).await?), before);
    Ok(())
}

/// Creates a table with a hash key and a range key of type S.
async fn create_with_keys(client: &Client, table: &str, hash: &str, range: &str) -> anyhow::Result<()> {
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, part) in [(hash, KeyType::Hash), (range, KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(part);
        request = request.attribute_definitions(attribute.build()?).key_schema(key.build()?);
    }
    request.send().await?;
    Ok(())
}

/// The process that created the table may have stopped before it enabled TTL.
async fn ttl_is_enabled_on_an_existing_table() -> anyhow::Result<()> {
    let (dynamodb, table) = (dynamodb::shared().await?, table_name());
    let client = stack::client(dynamodb);
    create_with_keys(&client, &table, "pk", "sk").await?;
    assert!(!ttl(&client, &table).await?.0);
    let output = create_table(dynamodb, &table).await?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ttl(&client, &table).await?, (true, Some("expires_at".to_owned())));
    Ok(())
}

async fn a_table_with_other_keys_is_refused_and_left_unchanged() -> anyhow::Result<()> {
    let (dynamodb, table) = (dynamodb::shared().await?, table_name());
    let client = stack::client(dynamodb);
    create_with_keys(&client, &table, "customer", "invoice").await?;
    let before = (described(&client, &table).await?, ttl(&client, &table).await?);
    let output = create_table(dynamodb, &table).await?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(stdout(&output), "");
    for part in [&table, "customer (S, hash)", "invoice (S, range)", "pk (S, hash)", "sk (S, range)", "DYNAMODB_TABLE"]
    {
        assert!(stderr(&output).contains(part), "{part:?} is not in {}", stderr(&output));
    }
    assert_eq!((described(&client, &table).await?, ttl(&client, &table).await?), before);
    Ok(())
}

async fn an_unreachable_dynamodb_is_reported() -> anyhow::Result<()> {
    let unreachable = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let started = Instant::now();
    let output = timeout(3 * SOON, create_table(unreachable, &table_name())).await.context("it does not stop")??;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(text.starts_with("gripchat: DynamoDB did not describe the table: "), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(started.elapsed() < 2 * SOON, "{:?}", started.elapsed());
    Ok(())
}

async fn two_processes_that_create_the_table_at_once_both_succeed() -> anyhow::Result<()> {
    let (dynamodb, table) = (dynamodb::shared().await?, table_name());
    let (one, other) = tokio::try_join!(create_table(dynamodb, &table), create_table(dynamodb, &table))?;
    for output in [one, other] {
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(ttl(&stack::client(dynamodb), &table).await?, (true, Some("expires_at".to_owned())));
    Ok(())
}

/// In one process, because processes start so slowly that they rarely run at the same time.
async fn many_concurrent_creations_all_succeed() -> anyhow::Result<()> {
    let client = stack::client(dynamodb::shared().await?);
    for _ in 0..5 {
        let table = table_name();
        let mut creations = JoinSet::new();
        for _ in 0..8 {
            let (client, table) = (client.clone(), table.clone());
            creations.spawn(async move { table::create(&client, &table, |_| {}).await });
        }
        let created: Vec<Created> = creations.join_all().await.into_iter().collect::<Result<_, _>>()?;
        assert!(created.contains(&Created::New), "{created:?}");
        assert!(ttl(&client, &table).await?.0);
    }
    Ok(())
}

/// A table takes seconds to become active in DynamoDB, but not in DynamoDB Local. So a fake server delays it.
async fn progress_is_printed_while_waiting_for_a_new_table() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let router = Router::new().route("/", post(slow_dynamodb)).with_state(Arc::default());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let output = create_table(addr, "slow").await?;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "table slow is ready\n");
    // Remove the seconds, which depend on the machine.
    let shown = stderr(&output);
    let shown: Vec<_> = shown.lines().map(|line| line.split(" (").next().unwrap_or(line)).collect();
    let waiting = "slow: waiting for the table to become active";
    assert_eq!(shown, ["slow: creating the table", waiting, waiting, "slow: enabling TTL"]);
    Ok(())
}

/// A table that does not exist at the first request, is CREATING for two, and then ACTIVE.
async fn slow_dynamodb(State(requests): State<Arc<AtomicUsize>>, headers: HeaderMap) -> (StatusCode, String) {
    let keys = json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]);
    let types = json!([
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ]);
    let table = |status| json!({"TableStatus": status, "KeySchema": keys, "AttributeDefinitions": types});
    let operation = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer: Value = match operation.rsplit('.').next().unwrap_or_default() {
        "DescribeTable" => match requests.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let error = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException";
                return (StatusCode::BAD_REQUEST, json!({"__type": error, "message": "no table"}).to_string());
            }
            1 | 2 => json!({"Table": table("CREATING")}),
            _ => json!({"Table": table("ACTIVE")}),
        },
        "CreateTable" => json!({"TableDescription": table("CREATING")}),
        "DescribeTimeToLive" => json!({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}),
        _ => json!({}),
    };
    (StatusCode::OK, answer.to_string())
}
