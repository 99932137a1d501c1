//! Durations as kubectl prints them.

use cove_base::time::Timestamp;
use serde_json::Value;

/// `5m12s`, `3d4h`: two units at most, the finer one only where it matters.
pub fn human_duration(seconds: i64) -> String {
    let two = |big: i64, unit: char, rest: i64, small: char| match rest {
        0 => format!("{big}{unit}"),
        rest => format!("{big}{unit}{rest}{small}"),
    };
    let (minutes, hours, days, years) = (seconds / 60, seconds / 3600, seconds / 86400, seconds / 31_536_000);
    match seconds {
        ..-1 => "<invalid>".into(),
        -1..0 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(years, 'y', days % 365, 'd'),
        _ => format!("{years}y"),
    }
}

/// The time of a value, if it is one.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse_rfc3339)
}

/// How long ago a time was; `<unknown>` if there is none.
pub(super) fn age(value: &Value, now: Timestamp) -> String {
    time(value).map_or_else(|| "<unknown>".into(), |then| human_duration(between(then, now)))
}

/// Seconds from one time to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_secs() - from.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (312, "5m12s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (273_600, "3d4h"),
            (691_200, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (64_000_000, "2y10d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }
}
