//! Random objects made from the schema table: what is written is read again, in JSON and in protobuf; and no bytes break it.

use std::collections::BTreeSet;

use cove_kube_api::decode::{Strictness, decode, decode_value, normalize};
use cove_kube_api::door::Encoding;
use cove_kube_api::protobuf;
use cove_kube_api::schema::{Custom, Field, FieldKind, Role, Type, TypeRef, schema};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A small generator: objects follow from one number.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn text(&mut self) -> String {
        let words = ["a", "node-1", "ümlaut", "x y", "\u{1F600}", "UPPER", "\"quoted\"", "line\nbreak"];
        words[self.below(8) as usize].to_string()
    }

    fn structure(&mut self, ty: TypeRef, depth: u32) -> Value {
        let info = schema().get(ty);
        if info.custom != Custom::No {
            return self.custom(info, depth);
        }
        let mut map = Map::new();
        let own =
            info.fields().iter().filter(|f| !(f.json == "kind" || f.json == "apiVersion") || info.role == Role::Part);
        for field in own {
            if self.below(3) == 0 || depth == 0 {
                map.insert(field.json.into(), self.field(field, depth));
            }
        }
        map.into()
    }

    fn custom(&mut self, info: &Type, depth: u32) -> Value {
        let inner = info.fields().iter().find_map(|f| f.type_ref);
        let one = inner.map_or(json!({}), |ty| if depth < 8 { self.structure(ty, depth + 1) } else { json!({}) });
        match (info.custom, self.below(2)) {
            (_, 0) => one,
            (Custom::SchemaOrBool, _) => json!(self.below(2) == 0),
            (Custom::SchemaOrArray, _) => json!([one]),
            _ => json!([self.text()]),
        }
    }

    fn field(&mut self, field: &'static Field, depth: u32) -> Value {
        match field.kind {
            FieldKind::List => (0..=self.below(2)).map(|_| self.element(field, depth)).collect(),
            FieldKind::Map => {
                let entries = (0..=self.below(2)).map(|i| (format!("{i}-{}", self.text()), self.element(field, depth)));
                entries.collect::<Map<_, _>>().into()
            }
            kind => self.value(kind, field.type_ref, depth),
        }
    }

    fn element(&mut self, field: &'static Field, depth: u32) -> Value {
        match field.elem {
            Some(FieldKind::List) => json!([self.text()]),
            kind => self.value(kind.unwrap_or(FieldKind::Any), field.type_ref, depth),
        }
    }

    fn value(&mut self, kind: FieldKind, ty: Option<TypeRef>, depth: u32) -> Value {
        match kind {
            FieldKind::String => self.text().into(),
            FieldKind::Bool => (self.below(2) == 0).into(),
            FieldKind::Int32 => (self.below(1 << 32) as i32).into(),
            FieldKind::Int64 => (self.below(u64::MAX) as i64).into(),
            FieldKind::Float64 => json!(self.below(1000) as f64 / 8.0),
            FieldKind::Bytes => ["AA==", "aGVsbG8=", "/+8="][self.below(3) as usize].into(),
            FieldKind::Quantity => ["1", "500m", "1Gi", "0.5", "1e3", "12345"][self.below(6) as usize].into(),
            FieldKind::IntOrString if self.below(2) == 0 => "25%".into(),
            FieldKind::IntOrString => (self.below(70_000) as i32).into(),
            FieldKind::Time => ["2024-02-29T23:59:59Z", "1999-01-01T00:00:00+05:30"][self.below(2) as usize].into(),
            FieldKind::MicroTime => {
                ["2024-02-29T23:59:59.123456Z", "1969-12-31T23:59:59.999999Z"][self.below(2) as usize].into()
            }
            FieldKind::Duration => ["1h30m", "1.5s", "-3ms"][self.below(3) as usize].into(),
            FieldKind::Struct if depth > 8 => json!({}),
            FieldKind::Struct => ty.map(|ty| self.structure(ty, depth + 1)).unwrap_or_default(),
            _ => json!({"z": [1, null, {"a": self.text()}], "a": 1.5}),
        }
    }
}

/// Kinds that have an envelope of their own: those with metadata.
fn kinds() -> Vec<(TypeRef, &'static Type)> {
    let whole = |ty: &Type| matches!(ty.role, Role::Object | Role::List) && !ty.group.starts_with('@');
    let all = schema().types().filter(|(_, ty)| whole(ty) && ty.proto().len() > 1);
    all.filter(|(_, ty)| !matches!(ty.group, "meta.k8s.io" | "apidiscovery.k8s.io")).collect()
}

