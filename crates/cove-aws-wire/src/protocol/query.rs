//! The query protocol: forms in. EC2's dialect differs in names only and shares the walk.

use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::model::{Kind, Model, Reference, ShapeId};
use crate::protocol::form::Node;
use crate::protocol::scalar;

/// Where the two dialects differ.
pub struct Dialect {
    /// The name of a structure's member on the wire.
    pub member_name: fn(&Model, &Reference, &str) -> String,
    /// Whether list items stand directly under the list's name.
    pub flat_lists: bool,
    /// The fault of text that is no value of its type.
    pub bad_scalar: fn(path: &str, text: &str, kind: &Kind) -> Fault,
}

/// The dialect of IAM, STS and most others.
pub const QUERY: Dialect = Dialect { member_name, flat_lists: false, bad_scalar };

fn member_name(model: &Model, reference: &Reference, name: &str) -> String {
    let own = reference.location_name.as_deref().unwrap_or(name);
    match &model.shape(reference.shape).kind {
        // A flattened list takes its items' name.
        Kind::List(item) if reference.flattened => item.location_name.as_deref().unwrap_or(own).into(),
        _ => own.into(),
    }
}

fn bad_scalar(path: &str, text: &str, kind: &Kind) -> Fault {
    let wanted = match kind {
        Kind::Boolean => "boolean",
        Kind::Timestamp => "timestamp",
        Kind::Blob => "base64-encoded blob",
        _ => "number",
    };
    Fault::client("MalformedInput", format!("Invalid {wanted} '{text}' at '{path}'"))
}

/// Reads an operation's input out of a form, taking what the model knows.
pub fn read_input(dialect: &Dialect, model: &Model, input: Option<ShapeId>, form: &mut Node) -> Result<Value, Fault> {
    match input {
        Some(input) => structure(&Walk { dialect, model }, input, form, ""),
        None => Ok(Value::Object(Map::new())),
    }
}

struct Walk<'a> {
    dialect: &'a Dialect,
    model: &'a Model,
}

fn structure(walk: &Walk<'_>, shape: ShapeId, node: &mut Node, path: &str) -> Result<Value, Fault> {
    let mut out = Map::new();
    for member in walk.model.members(shape) {
        let name = (walk.dialect.member_name)(walk.model, &member.reference, &member.name);
        if let Some(mut child) = node.take(&name)
            && let Some(value) = value(walk, &member.reference, &mut child, &join(path, &name))?
        {
            out.insert(member.name.clone(), value);
        }
    }
    Ok(out.into())
}

fn value(walk: &Walk<'_>, reference: &Reference, node: &mut Node, path: &str) -> Result<Option<Value>, Fault> {
    let kind = &walk.model.shape(reference.shape).kind;
    match kind {
        Kind::Structure(_) => structure(walk, reference.shape, node, path).map(Some),
        Kind::List(item) => list(walk, reference, item, node, path).map(Some),
        Kind::Map(key, item) => map(walk, reference, (key, item), node, path).map(Some),
        _ => match node.value.take() {
            Some(text) => match scalar::read(kind, &text) {
                Some(value) => Ok(Some(value)),
                None => Err((walk.dialect.bad_scalar)(path, &text, kind)),
            },
            None => Ok(None),
        },
    }
}

fn list(walk: &Walk<'_>, reference: &Reference, item: &Reference, node: &mut Node, path: &str) -> Result<Value, Fault> {
    let mut wrapped;
    let items = if walk.dialect.flat_lists || reference.flattened {
        node.take_numbered()
    } else {
        wrapped = node.take(item.location_name.as_deref().unwrap_or("member")).unwrap_or_default();
        wrapped.take_numbered()
    };
    let mut out = Vec::with_capacity(items.len());
    for (index, mut child) in items.into_iter().enumerate() {
        out.extend(value(walk, item, &mut child, &format!("{path}.{}", index + 1))?);
    }
    Ok(out.into())
}

fn map(
    walk: &Walk<'_>,
    reference: &Reference,
    (key, item): (&Reference, &Reference),
    node: &mut Node,
    path: &str,
) -> Result<Value, Fault> {
    let mut wrapped;
    let entries = if reference.flattened {
        node.take_numbered()
    } else {
        wrapped = node.take("entry").unwrap_or_default();
        wrapped.take_numbered()
    };
    let mut out = Map::new();
    for mut entry in entries {
        let name = entry.take(key.location_name.as_deref().unwrap_or("key")).and_then(|n| n.value).unwrap_or_default();
        let mut child = entry.take(item.location_name.as_deref().unwrap_or("value")).unwrap_or_default();
        if let Some(value) = value(walk, item, &mut child, &join(path, &name))? {
            out.insert(name, value);
        }
    }
    Ok(out.into())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}
