//! The cells of events, in either of their forms.

use cove_base::time::Timestamp;
use serde_json::Value;

use super::cell::{at, number_at, text_at};
use super::duration::age;

/// The first of two members that is there.
fn either<'a>(event: &'a Value, one: &str, other: &str) -> &'a Value {
    let first = at(event, one);
    if first.is_null() { at(event, other) } else { first }
}

fn text<'a>(event: &'a Value, one: &str, other: &str) -> &'a str {
    either(event, one, other).as_str().filter(|t| !t.is_empty()).unwrap_or_else(|| text_at(event, other))
}

/// When it was first seen.
pub(super) fn first_seen(event: &Value, now: Timestamp) -> Value {
    let first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
    age(if first.is_null() { at(event, "eventTime") } else { first }, now).into()
}

/// When it was last seen.
pub(super) fn last_seen(event: &Value, now: Timestamp) -> Value {
    let series = at(event, "series.lastObservedTime");
    let last = either(event, "lastTimestamp", "deprecatedLastTimestamp");
    match (series, last) {
        (Value::Null, Value::Null) => first_seen(event, now),
        (Value::Null, last) => age(last, now).into(),
        (series, _) => age(series, now).into(),
    }
}

/// `pod/web`.
pub(super) fn object(event: &Value, _now: Timestamp) -> Value {
    let about = either(event, "involvedObject", "regarding");
    let (kind, name) = (text_at(about, "kind").to_lowercase(), text_at(about, "name"));
    if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
}

/// The part of the object.
pub(super) fn part(event: &Value, _now: Timestamp) -> Value {
    text_at(either(event, "involvedObject", "regarding"), "fieldPath").into()
}

/// Who saw it.
pub(super) fn source(event: &Value, _now: Timestamp) -> Value {
    let source = either(event, "source", "deprecatedSource");
    let first = |a: &'static str, b: &'static str| text(event, a, b).to_string();
    let component = Some(text_at(source, "component").to_string()).filter(|c| !c.is_empty());
    let component = component.unwrap_or_else(|| first("reportingComponent", "reportingController"));
    let host =
        Some(text_at(source, "host")).filter(|h| !h.is_empty()).unwrap_or_else(|| text_at(event, "reportingInstance"));
    if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
}

/// What happened.
pub(super) fn message(event: &Value, _now: Timestamp) -> Value {
    text(event, "message", "note").trim().into()
}

/// How often.
pub(super) fn times(event: &Value, _now: Timestamp) -> Value {
    let series = number_at(event, "series.count");
    let own = either(event, "count", "deprecatedCount").as_i64().unwrap_or_default();
    let count = if at(event, "series").is_object() { series } else { own };
    count.max(1).to_string().into()
}
