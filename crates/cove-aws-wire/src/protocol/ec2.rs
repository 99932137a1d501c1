//! EC2's dialect of the query protocol: capitalised names, lists without a wrapper, unknown parameters refused.

use serde_json::Value;

use crate::fault::Fault;
use crate::model::{Kind, Model, OperationModel, Reference};
use crate::protocol::form::Node;
use crate::protocol::query::{Dialect, read_input};

/// The dialect.
pub const EC2: Dialect = Dialect { member_name, flat_lists: true, bad_scalar };

fn member_name(_: &Model, reference: &Reference, name: &str) -> String {
    match (&reference.query_name, &reference.location_name) {
        (Some(query_name), _) => query_name.clone(),
        (None, Some(location_name)) => capitalised(location_name),
        (None, None) => name.into(),
    }
}

fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_uppercase().to_string() + characters.as_str()).unwrap_or_default()
}

fn bad_scalar(path: &str, text: &str, kind: &Kind) -> Fault {
    let expected = match kind {
        Kind::Boolean => "Expected: 'true' or 'false'.",
        Kind::Timestamp => "Expected a timestamp in the format YYYY-MM-DDTHH:MM:SSZ.",
        Kind::Blob => "Expected base64-encoded data.",
        _ => "Expected a number.",
    };
    Fault::client("InvalidParameterValue", format!("Value ({text}) for parameter {path} is invalid. {expected}"))
}

/// Reads an input; what the model does not know is refused by name.
pub fn read(model: &Model, operation: &OperationModel, mut form: Node) -> Result<Value, Fault> {
    let input = read_input(&EC2, model, operation.input, &mut form)?;
    match form.leftover() {
        Some(name) => Err(Fault::client("UnknownParameter", format!("The parameter {name} is not recognized"))),
        None => Ok(input),
    }
}
