//! `Time` and `MicroTime`: from what clients send to the one way they are written, and to protobuf's numbers.

use jiff::Timestamp;
use jiff::tz::Offset;

/// Go's layout of `Time`, as its errors print it.
const SECONDS_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
/// Go's layout of `MicroTime`.
const MICROS_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";
/// Seconds of 0001-01-01T00:00:00Z, Go's zero time.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// A `Time` in its canonical form; `None` for Go's zero time.
pub fn canonical_time(text: &str) -> Result<Option<String>, String> {
    let time = parse(text).ok_or_else(|| cannot_parse(text, SECONDS_LAYOUT))?;
    Ok((time.as_second() != ZERO_SECONDS).then(|| write_seconds(time)))
}

/// A `MicroTime` in its canonical form; `None` for Go's zero time. As upstream it must be sent with six decimals.
pub fn canonical_micro_time(text: &str) -> Result<Option<String>, String> {
    let decimals = text.get(20..26).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let six =
        text.as_bytes().get(19) == Some(&b'.') && decimals && !matches!(text.as_bytes().get(26), Some(b'0'..=b'9'));
    let time = parse(text).filter(|_| six).ok_or_else(|| cannot_parse(text, MICROS_LAYOUT))?;
    Ok((time.as_second() != ZERO_SECONDS).then(|| write_micros(time)))
}

/// Seconds and nanoseconds for protobuf, of a canonical time.
pub fn to_parts(text: &str) -> (i64, i32) {
    let Some(time) = parse(text) else { return (ZERO_SECONDS, 0) };
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

fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    let date =
        digits(0..4) && bytes.get(4) == Some(&b'-') && digits(5..7) && bytes.get(7) == Some(&b'-') && digits(8..10);
    let clock = bytes.get(10) == Some(&b'T')
        && digits(11..13)
        && bytes.get(13) == Some(&b':')
        && digits(14..16)
        && bytes.get(16) == Some(&b':')
        && digits(17..19);
    // Go knows no leap second, no lower-case letters and no zone but `Z` and `+hh:mm`.
    let zone = bytes.last() == Some(&b'Z') || bytes.len() >= 25 && bytes[bytes.len() - 3] == b':';
    if !(date && clock && zone && text.is_ascii()) || &bytes[17..19] == b"60" {
        return None;
    }
    text.parse().ok().filter(|t: &Timestamp| (ZERO_SECONDS..253_402_300_800).contains(&t.as_second()))
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

fn cannot_parse(text: &str, layout: &str) -> String {
    let element = if parse(text).is_some() { ".000000" } else { "2006" };
    let rest = if element == "2006" { text } else { text.get(19..).unwrap_or(text) };
    format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {element:?}")
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
        for bad in ["", "2024", "2024-05-01", "2024-05-01 12:00:00Z", "2024-13-01T00:00:00Z", "2024-05-01T12:00:00"] {
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
