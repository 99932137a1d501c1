//! Strategic merge patch: merge patch that knows which lists are maps and sets
//! (k8s.io/apimachinery v0.35 pkg/util/strategicpatch; merge keys from the schema table).
//!
//! Directives: `$patch: replace|delete|merge` in objects and list items, `$retainKeys`, `$setElementOrder/LIST`,
//! `$deleteFromPrimitiveList/LIST`. Lists without a strategy are replaced.

use serde_json::{Map, Value};

use crate::schema::{Field, FieldKind, TypeRef, schema};
use crate::status::Status;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// `target`, an object of type `ty`, after `patch`.
pub fn apply_strategic(ty: TypeRef, target: &Value, patch: &Value) -> Result<Value, Status> {
    let Value::Object(changes) = patch else {
        return Err(refused("the patch must be an object"));
    };
    let target = target.as_object().cloned().unwrap_or_default();
    merge_map(Some(ty), target, changes).map(Value::Object)
}

fn refused(why: impl std::fmt::Display) -> Status {
    Status::bad_request(why.to_string())
}

fn field(ty: Option<TypeRef>, name: &str) -> Option<&'static Field> {
    schema().field(ty?, name)
}

/// The struct type of a field's value; for maps and lists that of the values.
fn inner(field: Option<&'static Field>) -> Option<TypeRef> {
    field.filter(|f| !matches!(f.kind, FieldKind::RawExtension | FieldKind::Json)).and_then(|f| f.type_ref)
}

fn merge_map(
    ty: Option<TypeRef>,
    mut target: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, Status> {
    match patch.get(PATCH).map(|d| d.as_str().unwrap_or_default()) {
        Some("replace") => return Ok(without_directives(patch)),
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => return Err(refused(format!("unknown patch type found: {other}"))),
    }
    if let Some(keys) = patch.get(RETAIN_KEYS) {
        retain(&mut target, keys, patch)?;
    }
    for (name, list) in patch.iter().filter_map(|(k, v)| k.strip_prefix(DELETE).map(|name| (name, v))) {
        delete_from_primitive_list(&mut target, name, list)?;
    }
    for (name, change) in patch.iter().filter(|(k, _)| !is_directive(k)) {
        if change.is_null() {
            target.shift_remove(name);
            continue;
        }
        let field = field(ty, name);
        let order = patch.get(&format!("{ORDER}{name}"));
        match (target.get_mut(name), change) {
            (Some(Value::Object(old)), Value::Object(new)) if !field.is_some_and(|f| f.patch_strategy.replace) => {
                *old = merge_map(map_type(field), std::mem::take(old), new)?;
            }
            (Some(Value::Array(old)), Value::Array(new)) if field.is_some_and(|f| f.patch_strategy.merge) => {
                let merged = merge_list(field, std::mem::take(old), new, order)?;
                *old = merged;
            }
            (Some(old), new) => *old = added(field, new, order)?,
            (None, new) => {
                let value = added(field, new, order)?;
                target.insert(name.clone(), value);
            }
        }
    }
    reorder_untouched(ty, &mut target, patch)?;
    Ok(target)
}

/// The type to go on with inside an object: structs by the table, maps of structs by their values.
fn map_type(field: Option<&'static Field>) -> Option<TypeRef> {
    field.filter(|f| f.kind == FieldKind::Struct).and_then(|f| inner(Some(f)))
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(ORDER) || key.starts_with(DELETE)
}

/// A value that meets nothing, or something of another form: it is taken without its directives.
fn added(field: Option<&'static Field>, new: &Value, order: Option<&Value>) -> Result<Value, Status> {
    match new {
        Value::Object(map) => merge_map(map_type(field), Map::new(), map).map(Value::Object),
        Value::Array(items) if field.is_some_and(|f| f.patch_strategy.merge) => {
            merge_list(field, Vec::new(), items, order).map(Value::Array)
        }
        Value::Array(items) => Ok(items.iter().map(plain).collect()),
        other => Ok(other.clone()),
    }
}

/// Without directives, at any depth.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(k, v)| !is_directive(k) && !v.is_null()).map(|(k, v)| (k.clone(), plain(v))).collect()
}

/// Members that `$retainKeys` does not name go. Every member that the patch sets must be named.
fn retain(target: &mut Map<String, Value>, keys: &Value, patch: &Map<String, Value>) -> Result<(), Status> {
    let keys = keys.as_array().ok_or_else(|| refused("invalid patch format of retainKeys: it must be a list"))?;
    let named = |name: &String| keys.iter().any(|k| k.as_str() == Some(name));
    if patch.iter().any(|(k, v)| !is_directive(k) && !v.is_null() && !named(k)) {
        return Err(refused("$retainKeys list doesn't contain all fields that are set in the patch"));
    }
    target.retain(|name, _| named(name));
    Ok(())
}

fn delete_from_primitive_list(target: &mut Map<String, Value>, name: &str, list: &Value) -> Result<(), Status> {
    let gone = list.as_array().ok_or_else(|| refused("invalid patch format of deleteFromPrimitiveList: not a list"))?;
    if let Some(Value::Array(items)) = target.get_mut(name) {
        items.retain(|item| !gone.contains(item));
    }
    Ok(())
}

