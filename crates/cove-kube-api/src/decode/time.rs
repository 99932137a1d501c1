//! `Time` and `MicroTime`: from what clients send to the one way they are written, and to protobuf's numbers.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::report::quote;

/// Go's layout of `Time`, as its errors print it.
const SECONDS_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
/// Go's layout of `MicroTime`.
const MICROS_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";
/// Seconds of 0001-01-01T00:00:00Z, Go's zero time.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// A `Time` in its canonical form; `None` for Go's zero time.
pub fn canonical_time(text: &str) -> Result<Option<String>, String> {
    let time = parse(text, SECONDS_LAYOUT)?;
    Ok((time.as_second() != ZERO_SECONDS).then(|| write_seconds(time)))
}

/// A `MicroTime` in its canonical form; `None` for Go's zero time. As upstream it must be sent with six decimals.
pub fn canonical_micro_time(text: &str) -> Result<Option<String>, String> {
    let time = parse(text, MICROS_LAYOUT)?;
    Ok((time.as_second() != ZERO_SECONDS).then(|| write_micros(time)))
}

/// Seconds and nanoseconds for protobuf, of a canonical time.
pub fn to_parts(text: &str) -> (i64, i32) {
    let Ok(time) = parse(text, SECONDS_LAYOUT) else { return (ZERO_SECONDS, 0) };
    let nanos = time.as_nanosecond().rem_euclid(1_000_000_000);
    (time.as_nanosecond().div_euclid(1_000_000_000) as i64, nanos as i32)
}

/// From protobuf, without decimals; `None` if it is Go's zero time or no time.
pub fn time_from_parts(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().filter(|_| in_range(seconds)).map(write_seconds)
}

/// From protobuf, with decimals; `None` if it is Go's zero time or no time.
pub fn micro_time_from_parts(seconds: i64, nanos: i32) -> Option<String> {
    let whole = nanos.clamp(0, 999_999_999) / 1000 * 1000;
    Timestamp::new(seconds, whole).ok().filter(|_| in_range(seconds)).map(write_micros)
}

/// After Go's zero time and before the year 10000, which RFC 3339 cannot write.
fn in_range(seconds: i64) -> bool {
    seconds != ZERO_SECONDS && (ZERO_SECONDS..253_402_300_800).contains(&seconds)
}

/// Reads a time as Go's `time.Parse` does, element by element, with its errors.
fn parse(text: &str, layout: &'static str) -> Result<Timestamp, String> {
    let mut cursor = Cursor { text, rest: text, layout };
    let year = cursor.number("2006", 4..=4)?;
    cursor.literal("-")?;
    let month = cursor.within("01", 2..=2, 1..=12, "month")?;
    cursor.literal("-")?;
    let day = cursor.number("02", 2..=2)?;
    cursor.literal("T")?;
    let hour = cursor.within("15", 1..=2, 0..=23, "hour")?;
    cursor.literal(":")?;
    let minute = cursor.within("04", 2..=2, 0..=59, "minute")?;
    cursor.literal(":")?;
    let second = cursor.within("05", 2..=2, 0..=59, "second")?;
    let nanos = cursor.fraction()?;
    let offset = cursor.zone()?;
    if !cursor.rest.is_empty() {
        return Err(cursor.error_because(&format!(": extra text: {}", quote(cursor.rest))));
    }
    let civil = DateTime::new(year as i16, month as i8, day as i8, hour as i8, minute as i8, second as i8, 0);
    let Ok(civil) = civil else { return Err(cursor.error_because(": day out of range")) };
    // The year 0 is before Go's zero time, which nothing means; clamped rather than refused, since Go reads it.
    let seconds = Offset::UTC.to_timestamp(civil).map_or(ZERO_SECONDS, Timestamp::as_second) - offset;
    let whole = Timestamp::new(seconds.max(ZERO_SECONDS), nanos);
    whole.map_err(|_| cursor.error_because(": year out of range"))
}

/// The place in a text that is being read.
struct Cursor<'t> {
    text: &'t str,
    rest: &'t str,
    layout: &'static str,
}

