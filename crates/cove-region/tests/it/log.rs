//! The log of a virtual run: one line per committed write of every space.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use cove_base::Runtime;
use cove_kube_server::pki;
use cove_region::secrets;
use cove_store::{Store, Written};
use serde_json::Value;

/// Where lines go. Locked per line; one thread writes.
pub type Sink = Arc<Mutex<Box<dyn Write + Send>>>;

/// From now on every committed write becomes a line: virtual time, space, revision, key, and the SHA-256 of the value
/// with its secret material masked (`-` for a deletion).
pub fn record(rt: &Runtime, store: &Arc<dyn Store>, sink: Sink) {
    let rt = rt.clone();
    store.tap(Arc::new(move |written: Written<'_>| {
        let (time, entry) = (rt.now().rfc3339_micros(), written.entry);
        let hash = if written.deleted { "-".into() } else { hex(&masked(&entry.key, &entry.value)) };
        let line = format!("{time} {} {} {} {hash}\n", written.space, entry.mod_revision, entry.key);
        sink.lock().unwrap().write_all(line.as_bytes()).expect("the log can be written");
    }));
}

/// The SHA-256 of bytes, in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A value without what must be secret, which comes from the operating system in a real run.
fn masked(key: &str, value: &[u8]) -> Vec<u8> {
    if key.starts_with(secrets::PREFIX) || key.starts_with(pki::PREFIX) {
        return b"secret".to_vec();
    }
    let members: &[&str] = match key {
        _ if key.starts_with("iam/access-key/") => &["secret"],
        _ if key.starts_with("/registry/secrets/") => &["data"],
        _ => return value.to_vec(),
    };
    let mut object: Value = serde_json::from_slice(value).expect("records are JSON");
    for member in members {
        if let Some(secret) = object.get_mut(*member) {
            *secret = "secret".into();
        }
    }
    object.to_string().into_bytes()
}

#[test]
fn secret_material_is_masked_and_nothing_else() {
    let same = |key: &str, a: &str, b: &str| masked(key, a.as_bytes()) == masked(key, b.as_bytes());
    assert!(same("secret/admin", "a", "b"));
    assert!(same("/cove/keys/server", "a", "b"));
    assert!(same("iam/access-key/AKIA1", r#"{"id":"1","secret":"a"}"#, r#"{"id":"1","secret":"b"}"#));
    assert!(!same("iam/access-key/AKIA1", r#"{"id":"1","secret":"a"}"#, r#"{"id":"2","secret":"a"}"#));
    assert!(same("/registry/secrets/default/s", r#"{"data":{"a":"Yg=="}}"#, r#"{"data":{"a":"Yw=="}}"#));
    assert!(!same("/registry/pods/default/p", "{}", r#"{"data":{}}"#));
}
