//! What validation of every kind is written with: a place in an object that knows its path, and a collector of errors.
//!
//! Nothing here panics on a wrong type: a member that is absent or has the wrong form reads as its zero value.

use serde_json::Value;

use crate::field_error::{FieldError, FieldErrorKind};

static NULL: Value = Value::Null;

/// A place in an object.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

impl<'a> At<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A value that is printed under a path of upstream's choosing.
    pub(crate) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// A member; absent ones are null. Dots go deeper.
    pub(crate) fn get(&self, members: &str) -> Self {
        let value = members.split('.').try_fold(self.value, |v, member| v.get(member)).unwrap_or(&NULL);
        Self { value, path: self.child(members) }
    }

    /// The path of a member.
    pub(crate) fn child(&self, member: &str) -> String {
        if self.path.is_empty() { member.to_string() } else { format!("{}.{member}", self.path) }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let path = self.path.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(move |(i, value)| At { value, path: format!("{path}[{i}]") })
    }

    /// The items of a member that is a list.
    pub(crate) fn list(&self, member: &str) -> impl Iterator<Item = At<'a>> + use<'a> {
        self.get(member).items()
    }

    /// The entries of a map, with their keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a> {
        let path = self.path.clone();
        let entries = self.value.as_object().into_iter().flatten();
        entries.map(move |(key, value)| (key.as_str(), At { value, path: format!("{path}[{key}]") }))
    }

    /// The text, empty if absent.
    pub(crate) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// A member's text, empty if absent.
    pub(crate) fn text_of(&self, member: &str) -> &'a str {
        self.value.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// A member's number.
    pub(crate) fn number_of(&self, member: &str) -> Option<i64> {
        self.value.get(member).and_then(Value::as_i64)
    }

    /// Whether a member is `true`.
    pub(crate) fn flag_of(&self, member: &str) -> bool {
        self.value.get(member).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The number.
    pub(crate) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Whether it is `true`.
    pub(crate) fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or_default()
    }

    /// Whether it is there at all.
    pub(crate) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// Whether a member is there.
    pub(crate) fn has(&self, member: &str) -> bool {
        self.value.get(member).is_some_and(|v| !v.is_null())
    }

    /// Whether it is absent or the zero value of its form.
    pub(crate) fn is_empty(&self) -> bool {
        is_zero(self.value)
    }

    /// How many items or entries it has.
    pub(crate) fn len(&self) -> usize {
        self.value.as_array().map_or_else(|| self.value.as_object().map_or(0, |m| m.len()), Vec::len)
    }
}

/// Whether a value is what Go calls zero.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Collects field errors.
#[derive(Default)]
pub(crate) struct Errors(pub(crate) Vec<FieldError>);

impl Errors {
    fn push(&mut self, kind: FieldErrorKind, at: &At<'_>, detail: impl Into<String>) {
        let error = FieldError { kind, field: at.path.clone(), value: at.value.to_string(), detail: detail.into() };
        self.0.push(error);
    }

    pub(crate) fn required(&mut self, at: &At<'_>, detail: &str) {
        self.push(FieldErrorKind::Required, at, detail);
    }

    pub(crate) fn invalid(&mut self, at: &At<'_>, detail: impl Into<String>) {
        self.push(FieldErrorKind::Invalid, at, detail);
    }

    pub(crate) fn forbidden(&mut self, at: &At<'_>, detail: impl Into<String>) {
        self.push(FieldErrorKind::Forbidden, at, detail);
    }

    pub(crate) fn duplicate(&mut self, at: &At<'_>) {
        self.push(FieldErrorKind::Duplicate, at, "");
    }

    pub(crate) fn not_found(&mut self, at: &At<'_>) {
        self.push(FieldErrorKind::NotFound, at, "");
    }

    pub(crate) fn too_long(&mut self, at: &At<'_>, bytes: usize) {
        self.push(FieldErrorKind::TooLong, at, format!("may not be more than {bytes} bytes"));
    }

