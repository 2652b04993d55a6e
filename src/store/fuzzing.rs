//! The doors through which the fuzz targets in `fuzz/` reach how stores write and read a message. Built only with
//! `--cfg fuzzing`, as `cargo fuzz` does.

#[cfg(feature = "dynamodb")]
pub use super::dynamodb::fuzzing as dynamodb;
pub use super::embedded::fuzzing as embedded;
