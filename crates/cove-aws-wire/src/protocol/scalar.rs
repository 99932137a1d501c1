//! Scalars in text: forms, query strings, path labels and XML share them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cove_base::Timestamp;
use serde_json::{Number, Value};

use crate::model::{Kind, Protocol};

/// Reads a scalar from text. `None` if the text is no such value.
pub fn read(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::String => Some(text.into()),
        Kind::Integer => text.parse::<i32>().ok().map(Value::from),
        Kind::Long => text.parse::<i64>().ok().map(Value::from),
        Kind::Double => text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        Kind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        Kind::Timestamp => timestamp(text),
        Kind::Blob => STANDARD.decode(text).is_ok().then(|| text.into()),
        Kind::Structure(_) | Kind::List(_) | Kind::Map(..) => None,
    }
}

fn timestamp(text: &str) -> Option<Value> {
    let moment = Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")));
    let secs = moment.map(Timestamp::as_secs_f64).or_else(|| text.parse().ok())?;
    Number::from_f64(secs).map(Value::Number)
}

/// Writes a scalar as text.
pub fn write(kind: &Kind, value: &Value, protocol: Protocol, service: &str) -> String {
    match (kind, value) {
        (Kind::Timestamp, Value::Number(secs)) => moment(secs, protocol, service),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// EC2 and Auto Scaling print milliseconds, IAM and STS whole seconds.
fn moment(secs: &Number, protocol: Protocol, service: &str) -> String {
    let moment = Timestamp::from_nanos((secs.as_f64().unwrap_or_default() * 1e9) as i64);
    if protocol == Protocol::Ec2 || service == "autoscaling" { moment.rfc3339_millis() } else { moment.rfc3339() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_strictly() {
        assert_eq!(read(&Kind::Integer, "7"), Some(7.into()));
        assert_eq!(read(&Kind::Integer, "9999999999"), None);
        assert_eq!(read(&Kind::Boolean, "True"), Some(true.into()));
        assert_eq!(read(&Kind::Boolean, "yes"), None);
        assert_eq!(read(&Kind::Timestamp, "1970-01-02T00:00:00Z"), Some(86_400.0.into()));
        assert_eq!(read(&Kind::Timestamp, "1970-01-02"), Some(86_400.0.into()));
        assert_eq!(read(&Kind::Double, "NaN"), None);
        assert_eq!(read(&Kind::Blob, "***"), None);
        assert_eq!(write(&Kind::Timestamp, &1_795_621_355.5.into(), Protocol::Ec2, "ec2"), "2026-11-25T15:42:35.500Z");
        assert_eq!(write(&Kind::Timestamp, &1_795_621_355.into(), Protocol::Query, "iam"), "2026-11-25T15:42:35Z");
    }
}
