//! The dates of messages.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Serialize, Serializer};

/// A time in UTC with millisecond precision, formatted as in RFC 3339: `2026-01-02T03:04:05.678Z`.
///
/// The precision is part of the type, so that a message has exactly the same date in the provisional event, the final
/// event, JSON, the page and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

/// The error for a text that is not an RFC 3339 date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date")]
pub struct TimestampError;

impl Timestamp {
    /// Returns the time of the system's clock.
    pub fn now() -> Self {
        Self::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    /// Converts milliseconds since the Unix epoch. Outside the years of RFC 3339, the nearest time in them is returned.
    pub fn from_millis(millis: i64) -> Self {
        let nearest = if millis < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(nearest))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Returns the seconds since the Unix epoch, rounded down.
    pub fn as_secs(self) -> i64 {
        self.as_millis().div_euclid(1000)
    }

    /// Returns the time after a duration, limited to the greatest timestamp.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis))
    }

    /// Returns hours and minutes in UTC, which a page shows until a script converts them to the reader's time zone.
    pub fn clock(self) -> String {
        self.to_string()[11..16].to_owned()
    }

    /// Returns the day in UTC, in the form `Friday, 2 January 2026`.
    pub fn day(self) -> String {
        self.0.strftime("%A, %-d %B %Y").to_string()
    }

    /// Returns the day in UTC, in the form `2 Jan 2026`.
    pub fn short_day(self) -> String {
        self.0.strftime("%-d %b %Y").to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self::from_millis(timestamp.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn milliseconds_always_have_three_digits() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_767_323_045_670).to_string(), "2026-01-02T03:04:05.670Z");
    }

    #[test]
    fn the_clock_has_hours_and_minutes() {
        assert_eq!(Timestamp::from_millis(1_767_323_045_670).clock(), "03:04");
    }

    #[test]
    fn the_day_has_the_name_of_the_month() {
        let timestamp = Timestamp::from_millis(1_767_323_045_670);
        assert_eq!(
            (timestamp.day().as_str(), timestamp.short_day().as_str()),
            ("Friday, 2 January 2026", "2 Jan 2026")
        );
    }

    proptest! {
        #[test]
        fn a_formatted_timestamp_parses_to_itself(millis in 0_i64..253_402_300_799_999) {
            let timestamp = Timestamp::from_millis(millis);
            prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
        }

        #[test]
        fn any_number_of_milliseconds_can_be_formatted(millis in any::<i64>()) {
            let _ = Timestamp::from_millis(millis).plus(Duration::MAX).clock();
            let _ = Timestamp::from_millis(millis).day();
        }
    }
}
