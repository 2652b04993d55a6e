//! How long messages are kept.

use std::{fmt, str::FromStr, time::Duration};

use crate::chat::Timestamp;

/// The shortest retention. A process relies on what it last saw of a room's newest message for up to a minute. A message
/// that is kept for an hour cannot expire in that time, even if clocks differ.
const MIN_RETENTION: Duration = Duration::from_secs(3600);

/// How long messages are kept: a duration of at least an hour, such as `30d` or `12h`; or forever, written `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(Option<Duration>);

/// The text is not a retention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a duration of at least 1h, such as 30d or 12h, or 0 to keep messages forever")]
pub struct RetentionError;

impl Retention {
    /// Messages never expire.
    pub const FOREVER: Self = Self(None);

    /// When a message with this date expires; `None` if never.
    pub fn expiry(self, date: Timestamp) -> Option<Timestamp> {
        self.0.map(|duration| date.plus(duration))
    }

    /// Whether a message has expired. `expiry` is the expiry that the message was stored with. A retention that has been
    /// shortened since then applies too.
    pub fn has_expired(self, date: Timestamp, expiry: Option<Timestamp>, now: Timestamp) -> bool {
        [expiry, self.expiry(date)].into_iter().flatten().any(|expiry| expiry <= now)
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        if text == "0" {
            return Ok(Self::FOREVER);
        }
        match humantime::parse_duration(text) {
            Ok(duration) if duration >= MIN_RETENTION => Ok(Self(Some(duration))),
            _ => Err(RetentionError),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => humantime::format_duration(duration).fmt(f),
            None => f.write_str("forever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_the_shortest_retention_and_zero_means_forever() {
        assert_eq!("0".parse(), Ok(Retention::FOREVER));
        assert_eq!("1h".parse(), Ok(Retention(Some(MIN_RETENTION))));
        assert_eq!("30d".parse(), Ok(Retention(Some(MIN_RETENTION * 24 * 30))));
        for text in ["", "59m", "3599s", "-1h", "1", "0s", "30 days ago", "forever"] {
            assert_eq!(text.parse::<Retention>(), Err(RetentionError), "{text:?}");
        }
    }

    #[test]
    fn a_message_expires_at_the_earlier_of_its_stored_expiry_and_the_current_retention() {
        let day = Retention(Some(MIN_RETENTION * 24));
        let date = Timestamp::from_millis(0);
        let hours = |n: u64| Timestamp::from_millis(0).plus(MIN_RETENTION * u32::try_from(n).unwrap());
        assert!(!Retention::FOREVER.has_expired(date, None, hours(1_000)));
        assert!(Retention::FOREVER.has_expired(date, Some(hours(1)), hours(1)));
        assert!(day.has_expired(date, None, hours(24)));
        assert!(!day.has_expired(date, Some(hours(48)), hours(23)));
        assert!(day.has_expired(date, Some(hours(48)), hours(24)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), millis in any::<i64>()) {
            let _ = text.parse::<Retention>().map(|r| r.expiry(Timestamp::from_millis(millis)));
        }
    }
}
