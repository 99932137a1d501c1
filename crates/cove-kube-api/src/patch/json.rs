//! JSON patch, RFC 6902, as upstream's library applies it: negative indices count from the end, `test` of a missing
//! member against null succeeds.

use serde_json::Value;

use crate::status::Status;

/// How many operations a patch may have.
pub const MAX_OPERATIONS: usize = 10_000;
/// How deep a patch may make a document. Parsers do not give deeper ones, but moving values into each other could.
const MAX_DEPTH: usize = 256;
/// How many values the operations of one patch may put in place all together: copies grow a document fast.
const MAX_PLACED: usize = 300_000;

/// `target` after all operations of `patch`, or the refusal of the first that does not apply.
pub fn apply_json(target: &Value, patch: &Value) -> Result<Value, Status> {
    let operations = patch.as_array().ok_or_else(|| decoding("cannot unmarshal patch: it must be a list"))?;
    if operations.len() > MAX_OPERATIONS {
        let message = format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        );
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    let mut document = target.clone();
    let mut budget = MAX_PLACED;
    for operation in operations {
        step(&mut document, operation, &mut budget)?;
    }
    Ok(document)
}

fn decoding(why: &str) -> Status {
    Status::bad_request(format!("error decoding patch: {why}"))
}

/// Upstream drops the text of what did not apply.
fn refused() -> Status {
    Status::new(422, "Invalid", "the server rejected our request due to an error in our request")
}

fn step(document: &mut Value, operation: &Value, budget: &mut usize) -> Result<(), Status> {
    if !operation.is_object() {
        return Err(decoding("an operation must be an object"));
    }
    let path = pointer(operation, "path")?;
    let value = || operation.get("value").cloned().ok_or_else(refused);
    match operation.get("op").and_then(Value::as_str) {
        Some("add") => add(document, &path, value()?, budget),
        Some("remove") => remove(document, &path).map(|_| ()),
        Some("replace") => replace(document, &path, value()?, budget),
        Some("move") => {
            let from = pointer(operation, "from")?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(refused());
            }
            let value = remove(document, &from)?;
            add(document, &path, value, budget)
        }
        Some("copy") => {
            let found = find(document, &pointer(operation, "from")?).ok_or_else(refused)?;
            measure(found, path.len(), &mut budget.clone())?;
            add(document, &path, found.clone(), budget)
        }
        Some("test") => {
            let expected = operation.get("value").unwrap_or(&Value::Null);
            let same = find(document, &path).unwrap_or(&Value::Null) == expected;
            same.then_some(()).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

/// The parts of a JSON pointer. A pointer without its leading slash is read as upstream's library reads it: the first
/// part is dropped.
fn pointer(operation: &Value, member: &str) -> Result<Vec<String>, Status> {
    let text = operation.get(member).and_then(Value::as_str).ok_or_else(refused)?;
    Ok(text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// The index that a part names in a list of this length; `end` allows the place after the last item.
fn index(part: &str, length: usize, end: bool) -> Option<usize> {
    let limit = length + usize::from(end);
    let number: i64 = part.parse().ok().filter(|_| !part.starts_with('+'))?;
    let at = if number < 0 { i64::try_from(limit).ok()? + number } else { number };
    usize::try_from(at).ok().filter(|at| *at < limit)
}

fn child<'a>(value: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => index(part, items.len(), false).and_then(|at| items.get_mut(at)),
        _ => None,
    }
}

fn find<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => index(part, items.len(), false).and_then(|at| items.get(at)),
        _ => None,
    })
}

/// The container of the last part, and that part. `None` for the whole document.
fn container<'a, 'p>(document: &'a mut Value, path: &'p [String]) -> Result<Option<(&'a mut Value, &'p str)>, Status> {
    let Some((last, parents)) = path.split_last() else { return Ok(None) };
    let found = parents.iter().try_fold(document, |value, part| child(value, part));
    Ok(Some((found.ok_or_else(refused)?, last)))
}

/// Refuses a value that would make the document too deep or use up what the patch may place.
fn measure(value: &Value, depth: usize, budget: &mut usize) -> Result<(), Status> {
    *budget = budget.checked_sub(1).filter(|_| depth <= MAX_DEPTH).ok_or_else(refused)?;
    match value {
        Value::Object(map) => map.values().try_for_each(|v| measure(v, depth + 1, budget)),
        Value::Array(items) => items.iter().try_for_each(|v| measure(v, depth + 1, budget)),
        _ => Ok(()),
    }
}