/// An order for a list that the patch does not otherwise touch.
fn reorder_untouched(
    ty: Option<TypeRef>,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), Status> {
    for (name, order) in patch.iter().filter_map(|(k, v)| k.strip_prefix(ORDER).map(|name| (name, v))) {
        if patch.contains_key(name) {
            continue;
        }
        let Some(field) = field(ty, name) else { continue };
        if let Some(Value::Array(items)) = target.get_mut(name) {
            let current = std::mem::take(items);
            *items = ordered(field, current.clone(), &current, &[], Some(order))?;
        }
    }
    Ok(())
}

fn merge_list(
    field: Option<&'static Field>,
    old: Vec<Value>,
    patch: &[Value],
    order: Option<&Value>,
) -> Result<Vec<Value>, Status> {
    let Some(field) = field else { return Ok(patch.iter().map(plain).collect()) };
    let merged = if field.elem == Some(FieldKind::Struct) {
        merge_objects(field, &old, patch)?
    } else {
        let mut merged = old.clone();
        for item in patch {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        merged
    };
    ordered(field, merged, &old, patch, order)
}

fn merge_objects(field: &'static Field, old: &[Value], patch: &[Value]) -> Result<Vec<Value>, Status> {
    let key = field.merge_key;
    if key.is_empty() {
        return Ok(patch.iter().map(plain).collect());
    }
    if patch.iter().any(|item| item.get(PATCH).and_then(Value::as_str) == Some("replace")) {
        return Ok(patch.iter().filter(|i| i.get(PATCH).is_none()).map(plain).collect());
    }
    let mut merged = old.to_vec();
    for item in patch {
        let Value::Object(changes) = item else {
            return Err(refused("the list of maps holds something that is not an object"));
        };
        let id = changes.get(key).filter(|id| !id.is_null());
        let id = id.ok_or_else(|| refused(format!("map: {item} does not contain declared merge key: {key}")))?;
        match changes.get(PATCH).and_then(Value::as_str) {
            Some("delete") => {
                merged.retain(|m| m.get(key) != Some(id));
                continue;
            }
            Some("merge") | None => {}
            Some(other) => return Err(refused(format!("unknown patch type found: {other}"))),
        }
        match merged.iter_mut().find(|m| m.get(key) == Some(id)) {
            Some(Value::Object(found)) => *found = merge_map(inner(Some(field)), std::mem::take(found), changes)?,
            _ => merged.push(Value::Object(merge_map(inner(Some(field)), Map::new(), changes)?)),
        }
    }
    Ok(merged)
}

/// What identifies an item: its merge key, or itself.
fn identity<'a>(field: &Field, item: &'a Value) -> &'a Value {
    if field.elem == Some(FieldKind::Struct) { item.get(field.merge_key).unwrap_or(&Value::Null) } else { item }
}

