//! What a decoding finds wrong, with the paths as upstream prints them.

use std::fmt::Write as _;

use super::limits::{MAX_NODES, MAX_STRICT_ERRORS};
use crate::schema::Field;

/// One step on the way to a value.
#[derive(Debug)]
pub enum Step {
    /// A struct's member; with the struct's name.
    Member(&'static str, &'static Field),
    /// A map's key, or a member of an untyped object.
    Key(String),
    /// An index.
    Index(usize),
}

/// The findings of one decoding.
#[derive(Debug, Default)]
pub struct Report {
    /// The way to the value at hand.
    pub path: Vec<Step>,
    /// `unknown field "x"`, `duplicate field "x"`.
    pub strict: Vec<String>,
    /// What is wrong. Like upstream, decoding goes on after a value of the wrong type, and the first one counts.
    pub error: Option<String>,
    /// Above zero inside types that read themselves without strictness (parts of custom resource schemas).
    pub lenient: usize,
    is_over: bool,
    nodes: usize,
}

impl Report {
    /// Counts what a value expands to; false when it is too much.
    pub fn spend(&mut self, nodes: usize) -> bool {
        self.nodes += nodes;
        self.nodes <= MAX_NODES
    }

    /// A member that the type does not have.
    pub fn unknown(&mut self, member: &str) {
        self.finding("unknown", member);
    }

    /// A member that came twice.
    pub fn duplicate(&mut self, member: &str) {
        self.finding("duplicate", member);
    }

    fn finding(&mut self, what: &str, member: &str) {
        if self.lenient > 0 || self.strict.len() >= MAX_STRICT_ERRORS {
            return;
        }
        let path = self.strict_path();
        let dot = if path.is_empty() { "" } else { "." };
        let text = format!("{what} field {}", quote(&format!("{path}{dot}{member}")));
        if !self.strict.contains(&text) {
            self.strict.push(text);
        }
    }

    /// With indexes and map keys: `spec.containers[0]`.
    fn strict_path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Index(i) => _ = write!(text, "[{i}]"),
                Step::Member(_, field) if text.is_empty() => text.push_str(field.json),
                Step::Key(name) if text.is_empty() => text.push_str(name),
                Step::Member(_, field) => _ = write!(text, ".{}", field.json),
                Step::Key(name) => _ = write!(text, ".{name}"),
            }
        }
        text
    }

    /// A value of the wrong JSON type.
    pub fn mismatch(&mut self, got: &str, go_type: &str) {
        if self.error.is_none() {
            self.error = Some(self.mismatch_text(got, go_type));
        }
    }

    /// A value of the wrong JSON type for a type that reads itself.
    pub fn fatal_mismatch(&mut self, got: &str, go_type: &str) {
        self.fatal(self.mismatch_text(got, go_type));
    }

    /// An error that does not end decoding.
    pub fn fail(&mut self, error: String) {
        self.error.get_or_insert(error);
    }

    /// An error of a type that reads itself (quantity, time). Upstream's decoder stops at it and forgets earlier ones.
    pub fn fatal(&mut self, error: String) {
        if !self.is_over {
            self.error = Some(error);
            self.is_over = true;
        }
    }

    fn mismatch_text(&self, got: &str, go_type: &str) -> String {
        let mut owner = "";
        let mut names: Vec<&str> = Vec::new();
        for step in &self.path {
            if let Step::Member(of, field) = step {
                owner = of;
                names.extend(Some(field.embedded).filter(|name| !name.is_empty()));
                names.push(field.json);
            }
        }
        if names.is_empty() {
            return format!("json: cannot unmarshal {got} into Go value of type {go_type}");
        }
        format!("json: cannot unmarshal {got} into Go struct field {owner}.{} of type {go_type}", names.join("."))
    }
}

/// As Go's `%q` prints text that people write: quotes and backslashes escaped.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => _ = write!(out, "\\x{:02x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
