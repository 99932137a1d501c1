//! From the door's answers to bytes: JSON, YAML, protobuf; lists are joined from the items' own bytes.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use cove_kube_api::door::{Encoding, ListReply};
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Map, Value, json};

use crate::api::protobuf;

/// A value in an encoding.
pub fn value(encoding: Encoding, value: &Value) -> Bytes {
    match encoding {
        Encoding::Json => line(serde_json::to_vec(value).unwrap_or_default()),
        Encoding::Yaml => yaml(value),
        Encoding::Protobuf => Bytes::from(protobuf::encode_object(value)),
    }
}

fn line(mut bytes: Vec<u8>) -> Bytes {
    bytes.push(b'\n');
    Bytes::from(bytes)
}

/// A value as YAML.
pub fn yaml(value: &Value) -> Bytes {
    Bytes::from(serde_saphyr::to_string(value).unwrap_or_default())
}

/// An object in an encoding; made once per version.
pub fn object(encoding: Encoding, object: &Object) -> Bytes {
    match encoding {
        Encoding::Json => object.json().clone(),
        Encoding::Yaml => yaml(object.value()),
        Encoding::Protobuf => object.protobuf(protobuf::encode_object).clone(),
    }
}

/// `metadata` of a list.
pub fn list_meta(revision: u64, continue_token: &str, remaining: Option<u64>) -> Value {
    let mut meta = Map::new();
    meta.insert("resourceVersion".into(), revision.to_string().into());
    if !continue_token.is_empty() {
        meta.insert("continue".into(), continue_token.into());
    }
    if let Some(remaining) = remaining {
        meta.insert("remainingItemCount".into(), remaining.into());
    }
    Value::Object(meta)
}

/// A list in an encoding.
pub fn list(encoding: Encoding, list: &ListReply) -> Bytes {
    let meta = list_meta(list.revision, &list.continue_token, list.remaining);
    match encoding {
        Encoding::Json => json_list(list, &meta),
        Encoding::Yaml => {
            let bytes = json_list(list, &meta);
            yaml(&serde_json::from_slice(&bytes).unwrap_or_default())
        }
        Encoding::Protobuf => Bytes::from(protobuf::encode_list(&list.api_version, &list.kind, &meta, &list.items)),
    }
}

fn json_list(list: &ListReply, meta: &Value) -> Bytes {
    let size: usize = list.items.iter().map(|item| item.json().len() + 1).sum();
    let mut bytes = BytesMut::with_capacity(size + 256);
    let head = json!({"kind": list.kind, "apiVersion": list.api_version, "metadata": meta}).to_string();
    bytes.put_slice(&head.as_bytes()[..head.len() - 1]);
    bytes.put_slice(b",\"items\":[");
    // Items of a built-in list do not say what they are, since Go knows it: that is always how an item's bytes begin.
    let kind = list.kind.strip_suffix("List").unwrap_or(&list.kind);
    let type_meta = format!("{{\"kind\":{kind:?},\"apiVersion\":{:?},", list.api_version);
    for (position, item) in list.items.iter().enumerate() {
        if position > 0 {
            bytes.put_u8(b',');
        }
        put_item(&mut bytes, item, type_meta.as_bytes());
    }
    bytes.put_slice(b"]}\n");
    bytes.freeze()
}

fn put_item(bytes: &mut BytesMut, item: &Arc<Object>, type_meta: &[u8]) {
    match item.json().strip_prefix(type_meta) {
        Some(rest) => {
            bytes.put_u8(b'{');
            bytes.put_slice(rest);
        }
        None => bytes.put_slice(item.json()),
    }
}

/// A failure in an encoding.
pub fn status(encoding: Encoding, status: &Status) -> Bytes {
    value(encoding, &status.to_value())
}
