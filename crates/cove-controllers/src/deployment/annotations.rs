//! The annotations by which Deployments and ReplicaSets remember revisions and sizes.

use cove_kube_api::object::Object;
use serde_json::Value;

use crate::limits;
use crate::names::{DESIRED_REPLICAS, LAST_APPLIED, MAX_REPLICAS, REVISION, REVISION_HISTORY, ROLLBACK_TO};
use crate::view::{annotation, object_mut};

/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO];

/// The revision of a ReplicaSet, 0 if it has none.
pub fn revision(set: &Object) -> i64 {
    annotation(set.value(), REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A size from an annotation.
pub fn number(set: &Object, name: &str) -> Option<i64> {
    annotation(set.value(), name).and_then(|text| text.parse().ok())
}

/// Sets an annotation; true if it was another.
pub fn put(object: &mut Value, name: &str, text: &str) -> bool {
    if annotation(object, name) == Some(text) {
        return false;
    }
    object_mut(object, &["metadata", "annotations"]).insert(name.into(), text.into());
    true
}

/// Notes the sizes that proportional scaling needs; true if something changed.
pub fn put_sizes(set: &mut Value, desired: i64, max: i64) -> bool {
    let changed = put(set, DESIRED_REPLICAS, &desired.to_string());
    put(set, MAX_REPLICAS, &max.to_string()) || changed
}

/// Brings a ReplicaSet's annotations up to date with its Deployment and its revision; true if something changed.
pub fn put_new(set: &mut Value, deployment: &Value, revision: i64) -> bool {
    let mut changed = false;
    for (name, text) in deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if let Some(text) = text.as_str()
            && !NOT_COPIED.contains(&name.as_str())
        {
            changed |= put(set, name, text);
        }
    }
    let old = annotation(set, REVISION).map(str::to_string);
    let old_number: i64 = old.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
    if old_number >= revision {
        return changed;
    }
    put(set, REVISION, &revision.to_string());
    if let Some(old) = old {
        put_history(set, &old);
    }
    true
}

/// Adds a revision to the history; the oldest are dropped when it becomes too long.
fn put_history(set: &mut Value, old: &str) {
    let known = annotation(set, REVISION_HISTORY).unwrap_or("");
    let mut revisions: Vec<&str> = known.split(',').filter(|r| !r.is_empty()).collect();
    revisions.push(old);
    while revisions.join(",").len() > limits::REVISION_HISTORY_CHARS {
        revisions.remove(0);
    }
    let history = revisions.join(",");
    put(set, REVISION_HISTORY, &history);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rolled_back_set_remembers_its_earlier_revisions() {
        let deployment = json!({ "metadata": { "annotations": { "team": "a", LAST_APPLIED: "{}", REVISION: "2" } } });
        let mut set = json!({ "metadata": {} });
        assert!(put_new(&mut set, &deployment, 1));
        assert!(!put_new(&mut set, &deployment, 1));
        assert!(put_new(&mut set, &deployment, 3));
        assert!(put_new(&mut set, &deployment, 5));
        let expected = json!({ "team": "a", REVISION: "5", REVISION_HISTORY: "1,3" });
        assert_eq!(set["metadata"]["annotations"], expected);
    }
}
