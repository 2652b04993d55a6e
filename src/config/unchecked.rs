//! A configuration that may have problems.

use super::problems::Problems;

/// Flags of which some may be unusable: these have their defaults, with which nothing must be started.
/// [`finish`](Self::finish) is the only way to use them.
#[must_use]
pub struct Unchecked<T> {
    flags: T,
    problems: Problems,
}

impl<T> Unchecked<T> {
    pub(super) fn new(flags: T, problems: Problems) -> Self {
        Self { flags, problems }
    }

    /// Makes the remaining checks, and returns their result if there is no problem. A check that has no result adds a
    /// problem and returns `None`.
    ///
    /// # Errors
    /// All problems, with the flags and from the checks.
    pub async fn finish<U>(self, checks: impl AsyncFnOnce(T, &mut Problems) -> Option<U>) -> Result<U, Problems> {
        let Self { flags, mut problems } = self;
        let checked = checks(flags, &mut problems).await;
        problems.or(checked)
    }

    /// Like [`finish`](Self::finish), for checks that do not wait.
    #[cfg(any(test, fuzzing))]
    pub fn finish_now<U>(self, checks: impl FnOnce(T, &mut Problems) -> Option<U>) -> Result<U, Problems> {
        let Self { flags, mut problems } = self;
        let checked = checks(flags, &mut problems);
        problems.or(checked)
    }
}