/// Upstream's order: items that the patch names in the patch's order (or the given one), items that only the server has
/// keep their places between them as far as they can.
fn ordered(
    field: &Field,
    merged: Vec<Value>,
    old: &[Value],
    patch: &[Value],
    order: Option<&Value>,
) -> Result<Vec<Value>, Status> {
    let order: Vec<Value> = match order {
        Some(Value::Array(order)) => order.iter().map(|item| identity(field, item).clone()).collect(),
        Some(_) => return Err(refused("invalid patch format of setElementOrder: it must be a list")),
        None => patch.iter().map(|item| identity(field, item).clone()).collect(),
    };
    let place = |item: &Value| order.iter().position(|id| id == identity(field, item));
    let (mut named, server): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| place(item).is_some());
    named.sort_by_key(|item| place(item));
    let was = |item: &Value| old.iter().position(|o| identity(field, o) == identity(field, item));
    let mut result = Vec::with_capacity(named.len() + server.len());
    let (mut named, mut server) = (named.into_iter().peekable(), server.into_iter().peekable());
    while let (Some(n), Some(s)) = (named.peek(), server.peek()) {
        // An item of the server goes first only where it stood before the named one.
        let server_first = was(n).zip(was(s)).is_some_and(|(n, s)| s < n);
        result.extend(if server_first { server.next() } else { named.next() });
    }
    result.extend(named);
    result.extend(server);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(target: Value, patch: Value) -> Result<Value, Status> {
        let ty = schema().type_of("", "v1", "Pod").unwrap();
        apply_strategic(ty, &target, &patch)
    }

    fn spec(target: Value, patch: Value) -> Value {
        pod(json!({"spec": target}), json!({"spec": patch})).unwrap()["spec"].clone()
    }

    #[test]
    fn lists_merge_by_their_keys() {
        let target =
            json!({"containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}, {"name": "b"}]});
        let patch =
            json!({"containers": [{"name": "a", "image": "2", "ports": [{"containerPort": 81}]}, {"name": "c"}]});
        let ports = json!([{"containerPort": 81}, {"containerPort": 80}]);
        let result = json!({"containers": [{"name": "a", "image": "2", "ports": ports}, {"name": "c"}, {"name": "b"}]});
        assert_eq!(spec(target, patch), result);
    }

    #[test]
    fn directives() {
        let target = json!({"containers": [{"name": "a"}, {"name": "b"}], "nodeSelector": {"x": "1"}});
        for (patch, result) in [
            (json!({"containers": [{"name": "a", "$patch": "delete"}]}), json!([{"name": "b"}])),
            (json!({"containers": [{"name": "z"}, {"$patch": "replace"}]}), json!([{"name": "z"}])),
            (
                json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
                json!([{"name": "b"}, {"name": "a"}]),
            ),
            (
                json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c"}]}),
                json!([{"name": "c"}, {"name": "a"}, {"name": "b"}]),
            ),
        ] {
            assert_eq!(spec(target.clone(), patch)["containers"], result);
        }
        assert_eq!(
            spec(target.clone(), json!({"nodeSelector": {"$patch": "replace", "y": "2"}}))["nodeSelector"],
            json!({"y": "2"})
        );
        assert_eq!(spec(target.clone(), json!({"nodeSelector": null})).get("nodeSelector"), None);
        assert_eq!(spec(target, json!({"nodeSelector": {"x": null, "y": "2"}}))["nodeSelector"], json!({"y": "2"}));
    }

    #[test]
    fn retained_keys_and_sets() {
        let volumes = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
        let patch = json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]});
        assert_eq!(spec(volumes, patch), json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}));
        let meta = |patch: Value| {
            pod(json!({"metadata": {"finalizers": ["a/1", "a/2"]}}), json!({"metadata": patch})).unwrap()
        };
        let delete = meta(json!({"$deleteFromPrimitiveList/finalizers": ["a/1"]}));
        assert_eq!(delete["metadata"]["finalizers"], json!(["a/2"]));
        let add = meta(json!({"finalizers": ["a/3", "a/1"]}));
        assert_eq!(add["metadata"]["finalizers"], json!(["a/3", "a/1", "a/2"]));
        assert_eq!(
            spec(
                json!({"containers": [{"name": "a", "command": ["x", "y"]}]}),
                json!({"containers": [{"name": "a", "command": ["z"]}]})
            ),
            json!({"containers": [{"name": "a", "command": ["z"]}]})
        );
    }

    #[test]
    fn refusals() {
        assert_eq!(pod(json!({}), json!([])).unwrap_err().code, 400);
        let error =
            pod(json!({"spec": {"containers": []}}), json!({"spec": {"containers": [{"image": "x"}]}})).unwrap_err();
        assert!(error.message.contains("does not contain declared merge key: name"), "{}", error.message);
        assert!(pod(json!({"spec": {}}), json!({"spec": {"$patch": "fly"}})).is_err());
    }

    fn hostile() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            Just("spec"),
            Just("containers"),
            Just("name"),
            Just("volumes"),
            Just("$patch"),
            Just("$retainKeys"),
            Just("$setElementOrder/containers"),
            Just("$deleteFromPrimitiveList/finalizers"),
            Just("finalizers"),
            Just("metadata"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(json!("replace")),
            Just(json!("delete")),
            Just(json!("a")),
            any::<i8>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..5)
                    .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_string(), v)).collect())),
            ]
        })
    }

    fn containers() -> impl Strategy<Value = Vec<Value>> {
        prop::collection::btree_map("[a-e]", 0..3_u8, 0..5).prop_shuffle_values()
    }

    trait ShuffleValues {
        fn prop_shuffle_values(self) -> BoxedStrategy<Vec<Value>>;
    }

    impl<S: Strategy<Value = std::collections::BTreeMap<String, u8>> + 'static> ShuffleValues for S {
        fn prop_shuffle_values(self) -> BoxedStrategy<Vec<Value>> {
            let items = |m: std::collections::BTreeMap<String, u8>| -> Vec<Value> {
                m.into_iter().map(|(name, image)| json!({"name": name, "image": image})).collect()
            };
            self.prop_map(items).prop_shuffle().boxed()
        }
    }

    /// What kubectl sends: changed items, deletions, and the whole order.
    fn difference(from: &[Value], to: &[Value]) -> Value {
        let name = |v: &Value| v["name"].clone();
        let mut items: Vec<Value> = to.iter().filter(|t| !from.contains(t)).cloned().collect();
        for gone in from.iter().filter(|f| !to.iter().any(|t| name(t) == name(f))) {
            items.push(json!({"name": name(gone), "$patch": "delete"}));
        }
        let order: Vec<Value> = to.iter().map(|t| json!({"name": name(t)})).collect();
        json!({"$setElementOrder/containers": order, "containers": items})
    }

    proptest! {
        #[test]
        fn never_panics(target in hostile(), patch in hostile()) {
            let _ = pod(target, patch);
        }

        #[test]
        fn a_difference_applied_gives_the_target(from in containers(), to in containers()) {
            let patched = spec(json!({"containers": from}), difference(&from, &to));
            prop_assert_eq!(&patched["containers"], &Value::from(to));
        }
    }
}
