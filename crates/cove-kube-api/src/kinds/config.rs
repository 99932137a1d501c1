//! ConfigMap, Secret, ServiceAccount: defaults, validation and immutability.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::names;

use super::fill::each;
use super::rules::{At, Errors};
use super::table_rules::{BASE, Rules};

/// The most that all values of a ConfigMap or Secret may hold.
const MAX_BYTES: usize = 1024 * 1024;

pub(super) const CONFIG_MAP: Rules = Rules { create: |_| {}, validate: config_map, change: config_map_change, ..BASE };

pub(super) const SECRET: Rules =
    Rules { default: merge_string_data, create: |_| {}, validate: secret, change: secret_change, ..BASE };

pub(super) const SERVICE_ACCOUNT: Rules = Rules {
    create: keep_secret_names,
    update: |new, _, _| keep_secret_names(new),
    warn: service_account_warnings,
    ..BASE
};

/// The length of the bytes that base64 text stands for.
fn decoded_length(text: &str) -> usize {
    text.len() / 4 * 3 - text.bytes().rev().take_while(|b| *b == b'=').count().min(2)
}

fn config_map(map: &At<'_>, errors: &mut Errors) {
    let (data, binary) = (map.get("data"), map.get("binaryData"));
    let mut bytes = 0;
    for (key, at) in data.entries() {
        errors.key_messages(key, &at, names::config_key(key));
        if binary.value.get(key).is_some() {
            errors.key_messages(key, &at, vec!["duplicate of key present in binaryData".into()]);
        }
        bytes += at.text().len();
    }
    for (key, at) in binary.entries() {
        errors.key_messages(key, &at, names::config_key(key));
        bytes += if at.text().len() < 4 { 0 } else { decoded_length(at.text()) };
    }
    if bytes > MAX_BYTES {
        errors.too_long(&At::new(&Value::Null, "[]"), MAX_BYTES);
    }
}

fn config_map_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    frozen(new, old, &["data", "binaryData"], errors);
}

/// Once `immutable` is set, it and the data stay.
fn frozen(new: &At<'_>, old: &At<'_>, members: &[&str], errors: &mut Errors) {
    const WHY: &str = "field is immutable when `immutable` is set";
    if !old.flag_of("immutable") {
        return;
    }
    if !new.flag_of("immutable") {
        errors.forbidden(&new.get("immutable"), WHY);
    }
    for member in members {
        let (new, old) = (new.get(member), old.get(member));
        if new.value != old.value && !(new.is_empty() && old.is_empty()) {
            errors.forbidden(&new, WHY);
        }
    }
}

/// `stringData` is for writing only: it joins `data` and wins.
fn merge_string_data(secret: &mut Value) {
    let Value::Object(map) = secret else { return };
    let Some(Value::Object(strings)) = map.shift_remove("stringData") else { return };
    if strings.is_empty() {
        return;
    }
    let data = map.entry("data").or_insert_with(|| json!({}));
    if !data.is_object() {
        *data = json!({});
    }
    if let Value::Object(data) = data {
        for (key, value) in strings {
            data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
        }
    }
}

fn secret(secret: &At<'_>, errors: &mut Errors) {
    let data = secret.get("data");
    let mut bytes = 0;
    for (key, at) in data.entries() {
        errors.key_messages(key, &at, names::config_key(key));
        bytes += if at.text().len() < 4 { 0 } else { decoded_length(at.text()) };
    }
    if bytes > MAX_BYTES {
        errors.too_long(&data, MAX_BYTES);
    }
    let need = |errors: &mut Errors, keys: &[&str]| {
        for key in keys.iter().filter(|k| data.value.get(**k).is_none()) {
            errors.required(&At::new(&Value::Null, format!("data[{key}]")), "");
        }
    };
    match secret.text_of("type") {
        "kubernetes.io/service-account-token" => {
            const KEY: &str = "kubernetes.io/service-account.name";
            let annotations = secret.get("metadata.annotations");
            if annotations.text_of(KEY).is_empty() {
                errors.required(&At::new(&Value::Null, format!("metadata.annotations[{KEY}]")), "");
            }
        }
        "kubernetes.io/dockercfg" => docker(&data, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker(&data, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if data.value.get("username").is_none() && data.value.get("password").is_none() => {
            need(errors, &["username", "password"]);
        }
        "kubernetes.io/ssh-auth" => need(errors, &["ssh-privatekey"]),
        "kubernetes.io/tls" => need(errors, &["tls.crt", "tls.key"]),
        _ => {}
    }
}

fn docker(data: &At<'_>, key: &str, errors: &mut Errors) {
    let at = At { value: data.value.get(key).unwrap_or(&Value::Null), path: format!("data[{key}]") };
    if !at.is_set() {
        return errors.required(&at, "");
    }
    let bytes = STANDARD.decode(at.text()).unwrap_or_default();
    if let Err(error) = serde_json::from_slice::<Map<String, Value>>(&bytes) {
        let why = if error.is_eof() { "unexpected end of JSON input".to_string() } else { error.to_string() };
        errors.invalid(&At::new(&"<secret contents redacted>".into(), at.path), why);
    }
}

fn secret_change(new: &At<'_>, old: &At<'_>, errors: &mut Errors) {
    errors.immutable(&new.get("type"), &old.get("type"));
    frozen(new, old, &["data"], errors);
}

fn keep_secret_names(account: &mut Value) {
    each(account, "secrets[]", &mut |reference| reference.retain(|member, _| member == "name"));
}

fn service_account_warnings(account: &At<'_>) -> Vec<String> {
    const KEY: &str = "kubernetes.io/enforce-mountable-secrets";
    let set = account.get("metadata.annotations").value.get(KEY).is_some();
    let text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
    if set { vec![format!("metadata.annotations[{KEY}]: {text}")] } else { Vec::new() }
}
