//! Lists made of stored objects, metadata alone, options, and the frames of a watch.

use std::sync::Arc;

use cove_kube_api::decode::{Strictness, decode, decode_value};
use cove_kube_api::door::Encoding;
use cove_kube_api::object::Object;
use cove_kube_api::protobuf;
use serde_json::{Value, json};

fn stored(object: Value, revision: u64) -> Arc<Object> {
    let value = decode_value(object, None, Strictness::Strict).unwrap().value;
    Arc::new(Object::new(value.to_string().into(), revision))
}

#[test]
fn a_list_is_made_of_stored_objects() {
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"b": "", "a": "1"}});
    let items = [stored(map("one"), 7), stored(map("two"), 300)];
    let bytes =
        protobuf::encode_list("v1", "ConfigMapList", &json!({"resourceVersion": "301", "continue": "x"}), &items);
    let item = |name: &str, revision: &str| json!({"metadata": {"name": name, "resourceVersion": revision}, "data": {"a": "1", "b": ""}});
    let wanted = json!({
        "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "301", "continue": "x"},
        "items": [item("one", "7"), item("two", "300")],
    });
    assert_eq!(protobuf::decode(&bytes).unwrap().to_string(), wanted.to_string());
    assert_eq!(bytes, protobuf::encode_object(&wanted));
    assert!(protobuf::encode_list("example.com/v1", "FooList", &json!({}), &[]).is_empty());
}

#[test]
fn a_watch_frame_holds_an_event_with_an_enveloped_object() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
    let object = protobuf::encode_object(&pod);
    let frame = protobuf::encode_watch_frame("ADDED", &object);
    let (length, event) = frame.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, event.len());
    assert_eq!(&event[..7], b"\x0a\x05ADDED");
    assert!(event.ends_with(&object));
    assert!(protobuf::open(event).is_err(), "an event has no envelope of its own");
}

#[test]
fn metadata_alone_is_written() {
    let partial = json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "p", "labels": {"a": "b"}},
    });
    assert_eq!(protobuf::decode(&protobuf::encode_object(&partial)).unwrap(), partial);
    let list = json!({
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": [{"metadata": {"name": "p"}}],
    });
    assert_eq!(protobuf::decode(&protobuf::encode_object(&list)).unwrap(), list);
}

#[test]
fn options_are_taken_in_any_group_and_encoding() {
    let expected = Some(("v1", "DeleteOptions"));
    let options = json!({"kind": "DeleteOptions", "apiVersion": "apps/v1", "gracePeriodSeconds": 0, "propagationPolicy": "Orphan"});
    let bytes = protobuf::encode_object(&options);
    for (encoding, body) in [(Encoding::Json, options.to_string().into_bytes()), (Encoding::Protobuf, bytes)] {
        let decoded = decode(encoding, &body, expected, Strictness::Strict).unwrap();
        assert_eq!(decoded.value, options);
    }
    let status = decode(Encoding::Json, br#"{"gracePeriodSeconds":"x"}"#, expected, Strictness::Strict).unwrap_err();
    assert!(
        status.message.ends_with("Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
        "{}",
        status.message
    );
}

#[test]
fn custom_kinds_have_no_protobuf() {
    let object = json!({"kind": "Foo", "apiVersion": "example.com/v1", "metadata": {}});
    assert!(protobuf::encode_object(&object).is_empty());
    let foreign = [b"k8s\0\x0a\x17\x0a\x0eexample.com/v1\x12\x03Foo".as_slice(), b"\x12\x00"].concat();
    let error = protobuf::decode(&foreign);
    assert!(error.is_err(), "{error:?}");
}