    pub(crate) fn too_many(&mut self, at: &At<'_>, most: usize) {
        let items = if most == 1 { "item" } else { "items" };
        let detail = format!("{}: must have at most {most} {items}", at.len());
        self.push(FieldErrorKind::TooMany, at, detail);
    }

    pub(crate) fn not_supported(&mut self, at: &At<'_>, supported: &[&str]) {
        self.0.push(FieldError::not_supported(&at.path, at.text(), supported));
    }

    /// One `Invalid value` per message of a check.
    pub(crate) fn messages(&mut self, at: &At<'_>, messages: Vec<String>) {
        for message in messages {
            self.invalid(at, message);
        }
    }

    /// As [`Self::messages`] for the key of a map's entry: the key is shown as the value.
    pub(crate) fn key_messages(&mut self, key: &str, at: &At<'_>, messages: Vec<String>) {
        let value = Value::from(key);
        self.messages(&At::new(&value, at.path.clone()), messages);
    }

    /// The check of a text that may be absent.
    pub(crate) fn if_set(&mut self, at: &At<'_>, check: fn(&str) -> Vec<String>) {
        if !at.text().is_empty() {
            self.messages(at, check(at.text()));
        }
    }

    /// `Required value` unless it is there; tells whether it is.
    pub(crate) fn need(&mut self, at: &At<'_>) -> bool {
        if at.is_empty() {
            self.required(at, "");
        }
        !at.is_empty()
    }

    /// A text that must be there and pass a check.
    pub(crate) fn need_valid(&mut self, at: &At<'_>, check: fn(&str) -> Vec<String>) {
        if self.need(at) {
            self.messages(at, check(at.text()));
        }
    }

    /// One of an enumeration; absent passes.
    pub(crate) fn one_of(&mut self, at: &At<'_>, supported: &[&str]) {
        if !at.text().is_empty() && !supported.contains(&at.text()) {
            self.not_supported(at, supported);
        }
    }

    /// One of an enumeration that must be there.
    pub(crate) fn need_one_of(&mut self, at: &At<'_>, supported: &[&str]) {
        if self.need(at) {
            self.one_of(at, supported);
        }
    }

    /// A number that may be absent and is not negative.
    pub(crate) fn non_negative(&mut self, at: &At<'_>) {
        if at.number().is_some_and(|n| n < 0) {
            self.invalid(at, "must be greater than or equal to 0");
        }
    }

    /// A number that must be positive.
    pub(crate) fn positive(&mut self, at: &At<'_>) {
        if at.number().is_none_or(|n| n <= 0) {
            self.invalid(&At::new(&at.number().unwrap_or(0).into(), at.path.clone()), "must be greater than zero");
        }
    }

    /// A number that passes a check, if it is there.
    pub(crate) fn number(&mut self, at: &At<'_>, check: fn(i64) -> Vec<String>) {
        if let Some(number) = at.number() {
            self.messages(at, check(number));
        }
    }

    /// `field is immutable` if two values differ; absent and zero are the same.
    pub(crate) fn immutable(&mut self, new: &At<'_>, old: &At<'_>) {
        if new.value != old.value && !(new.is_empty() && old.is_empty()) {
            self.invalid(new, "field is immutable");
        }
    }
}

/// Remembers what it has seen; for names that must be unique.
#[derive(Default)]
pub(crate) struct Seen<'a>(std::collections::BTreeSet<&'a str>);

impl<'a> Seen<'a> {
    pub(crate) fn with(names: impl Iterator<Item = &'a str>) -> Self {
        Self(names.collect())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Reports a repetition at `at`; tells whether the text was new.
    pub(crate) fn unique(&mut self, at: &At<'a>, errors: &mut Errors) -> bool {
        let new = self.0.insert(at.text());
        if !new {
            errors.duplicate(at);
        }
        new
    }
}
