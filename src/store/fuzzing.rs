//! Gives the fuzz targets in `fuzz/` access to the encodings of messages. Compiled only for tests and with `--cfg fuzzing`,
//! which `cargo fuzz` sets.

#[cfg(feature = "dynamodb")]
pub use super::dynamodb::fuzzing as dynamodb;
pub use super::embedded::fuzzing as embedded;
