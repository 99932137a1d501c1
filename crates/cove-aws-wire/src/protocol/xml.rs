//! XML replies of the query protocols, written by the model.

use quick_xml::escape::escape;
use serde_json::Value;

use crate::model::{Kind, Model, Reference, ShapeId};
use crate::protocol::scalar;

/// Writes the members of an output structure.
pub fn members(model: &Model, shape: ShapeId, value: &Value, out: &mut String) {
    for member in model.members(shape) {
        if let Some(value) = value.get(&member.name).filter(|v| !v.is_null()) {
            let name = member.reference.location_name.as_deref().unwrap_or(&member.name);
            element(model, &member.reference, name, value, out);
        }
    }
}

fn element(model: &Model, reference: &Reference, name: &str, value: &Value, out: &mut String) {
    let kind = &model.shape(reference.shape).kind;
    match (kind, value) {
        (Kind::Structure(_), _) => wrap(name, out, |out| members(model, reference.shape, value, out)),
        (Kind::List(item), Value::Array(items)) if reference.flattened => {
            let name = item.location_name.as_deref().unwrap_or(name);
            items.iter().for_each(|v| element(model, item, name, v, out));
        }
        (Kind::List(item), Value::Array(items)) => wrap(name, out, |out| {
            let name = item.location_name.as_deref().unwrap_or("member");
            items.iter().for_each(|v| element(model, item, name, v, out));
        }),
        (Kind::Map(key, item), Value::Object(entries)) => wrap(name, out, |out| {
            for (entry_key, entry_value) in entries {
                wrap("entry", out, |out| {
                    text(key.location_name.as_deref().unwrap_or("key"), entry_key, out);
                    element(model, item, item.location_name.as_deref().unwrap_or("value"), entry_value, out);
                });
            }
        }),
        _ => text(name, &scalar::write(kind, value, model.protocol, &model.name), out),
    }
}

/// Writes an element with text.
pub fn text(name: &str, value: &str, out: &mut String) {
    wrap(name, out, |out| {
        // Characters that XML 1.0 cannot carry at all are replaced; a parser would refuse the whole reply.
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
        let clean: String = value.chars().map(|c| if allowed(c) { c } else { '\u{FFFD}' }).collect();
        out.push_str(&escape(clean.as_str()));
    });
}

/// Writes an element around what `content` writes.
pub fn wrap(name: &str, out: &mut String, content: impl FnOnce(&mut String)) {
    out.push_str(&format!("<{name}>"));
    content(out);
    out.push_str(&format!("</{name}>"));
}
