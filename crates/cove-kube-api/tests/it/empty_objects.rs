//! Every kind, list kind and subresource kind: JSON and protobuf are what Go's library writes.

use std::io::Read as _;

use cove_kube_api::decode::{Strictness, decode, decode_value};
use cove_kube_api::door::Encoding;
use cove_kube_api::protobuf;
use serde_json::Value;

fn rows() -> Vec<(String, Vec<u8>)> {
    let packed = include_bytes!("../data/empty-objects.tsv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let bytes =
        |hex: &str| (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.map(|l| l.split_once('\t').unwrap()).map(|(json, hex)| (json.to_string(), bytes(hex))).collect()
}

#[test]
fn there_are_as_many_as_the_facts_have() {
    assert_eq!(rows().len(), 183);
}

#[test]
fn protobuf_becomes_json() {
    for (json, bytes) in rows() {
        assert_eq!(protobuf::decode(&bytes).unwrap().to_string(), json);
        let decoded = decode(Encoding::Protobuf, &bytes, None, Strictness::Strict).unwrap();
        assert_eq!(decoded.value.to_string(), json);
    }
}

#[test]
fn json_becomes_protobuf() {
    for (json, bytes) in rows() {
        let decoded = decode(Encoding::Json, json.as_bytes(), None, Strictness::Strict).unwrap();
        assert_eq!(decoded.value.to_string(), json);
        assert_eq!(protobuf::encode_object(&decoded.value), bytes, "{json}");
    }
}

#[test]
fn kind_and_version_alone_become_the_same() {
    for (json, bytes) in rows() {
        let full: Value = serde_json::from_str(&json).unwrap();
        let bare = serde_json::json!({"apiVersion": full["apiVersion"], "kind": full["kind"]});
        assert_eq!(protobuf::encode_object(&bare), bytes, "{json}");
        assert_eq!(decode_value(bare, None, Strictness::Strict).unwrap().value.to_string(), json);
    }
}
