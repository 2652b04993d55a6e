//! The optional parts of the program, and whether this binary has them.
//!
//! A binary without a feature still accepts the flags and variables of that feature, and answers with an error that
//! says how to build one that has it.

/// An optional part of the program: a feature in Cargo.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    name: &'static str,
    built_in: bool,
}

/// The store over a DynamoDB table, and `gripchat create-table`.
pub const DYNAMODB: Feature = Feature { name: "dynamodb", built_in: cfg!(feature = "dynamodb") };
/// HTTPS to the control ports of GRIP proxies.
pub const TLS: Feature = Feature { name: "tls", built_in: cfg!(feature = "tls") };
/// Points at which tests kill the process: see [`crate::failpoint`].
pub const FAILPOINTS: Feature = Feature { name: "failpoints", built_in: cfg!(feature = "failpoints") };

/// This binary was built without a feature that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this binary was built without the feature {0}; build one that has it with: cargo build --release --features {0}"
)]
pub struct MissingFeature(&'static str);

impl Feature {
    /// Whether this binary has the feature.
    pub fn is_built_in(self) -> bool {
        self.built_in
    }

    /// The error for something that needs the feature in a binary without it.
    pub fn missing(self) -> MissingFeature {
        MissingFeature(self.name)
    }
}

/// Returns one line that lists the features of this binary, and those it was built without.
///
/// `failpoints` is listed only if it is built in: a binary without it lacks nothing.
pub fn summary() -> String {
    let names = |built_in: bool| {
        let listed = [DYNAMODB, TLS, FAILPOINTS].into_iter().filter(|feature| feature.built_in == built_in);
        let names: Vec<&str> = listed.filter(|feature| built_in || *feature != FAILPOINTS).map(|f| f.name).collect();
        names.join(", ")
    };
    let (with, without) = (names(true), names(false));
    let with = if with.is_empty() { "none" } else { &with };
    if without.is_empty() { format!("features: {with}") } else { format!("features: {with}; built without: {without}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_either_listed_or_missed() {
        let summary = summary();
        for feature in [DYNAMODB, TLS] {
            let (with, without) = summary.split_once("; built without: ").unwrap_or((&summary, ""));
            assert_eq!(with.contains(feature.name), feature.built_in, "{summary}");
            assert_eq!(without.contains(feature.name), !feature.built_in, "{summary}");
        }
    }

    #[test]
    fn a_missing_feature_is_named_with_the_command_that_builds_it() {
        assert!(DYNAMODB.missing().to_string().ends_with("cargo build --release --features dynamodb"));
        assert!(TLS.missing().to_string().ends_with("cargo build --release --features tls"));
    }
}
