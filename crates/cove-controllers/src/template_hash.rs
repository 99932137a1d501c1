//! The hash of a pod template in the names of ReplicaSets and ControllerRevisions.
//!
//! FNV-1a of 32 bits over canonical JSON (upstream hashes a dump of the Go struct, which cannot be matched), written
//! with upstream's "safe" digits, so that the names look right and never spell a word.

use serde_json::Value;

/// Digits of generated names: no vowels, nothing that looks alike.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

/// Upstream's `SafeEncodeString`.
fn safe_encode(text: &str) -> String {
    text.bytes().map(|byte| SAFE[usize::from(byte) % SAFE.len()] as char).collect()
}

/// The members in the order of their names, so that equal templates have equal hashes.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            Value::Object(members.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The hash of a template; another one for each count of collisions.
pub fn of(template: &Value, collisions: Option<i64>) -> String {
    let mut hash = fnv1a(2_166_136_261, sorted(template).to_string().as_bytes());
    if let Some(collisions) = collisions {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&(collisions as u32).to_le_bytes());
        hash = fnv1a(hash, &bytes);
    }
    safe_encode(&hash.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_templates_hash_equally_and_collisions_differ() {
        assert_eq!(fnv1a(2_166_136_261, b"foobar"), 0xbf9c_f968);
        assert_eq!(safe_encode("0123456789"), "456789bcdf");
        let one = of(&json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] }), None);
        assert_eq!(one, of(&json!({ "b": [{ "d": 3, "c": 2 }], "a": 1 }), None));
        assert_ne!(one, of(&json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] }), Some(1)));
        assert!((1..=10).contains(&one.len()));
    }
}
