//! What a decoding finds wrong, with the paths as upstream prints them.

use std::fmt::Write as _;

use super::limits::{MAX_NODES, MAX_STRICT_ERRORS};

/// One step on the way to a value.
#[derive(Debug)]
pub enum Step {
    /// A struct's member; with the struct's name.
    Member(&'static str, &'static str),
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
    /// The first value of the wrong type. Like upstream, decoding goes on and the first error counts.
    pub error: Option<String>,
    /// Above zero inside types that read themselves without strictness (parts of custom resource schemas).
    pub lenient: usize,
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
                Step::Member(_, name) if text.is_empty() => text.push_str(name),
                Step::Key(name) if text.is_empty() => text.push_str(name),
                Step::Member(_, name) => _ = write!(text, ".{name}"),
                Step::Key(name) => _ = write!(text, ".{name}"),
            }
        }
        text
    }

    /// A value of the wrong JSON type.
    pub fn mismatch(&mut self, got: &str, go_type: &str) {
        if self.error.is_some() {
            return;
        }
        let mut owner = "";
        let mut names: Vec<&str> = Vec::new();
        for step in &self.path {
            if let Step::Member(of, name) = step {
                owner = of;
                names.push(name);
            }
        }
        self.error = Some(if names.is_empty() {
            format!("json: cannot unmarshal {got} into Go value of type {go_type}")
        } else {
            format!("json: cannot unmarshal {got} into Go struct field {owner}.{} of type {go_type}", names.join("."))
        });
    }

    /// An error of a type that reads itself (quantity, time).
    pub fn fail(&mut self, error: String) {
        self.error.get_or_insert(error);
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
