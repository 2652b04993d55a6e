//! Everything that is wrong with a configuration, to be told at once.

use std::fmt;

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    variable: &'static str,
    remedy: String,
}

impl Problems {
    /// Notes a problem with a variable, and says what to do.
    pub fn add(&mut self, variable: &'static str, remedy: impl fmt::Display) {
        self.0.push(Problem { variable, remedy: remedy.to_string() });
    }

    /// The value, or a note of what is wrong with it.
    pub(super) fn check<T, E: fmt::Display>(&mut self, variable: &'static str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(variable, error)).ok()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for Problem { variable, remedy } in &self.0 {
            write!(f, "\n  {variable}: {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
