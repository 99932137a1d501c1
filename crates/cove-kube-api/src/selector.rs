//! Label and field selectors: parsing with upstream's grammar and wording (k8s.io/apimachinery v0.35 pkg/labels and
//! pkg/fields), and matching against stored objects.

use serde_json::Value;

use crate::kinds::Kind;
use crate::names;
use crate::status::Status;

mod field;
mod label;

pub use field::FieldSelector;
pub use label::{LabelSelector, Operator, Requirement};

/// A member of an object by its dotted path.
fn lookup<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |v, member| v.get(member))
}

fn bad(message: impl std::fmt::Display) -> Status {
    Status::bad_request(message.to_string())
}

/// One error alone, several in brackets: how upstream prints lists of errors.
fn aggregate(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
