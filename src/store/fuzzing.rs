//! The doors through which the fuzz targets in `fuzz/` reach how stores write and read a message. Built only with
//! `--cfg fuzzing`, as `cargo fuzz` does.

pub use super::{dynamodb::fuzzing as dynamodb, embedded::fuzzing as embedded};
