//! Where the messages are stored.

use std::path::PathBuf;

use clap::Args;

use super::values::checked;

/// The store of `gripchat serve`. The settings of the other store are checked as well.
#[derive(Args, Clone, Debug)]
pub struct Store {
    /// Where messages are stored: dynamodb or embedded
    #[arg(
        long = "store",
        env = "STORE",
        default_value = "dynamodb",
        value_name = "STORE",
        value_parser = checked(kind)
    )]
    pub kind: StoreKind,

    #[command(flatten)]
    pub(crate) folder: DataFolder,

    #[command(flatten)]
    pub(crate) table: Table,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A DynamoDB table.
    DynamoDb,
    /// A file in a folder of this machine.
    Embedded,
}

/// The folder of the embedded store.
#[derive(Args, Clone, Debug)]
pub struct DataFolder {
    /// Folder that holds the messages of the embedded store
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "FOLDER", value_parser = checked(folder))]
    pub data: PathBuf,
}

/// The DynamoDB table.
#[derive(Args, Clone, Debug)]
pub struct Table {
    /// DynamoDB table that holds the messages
    #[arg(
        long = "dynamodb-table",
        env = "DYNAMODB_TABLE",
        default_value = "gripchat",
        value_name = "NAME",
        value_parser = checked(table_name)
    )]
    pub name: String,
}

fn kind(text: &str) -> Result<StoreKind, &'static str> {
    match text {
        "dynamodb" => Ok(StoreKind::DynamoDb),
        "embedded" => Ok(StoreKind::Embedded),
        _ => Err("must be dynamodb or embedded"),
    }
}

/// Whether the folder can be used is for the store to find out.
fn folder(path: &str) -> Result<PathBuf, &'static str> {
    if path.is_empty() { Err("must name a folder, such as ./data") } else { Ok(path.into()) }
}

/// The names that DynamoDB allows.
fn table_name(name: &str) -> Result<String, &'static str> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if (3..=255).contains(&name.len()) && name.bytes().all(valid) {
        Ok(name.to_owned())
    } else {
        Err("must be 3 to 255 letters, digits, \"_\", \".\" and \"-\"")
    }
}
