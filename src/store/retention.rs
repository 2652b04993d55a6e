//! How long messages live.

use std::{fmt, str::FromStr, time::Duration};

use crate::chat::Timestamp;

/// The shortest retention. A process believes what it saw of a room's newest message for up to a
/// minute; a message that lives an hour cannot vanish in that time, whatever the clocks say.
const SHORTEST: Duration = Duration::from_secs(3600);

/// How long messages live: a duration of at least an hour, or for ever. Written `30d`, `12h`, `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(Option<Duration>);

/// A text that is no retention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a duration of at least 1h, such as 30d or 12h, or 0 to keep messages for ever")]
pub struct RetentionError;

impl Retention {
    /// Messages stay until somebody deletes them.
    pub const FOREVER: Self = Self(None);

    /// When a message of this date expires, if ever.
    pub fn expiry(self, date: Timestamp) -> Option<Timestamp> {
        self.0.map(|duration| date.plus(duration))
    }

    /// Whether a message is gone. `expiry` is what the message was stored with; a retention that was
    /// shortened since holds for it too.
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
            Ok(duration) if duration >= SHORTEST => Ok(Self(Some(duration))),
            _ => Err(RetentionError),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => humantime::format_duration(duration).fmt(f),
            None => f.write_str("for ever"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_hour_is_the_shortest_and_zero_is_for_ever() {
        assert_eq!("0".parse(), Ok(Retention::FOREVER));
        assert_eq!("1h".parse(), Ok(Retention(Some(SHORTEST))));
        assert_eq!("30d".parse(), Ok(Retention(Some(SHORTEST * 24 * 30))));
        for text in ["", "59m", "3599s", "-1h", "1", "0s", "30 days ago", "forever"] {
            assert_eq!(text.parse::<Retention>(), Err(RetentionError), "{text:?}");
        }
    }

    #[test]
    fn a_message_expires_by_the_shorter_of_what_it_was_stored_with_and_what_holds_now() {
        let day = Retention(Some(SHORTEST * 24));
        let date = Timestamp::from_millis(0);
        let hours = |n: u64| Timestamp::from_millis(0).plus(SHORTEST * u32::try_from(n).unwrap());
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
