//! TEMPORARY: stands in for cove_kube_api modules until they land.
#![allow(missing_docs, clippy::unwrap_used)]
pub mod kinds {
    use std::sync::LazyLock;
    use cove_kube_api::strategy::{Plain, Strategy};
    pub enum Acts { Yes, Warn(&'static str), Refuse(&'static str) }
    pub struct Subresource { pub name: &'static str, pub group: &'static str, pub version: &'static str, pub kind: &'static str, pub verbs: Vec<&'static str> }
    pub struct Kind {
        pub group: &'static str, pub version: &'static str, pub kind: &'static str, pub plural: &'static str, pub singular: &'static str,
        pub short_names: Vec<&'static str>, pub categories: Vec<&'static str>, pub namespaced: bool, pub verbs: Vec<&'static str>,
        pub list_kind: &'static str, pub subresources: Vec<Subresource>, pub etcd_prefix: &'static str, pub storage_version: &'static str,
        pub acts: Acts, pub strategy: &'static dyn Strategy,
    }
    static TABLE: LazyLock<Vec<&'static Kind>> = LazyLock::new(|| {
        let text = include_str!("shim_kinds.csv");
        text.lines().skip(1).filter_map(|line| {
            let c: Vec<&'static str> = line.split(',').collect();
            if c[11] != "1" { return None; }
            let words = |s: &'static str| s.split_whitespace().collect::<Vec<_>>();
            let subs = words(c[10]).into_iter().map(|s| {
                let p: Vec<&'static str> = s.split(':').collect();
                let (gv, kind) = p[1].rsplit_once('.').unwrap_or(("", p[1]));
                let (group, version) = gv.split_once('/').unwrap_or((c[0], c[1]));
                Subresource { name: p[0], group, version, kind, verbs: p[2].split('+').collect() }
            }).collect();
            let kind: &'static Kind = Box::leak(Box::new(Kind { group: c[0], version: c[1], kind: c[2], plural: c[3], singular: c[4], short_names: words(c[5]), categories: words(c[6]),
                namespaced: c[7] == "1", verbs: words(c[8]), list_kind: c[9], subresources: subs, etcd_prefix: c[15], storage_version: c[13], acts: Acts::Yes, strategy: &Plain }));
            Some(kind)
        }).collect()
    });
    pub fn kinds(_minor: u32) -> &'static [&'static Kind] { &TABLE }
    pub fn by_resource(minor: u32, group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
        kinds(minor).iter().copied().find(|k| k.group == group && k.version == version && k.plural == plural)
    }
    pub fn by_kind(minor: u32, group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
        kinds(minor).iter().copied().find(|k| k.group == group && k.version == version && k.kind == kind)
    }
}
pub mod schema {
    #[derive(Clone, Copy)] pub struct TypeRef(#[allow(dead_code)] u32);
    pub struct Schema;
    pub fn schema() -> &'static Schema { &Schema }
    impl Schema { pub fn type_of(&self, _g: &str, _v: &str, _k: &str) -> Option<TypeRef> { Some(TypeRef(0)) } }
}
pub mod decode {
    use cove_kube_api::{door::Encoding, status::Status};
    use serde_json::Value;
    #[derive(Clone, Copy, PartialEq)] pub enum Strictness { Strict, Warn, Ignore }
    pub struct Decoded { pub value: Value, pub api_version: String, pub kind: String, pub warnings: Vec<String> }
    pub fn decode(_e: Encoding, bytes: &[u8], gvk: Option<(&str, &str)>, s: Strictness) -> Result<Decoded, Status> {
        decode_value(serde_json::from_slice(bytes).map_err(|e| Status::bad_request(e.to_string()))?, gvk, s)
    }
    pub fn decode_value(mut value: Value, gvk: Option<(&str, &str)>, _s: Strictness) -> Result<Decoded, Status> {
        if let Some((v, k)) = gvk && let Value::Object(m) = &mut value {
            m.entry("apiVersion").or_insert(v.into()); m.entry("kind").or_insert(k.into());
        }
        let t = |m: &str| value.get(m).and_then(Value::as_str).unwrap_or("").to_string();
        Ok(Decoded { api_version: t("apiVersion"), kind: t("kind"), warnings: vec![], value })
    }
    pub fn normalize(_ty: super::schema::TypeRef, _value: &mut Value) {}
    pub fn apply_defaults(_ty: super::schema::TypeRef, _value: &mut Value) {}
}
pub mod selector {
    use cove_kube_api::status::Status;
    use serde_json::Value;
    pub struct LabelSelector(Vec<(String, String)>);
    impl LabelSelector {
        pub fn parse(s: &str) -> Result<Self, Status> { Ok(Self(s.split(',').filter_map(|p| p.split_once('=')).map(|(a, b)| (a.into(), b.trim_start_matches('=').into())).collect())) }
        pub fn matches(&self, labels: &Value) -> bool { self.0.iter().all(|(k, v)| labels.get(k).and_then(Value::as_str) == Some(v)) }
        pub fn from_json(v: &Value) -> Result<Self, Status> { Ok(Self(v["matchLabels"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").into())).collect())) }
    }
    pub struct FieldSelector(Vec<(String, String)>);
    impl FieldSelector {
        pub fn parse(_k: &super::kinds::Kind, s: &str) -> Result<Self, Status> { Ok(Self(LabelSelector::parse(s)?.0)) }
        pub fn matches(&self, o: &Value) -> bool { self.0.iter().all(|(k, v)| k.split('.').fold(o, |o, m| o.get(m).unwrap_or(&Value::Null)).as_str().unwrap_or("") == v) }
    }
}
pub mod patch {
    use cove_kube_api::{door::PatchKind, status::Status};
    use serde_json::Value;
    pub fn apply(_k: PatchKind, _ty: super::schema::TypeRef, current: &Value, patch: &Value) -> Result<Value, Status> {
        fn merge(t: &mut Value, p: &Value) {
            let Value::Object(p) = p else { *t = p.clone(); return };
            if !t.is_object() { *t = Value::Object(Default::default()); }
            for (k, v) in p { if v.is_null() { t.as_object_mut().unwrap().remove(k); } else { merge(t.as_object_mut().unwrap().entry(k).or_insert(Value::Null), v) } }
        }
        let mut c = current.clone(); merge(&mut c, patch); Ok(c)
    }
}
pub mod meta_rules {
    use cove_kube_api::field_error::FieldError;
    use serde_json::Value;
    pub fn validate_meta(_kind: &super::kinds::Kind, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> { vec![] }
}
