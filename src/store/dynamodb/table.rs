//! Creates the DynamoDB table.

use std::{error::Error as StdError, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
        TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};
use tokio::time::{Instant, sleep};

use super::message_item::{EXPIRES_AT, PARTITION_KEY, SORT_KEY};

/// How often the state of a table that is being created is read.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait until the table is active. It usually takes seconds.
const ACTIVE_DEADLINE: Duration = Duration::from_secs(300);

/// Whether [`create`] created the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It did.
    New,
    /// The table already existed, with the right keys.
    Existing,
}

/// Why there is no usable table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A table with this name exists, with other keys.
    #[error(
        "table {table:?} exists with other keys ({found}); gripchat needs {PARTITION_KEY} (S, hash) and \
         {SORT_KEY} (S, range). Choose another name with DYNAMODB_TABLE"
    )]
    OtherKeys {
        /// The table's name.
        table: String,
        /// Its keys.
        found: String,
    },
    /// The table is in a state in which it cannot be used, for example because it is being deleted.
    #[error("table {table:?} is {status}; wait, or choose another name with DYNAMODB_TABLE")]
    Unusable {
        /// The table's name.
        table: String,
        /// Its state, as DynamoDB reports it.
        status: String,
    },
    /// The table did not become active in time.
    #[error("table {0:?} is still not active after {ACTIVE_DEADLINE:?}; run this again later")]
    Slow(String),
    /// DynamoDB refused a request or cannot be reached.
    #[error("DynamoDB did not {0}: {1}")]
    Failed(&'static str, String),
}

/// Creates the table if it does not exist, waits until it is active, and enables TTL.
///
/// `progress` is called with a line of text for each step.
pub async fn create(client: &Client, table: &str, mut progress: impl FnMut(&str)) -> Result<Created, TableError> {
    let created = match describe(client, table).await? {
        Some(description) => {
            check_keys(table, &description)?;
            Created::Existing
        }
        None => {
            request(client, table).await?;
            progress("creating the table");
            Created::New
        }
    };
    wait_until_active(client, table, &mut progress).await?;
    enable_ttl(client, table, &mut progress).await?;
    Ok(created)
}

async fn describe(client: &Client, table: &str) -> Result<Option<TableDescription>, TableError> {
    match client.describe_table().table_name(table).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(failed("describe the table", error)),
    }
}

async fn request(client: &Client, table: &str) -> Result<(), TableError> {
    let text =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    // The builders only fail if a name or a type is missing.
    let complete = "names and types are set";
    let outcome = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text(PARTITION_KEY).expect(complete))
        .attribute_definitions(text(SORT_KEY).expect(complete))
        .key_schema(key(PARTITION_KEY, KeyType::Hash).expect(complete))
        .key_schema(key(SORT_KEY, KeyType::Range).expect(complete))
        .send()
        .await;
    match outcome {
        Ok(_) => Ok(()),
        // Another process is creating it at the same time. The keys are checked once it is active.
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(failed("create the table", error)),
    }
}

async fn wait_until_active(client: &Client, table: &str, progress: &mut impl FnMut(&str)) -> Result<(), TableError> {
    let start = Instant::now();
    while start.elapsed() < ACTIVE_DEADLINE {
        let description = describe(client, table).await?;
        match description.as_ref().map(|d| (d, d.table_status())) {
            Some((description, Some(TableStatus::Active))) => return check_keys(table, description),
            None | Some((_, Some(TableStatus::Creating | TableStatus::Updating) | None)) => {}
            Some((_, Some(status))) => {
                return Err(TableError::Unusable { table: table.to_owned(), status: status.to_string() });
            }
        }
        progress(&format!("waiting for the table to become active ({} s)", start.elapsed().as_secs()));
        sleep(POLL_INTERVAL).await;
    }
    Err(TableError::Slow(table.to_owned()))
}

fn check_keys(table: &str, description: &TableDescription) -> Result<(), TableError> {
    let kind = |name: &str| {
        let definition = description.attribute_definitions().iter().find(|d| d.attribute_name() == name);
        definition.map_or("?", |d| d.attribute_type().as_str())
    };
    let found: Vec<String> = description
        .key_schema()
        .iter()
        .map(|key| {
            let name = key.attribute_name();
            format!("{name} ({}, {})", kind(name), key.key_type().as_str().to_lowercase())
        })
        .collect();
    let wanted = [format!("{PARTITION_KEY} (S, hash)"), format!("{SORT_KEY} (S, range)")];
    if found == wanted {
        return Ok(());
    }
    Err(TableError::OtherKeys { table: table.to_owned(), found: found.join(" and ") })
}

/// Expired messages are invisible immediately. TTL deletes them, so that they cost nothing.
async fn enable_ttl(client: &Client, table: &str, progress: &mut impl FnMut(&str)) -> Result<(), TableError> {
    if ttl_is_on(client, table).await? {
        return Ok(());
    }
    progress("enabling TTL");
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build();
    let outcome = client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl.expect("both fields are set"))
        .send()
        .await;
    match outcome {
        Ok(_) => Ok(()),
        // Another process enabled it at the same time. DynamoDB refuses to enable it twice.
        Err(_) if ttl_is_on(client, table).await? => Ok(()),
        Err(error) => Err(failed("enable the table's TTL", error)),
    }
}

async fn ttl_is_on(client: &Client, table: &str) -> Result<bool, TableError> {
    let answer = client
        .describe_time_to_live()
        .table_name(table)
        .send()
        .await
        .map_err(|e| failed("describe the table's TTL", e))?;
    let status = answer.time_to_live_description().and_then(|ttl| ttl.time_to_live_status());
    Ok(matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)))
}

fn failed<E, R>(what: &'static str, error: SdkError<E, R>) -> TableError
where
    E: StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    TableError::Failed(what, DisplayErrorContext(error).to_string())
}
