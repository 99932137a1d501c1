//! TEMPORARY: stands in for cove_kube_api modules until they land.
#![allow(missing_docs, clippy::unwrap_used)]
pub mod schema {
    #[derive(Clone, Copy)]
    pub struct TypeRef(#[allow(dead_code)] u32);
    pub struct Schema;
    pub fn schema() -> &'static Schema {
        &Schema
    }
    impl Schema {
        pub fn type_of(&self, _g: &str, _v: &str, _k: &str) -> Option<TypeRef> {
            Some(TypeRef(0))
        }
    }
}
pub mod decode {
    use cove_kube_api::{door::Encoding, status::Status};
    use serde_json::Value;
    #[derive(Clone, Copy, PartialEq)]
    pub enum Strictness {
        Strict,
        Warn,
        Ignore,
    }
    pub struct Decoded {
        pub value: Value,
        pub api_version: String,
        pub kind: String,
        pub warnings: Vec<String>,
    }
    pub fn decode(_e: Encoding, bytes: &[u8], gvk: Option<(&str, &str)>, s: Strictness) -> Result<Decoded, Status> {
        decode_value(serde_json::from_slice(bytes).map_err(|e| Status::bad_request(e.to_string()))?, gvk, s)
    }
    pub fn decode_value(mut value: Value, gvk: Option<(&str, &str)>, _s: Strictness) -> Result<Decoded, Status> {
        if let Some((v, k)) = gvk
            && let Value::Object(m) = &mut value
        {
            m.entry("apiVersion").or_insert(v.into());
            m.entry("kind").or_insert(k.into());
        }
        let t = |m: &str| value.get(m).and_then(Value::as_str).unwrap_or("").to_string();
        Ok(Decoded { api_version: t("apiVersion"), kind: t("kind"), warnings: vec![], value })
    }
    pub fn normalize(_ty: super::schema::TypeRef, _value: &mut Value) {}
    pub fn apply_defaults(_ty: super::schema::TypeRef, _value: &mut Value) {}
}
pub mod patch {
    use cove_kube_api::{
        door::PatchKind,
        patch::{apply_json, apply_merge},
        status::Status,
    };
    use serde_json::Value;
    pub fn apply(k: PatchKind, _ty: super::schema::TypeRef, current: &Value, patch: &Value) -> Result<Value, Status> {
        if k == PatchKind::Json { apply_json(current, patch) } else { Ok(apply_merge(current, patch)) }
    }
}