fn add(document: &mut Value, path: &[String], value: Value, budget: &mut usize) -> Result<(), Status> {
    measure(&value, path.len(), budget)?;
    match container(document, path)? {
        None => *document = value,
        Some((Value::Object(map), key)) => {
            map.insert(key.to_string(), value);
        }
        Some((Value::Array(items), "-")) => items.push(value),
        Some((Value::Array(items), part)) => {
            let at = index(part, items.len(), true).ok_or_else(refused)?;
            items.insert(at, value);
        }
        Some(_) => return Err(refused()),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &[String]) -> Result<Value, Status> {
    match container(document, path)? {
        Some((Value::Object(map), key)) => map.shift_remove(key).ok_or_else(refused),
        Some((Value::Array(items), part)) => {
            let at = index(part, items.len(), false).ok_or_else(refused)?;
            Ok(items.remove(at))
        }
        _ => Err(refused()),
    }
}

fn replace(document: &mut Value, path: &[String], value: Value, budget: &mut usize) -> Result<(), Status> {
    measure(&value, path.len(), budget)?;
    let place = match container(document, path)? {
        None => {
            *document = value;
            return Ok(());
        }
        Some((parent, part)) => child(parent, part).ok_or_else(refused)?,
    };
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn operations() {
        for (target, patch, result) in [
            (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
            (json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]})),
            (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
            (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
            (json!({"a": 1}), json!([{"op": "replace", "path": "/a", "value": null}]), json!({"a": null})),
            (json!({"a": {"x": 1}}), json!([{"op": "move", "from": "/a/x", "path": "/b"}]), json!({"a": {}, "b": 1})),
            (json!({"a": 1}), json!([{"op": "copy", "from": "/a", "path": "/b"}]), json!({"a": 1, "b": 1})),
            (
                json!({"a/b": {"~": 1}}),
                json!([{"op": "test", "path": "/a~1b/~0", "value": 1}]),
                json!({"a/b": {"~": 1}}),
            ),
            (json!({}), json!([{"op": "test", "path": "/x", "value": null}]), json!({})),
            (json!({"a": 1}), json!([{"op": "add", "path": "", "value": [1]}]), json!([1])),
        ] {
            assert_eq!(apply_json(&target, &patch).unwrap(), result, "{patch}");
        }
    }

    #[test]
    fn refusals() {
        for patch in [
            json!([{"op": "remove", "path": "/x"}]),
            json!([{"op": "replace", "path": "/x", "value": 1}]),
            json!([{"op": "add", "path": "/l/7", "value": 1}]),
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            json!([{"op": "test", "path": "/l", "value": 1}]),
            json!([{"op": "move", "from": "/l", "path": "/l/0"}]),
            json!([{"op": "fly", "path": "/l"}]),
            json!([{"op": "add", "value": 1}]),
        ] {
            assert_eq!(apply_json(&json!({"l": [1]}), &patch).unwrap_err().code, 422, "{patch}");
        }
        assert_eq!(apply_json(&json!({}), &json!({})).unwrap_err().code, 400);
        let many = Value::Array(vec![json!({}); MAX_OPERATIONS + 1]);
        assert_eq!(apply_json(&json!({}), &many).unwrap_err().code, 413);
    }

    #[test]
    fn growth_is_bounded() {
        let double = json!([{"op": "copy", "from": "/a", "path": "/a/b"}]);
        let mut operations = Vec::new();
        for name in 0..64 {
            operations.push(json!({"op": "copy", "from": "/a", "path": format!("/a/{name}")}));
        }
        assert!(apply_json(&json!({"a": {"x": 1}}), &double).is_ok());
        assert_eq!(apply_json(&json!({"a": {"x": 1}}), &operations.into()).unwrap_err().code, 422);
        let mut operations = Vec::new();
        for _ in 0..5000 {
            operations.push(json!({"op": "add", "path": "/b", "value": {"c": {}}}));
            operations.push(json!({"op": "move", "from": "/a", "path": "/b/c/d"}));
            operations.push(json!({"op": "move", "from": "/b", "path": "/a"}));
        }
        operations.truncate(MAX_OPERATIONS);
        assert_eq!(apply_json(&json!({"a": {}}), &operations.into()).unwrap_err().code, 422);
    }

    proptest! {
        #[test]
        fn never_panics(op in "add|remove|replace|move|copy|test", path in "(/[a-c0-2~-]{0,2}){0,4}", from in "(/[a-c0-2]{0,2}){0,3}") {
            let target = json!({"a": [1, {"b": [2, 3]}], "b": {"c": "x", "0": []}});
            let _ = apply_json(&target, &json!([{"op": op, "path": path, "from": from, "value": {"a": 1}}]));
        }
    }
}
