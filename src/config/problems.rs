//! Everything that is wrong with a configuration, reported together.

use std::fmt;

/// Everything that is wrong with a configuration. It never shows a value that may be a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    variable: String,
    remedy: String,
}

impl Problems {
    /// Adds a problem with a variable, and what to do about it.
    pub fn add(&mut self, variable: impl Into<String>, remedy: impl fmt::Display) {
        self.0.push(Problem { variable: variable.into(), remedy: remedy.to_string() });
    }

    /// Returns whether there is a problem with a variable.
    pub fn contain(&self, variable: &str) -> bool {
        self.0.iter().any(|problem| problem.variable == variable)
    }

    /// Returns the value, or adds the error as a problem with the variable.
    pub(super) fn check<T, E: fmt::Display>(&mut self, variable: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(variable, error)).ok()
    }

    /// Returns the value if there is no problem.
    ///
    /// # Errors
    /// The problems, if there is any.
    ///
    /// # Panics
    /// If there is neither a value nor a problem: a check that returns `None` adds a problem first.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value.expect("a value that is missing is a problem")) } else { Err(self) }
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