fn object(seed: u64) -> (TypeRef, Value) {
    let mut random = Random(seed);
    let kinds = kinds();
    let (ty, info) = kinds[random.below(kinds.len() as u64) as usize];
    let mut value = random.structure(ty, 0);
    let slash = if info.group.is_empty() { "" } else { "/" };
    value["apiVersion"] = format!("{}{slash}{}", info.group, info.version).into();
    value["kind"] = info.name.into();
    (ty, value)
}

#[test]
fn there_are_kinds_to_try() {
    assert!(kinds().len() > 250, "{}", kinds().len());
    let tried: BTreeSet<String> = (0..400).map(|seed| object(seed).1["kind"].to_string()).collect();
    assert!(tried.len() > 80, "{}", tried.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(seed in any::<u64>()) {
        let (ty, raw) = object(seed);
        let decoded = decode_value(raw.clone(), None, Strictness::Warn).unwrap();
        prop_assert_eq!(&decoded.warnings, &Vec::<String>::new());
        let text = decoded.value.to_string();
        let from_json = decode(Encoding::Json, raw.to_string().as_bytes(), None, Strictness::Strict).unwrap();
        prop_assert_eq!(&from_json.value.to_string(), &text);
        let again = decode(Encoding::Json, text.as_bytes(), None, Strictness::Strict).unwrap();
        prop_assert_eq!(&again.value.to_string(), &text);
        let bytes = protobuf::encode_object(&decoded.value);
        let from_protobuf = decode(Encoding::Protobuf, &bytes, None, Strictness::Strict).unwrap();
        prop_assert_eq!(&from_protobuf.value.to_string(), &text);
        prop_assert_eq!(&protobuf::encode_object(&from_protobuf.value), &bytes);
        let mut normal = decoded.value.clone();
        normalize(ty, &mut normal);
        prop_assert_eq!(&normal.to_string(), &text);
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300), pick in any::<u64>()) {
        let kinds = kinds();
        let (ty, _) = kinds[(pick % kinds.len() as u64) as usize];
        let _ = protobuf::decode_message(ty, &bytes);
        for encoding in [Encoding::Json, Encoding::Yaml, Encoding::Protobuf] {
            let _ = decode(encoding, &bytes, Some(("v1", "Pod")), Strictness::Strict);
        }
    }

    #[test]
    fn no_damage_breaks_it(seed in any::<u64>(), hits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
        let (_, raw) = object(seed);
        let damage = |mut bytes: Vec<u8>| {
            for (at, byte) in &hits {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            bytes
        };
        let binary = damage(protobuf::encode_object(&raw));
        if let Ok(decoded) = decode(Encoding::Protobuf, &binary, None, Strictness::Strict) {
            protobuf::encode_object(&decoded.value);
        }
        for encoding in [Encoding::Json, Encoding::Yaml] {
            let _ = decode(encoding, &damage(raw.to_string().into_bytes()), None, Strictness::Strict);
        }
    }
}

#[test]
fn nesting_is_bounded_on_a_small_stack() {
    let run = || {
        let head = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":"#;
        for depth in [100, 10_000] {
            let text = format!("{head}{}{{}}{}}}}}]}}}}", r#"{"not":"#.repeat(depth), "}".repeat(depth));
            let result = decode(Encoding::Json, text.as_bytes(), None, Strictness::Strict);
            assert_eq!(result.is_ok(), depth == 100);
            if let Ok(decoded) = result {
                let bytes = protobuf::encode_object(&decoded.value);
                assert_eq!(protobuf::decode(&bytes).as_ref(), Ok(&decoded.value));
            }
        }
        let mut bytes = Vec::new();
        for _ in 0..2_000 {
            // `not` is field 28.
            let mut outer = vec![0xe2, 0x01];
            let mut length = bytes.len();
            while length > 127 {
                outer.push(length as u8 & 0x7f | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.extend(bytes);
            bytes = outer;
        }
        let crd = schema().types().find(|(_, ty)| ty.name == "JSONSchemaProps" && ty.version == "v1").unwrap();
        assert!(protobuf::decode_message(crd.0, &bytes).is_err());
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn small_messages_do_not_become_huge_values() {
    // A million empty containers: two bytes each, and many members each.
    let pod_spec: Vec<u8> = [0x12, 0x00].repeat(1_000_000);
    let spec = schema().types().find(|(_, ty)| ty.name == "PodSpec" && ty.group.is_empty()).unwrap();
    assert_eq!(protobuf::decode_message(spec.0, &pod_spec), Err("the object is too large".into()));
}
