//! Where the messages are.

use std::path::PathBuf;

use clap::Args;

use super::Problems;

/// The table, as text.
#[derive(Args, Clone, Debug)]
pub struct TableArgs {
    /// DynamoDB table that holds the messages
    #[arg(long, env = "DYNAMODB_TABLE", default_value = "gripchat", value_name = "NAME")]
    pub dynamodb_table: String,
}

/// The folder of the embedded store, as text.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// Folder that holds the messages of the embedded store
    #[arg(long, env = "DATA_DIR", default_value = "./data", value_name = "FOLDER")]
    pub data: String,
}

/// Which store, as text.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// Where messages are kept: dynamodb or embedded
    #[arg(long, env = "STORE", default_value = "dynamodb", value_name = "STORE")]
    pub store: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub data: DataArgs,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become a heading in --help")]
    pub table: TableArgs,
}

/// Where the messages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In the table of this name.
    DynamoDb(String),
    /// In a file in this folder.
    Embedded(PathBuf),
}

impl TableArgs {
    /// Checks them; gives the table's name.
    pub fn parse(&self, problems: &mut Problems) -> Option<String> {
        let name = &self.dynamodb_table;
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if (3..=255).contains(&name.len()) && name.bytes().all(valid) {
            return Some(name.clone());
        }
        problems.add("DYNAMODB_TABLE", "must be 3 to 255 letters, digits, \"_\", \".\" and \"-\"");
        None
    }
}

impl DataArgs {
    /// Checks them; whether the folder can be used is for the store to find out.
    pub fn parse(&self, problems: &mut Problems) -> Option<PathBuf> {
        let folder = if self.data.is_empty() { Err("must name a folder, such as ./data") } else { Ok(&self.data) };
        problems.check("DATA_DIR", folder).map(PathBuf::from)
    }
}

impl StoreArgs {
    /// Checks them all, those of the other store too.
    pub fn parse(&self, problems: &mut Problems) -> Option<Store> {
        let table = self.table.parse(problems).map(Store::DynamoDb);
        let folder = self.data.parse(problems).map(Store::Embedded);
        match self.store.as_str() {
            "dynamodb" => table,
            "embedded" => folder,
            _ => {
                problems.add("STORE", "must be dynamodb or embedded");
                None
            }
        }
    }
}
