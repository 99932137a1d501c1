//! Points in time as every room uses them: nanoseconds since the Unix epoch, UTC.
//!
//! `std::time::SystemTime` and `Instant` are banned outside `tokio_runtime.rs`; a room gets the time from
//! [`crate::Runtime::now`], so that the same code runs on a virtual clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Seconds since the epoch with their fraction, as JSON protocols of AWS carry a timestamp.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// RFC 3339 in UTC with whole seconds (`2026-11-25T15:42:35Z`), the form of Kubernetes' `Time`.
    pub fn rfc3339(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// RFC 3339 in UTC with six decimals, the form of Kubernetes' `MicroTime`.
    pub fn rfc3339_micros(self) -> String {
        let micros = self.0.rem_euclid(1_000_000_000) / 1_000;
        format!("{}.{micros:06}Z", self.format("%Y-%m-%dT%H:%M:%S"))
    }

    /// RFC 3339 in UTC with three decimals, the form of AWS's XML protocols.
    pub fn rfc3339_millis(self) -> String {
        let millis = self.0.rem_euclid(1_000_000_000) / 1_000_000;
        format!("{}.{millis:03}Z", self.format("%Y-%m-%dT%H:%M:%S"))
    }

    /// The compact form of signatures: `20261125T154235Z`.
    pub fn amz_date(self) -> String {
        self.format("%Y%m%dT%H%M%SZ")
    }

    /// Formats with `strftime` directives, in UTC.
    pub fn format(self, directives: &str) -> String {
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .map(|t| t.strftime(directives).to_string())
            .unwrap_or_else(|_| String::from("invalid-time"))
    }

    /// Parses RFC 3339, with or without a fraction, in any offset. `None` for anything else.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(parsed.as_nanosecond()).ok().map(Self)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, rhs: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, rhs: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_moment() {
        let t = Timestamp::from_nanos(1_795_621_355_123_456_789);
        assert_eq!(t.rfc3339(), "2026-11-25T15:42:35Z");
        assert_eq!(t.rfc3339_micros(), "2026-11-25T15:42:35.123456Z");
        assert_eq!(t.rfc3339_millis(), "2026-11-25T15:42:35.123Z");
        assert_eq!(t.amz_date(), "20261125T154235Z");
        assert_eq!(Timestamp::parse_rfc3339("2026-11-25T16:42:35.123456789+01:00"), Some(t));
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
