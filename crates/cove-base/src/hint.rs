//! Errors as a person reads them: what was wrong, and what to do about it.

use std::fmt;

/// A message for the person at the terminal, with the next step. Rooms have error enums of their own; the binary and
/// the region turn them into this once, at the end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hinted {
    /// What was wrong: a fragment without a capital letter or a full stop.
    pub message: String,
    /// What to do, as a full sentence. Empty if there is nothing to do.
    pub hint: String,
}

impl Hinted {
    /// An error with its hint.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Hinted {}