impl<'t> Cursor<'t> {
    fn error(&self, rest: &str, element: &str) -> String {
        let (text, layout) = (quote(self.text), quote(self.layout));
        format!("parsing time {text} as {layout}: cannot parse {} as {}", quote(rest), quote(element))
    }

    fn error_because(&self, why: &str) -> String {
        format!("parsing time {}{why}", quote(self.text))
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.error(self.rest, literal))?;
        Ok(())
    }

    /// A number of so many digits.
    fn number(&mut self, element: &str, digits: RangeInclusive<usize>) -> Result<i64, String> {
        let found = self.rest.bytes().take(*digits.end()).take_while(u8::is_ascii_digit).count();
        if found < *digits.start() {
            return Err(self.error(self.rest, element));
        }
        let (number, rest) = self.rest.split_at(found);
        self.rest = rest;
        Ok(number.parse().unwrap_or_default())
    }

    fn within(
        &mut self,
        element: &str,
        digits: RangeInclusive<usize>,
        bounds: RangeInclusive<i64>,
        name: &str,
    ) -> Result<i64, String> {
        let number = self.number(element, digits)?;
        if bounds.contains(&number) { Ok(number) } else { Err(self.error_because(&format!(": {name} out of range"))) }
    }

    /// Nanoseconds. Six decimals where the layout has them; else any number of them, or none.
    fn fraction(&mut self) -> Result<i32, String> {
        let wanted = self.layout == MICROS_LAYOUT;
        let digits = match self.rest.strip_prefix(['.', ',']) {
            Some(decimals) => decimals.bytes().take_while(u8::is_ascii_digit).count(),
            None => 0,
        };
        if wanted && digits < 6 {
            return Err(self.error(self.rest, ".000000"));
        }
        if digits == 0 {
            return Ok(0);
        }
        let digits = if wanted { 6 } else { digits };
        let (decimals, rest) = self.rest[1..].split_at(digits);
        self.rest = rest;
        let kept = &decimals[..digits.min(9)];
        Ok(kept.parse::<i32>().unwrap_or_default() * 10_i32.pow(9 - kept.len() as u32))
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, String> {
        let element = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let hold = self.rest;
        let bytes = hold.as_bytes();
        let digit = |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0'));
        let number = |at: usize| Some(digit(at)? * 10 + digit(at + 1)?);
        let sign = match bytes.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.error(hold, element)),
        };
        match (number(1), bytes.get(3), number(4)) {
            (Some(hours), Some(b':'), Some(minutes)) => {
                self.rest = &hold[6..];
                if hours > 24 {
                    return Err(self.error_because(": time zone offset hour out of range"));
                }
                if minutes > 59 {
                    return Err(self.error_because(": time zone offset minute out of range"));
                }
                Ok(sign * (hours * 3600 + minutes * 60))
            }
            _ => Err(self.error(hold, element)),
        }
    }
}

fn write_seconds(time: Timestamp) -> String {
    let t = Offset::UTC.to_datetime(time);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second())
}

fn write_micros(time: Timestamp) -> String {
    let mut text = write_seconds(time);
    text.pop();
    text + &format!(".{:06}Z", time.as_nanosecond().rem_euclid(1_000_000_000) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_whole_seconds() {
        let time = |text| canonical_time(text).expect("a time");
        assert_eq!(time("2024-05-01T12:00:00+02:00").as_deref(), Some("2024-05-01T10:00:00Z"));
        assert_eq!(time("2024-05-01T12:00:00.999Z").as_deref(), Some("2024-05-01T12:00:00Z"));
        assert_eq!(time("0001-01-01T00:00:00Z"), None);
        for bad in [
            "",
            "2024",
            "2024-05-01",
            "2024-05-01 12:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-05-01T12:00:00",
            "2023-02-29T00:00:00Z",
        ] {
            assert!(canonical_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn micro_times_have_six_decimals() {
        let time = canonical_micro_time("2024-05-01T12:00:00.000001Z").expect("a time");
        assert_eq!(time.as_deref(), Some("2024-05-01T12:00:00.000001Z"));
        let error = canonical_micro_time("2020-01-01T00:00:00Z").expect_err("no decimals");
        let wanted = r#"parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#;
        assert_eq!(error, wanted);
    }
}
