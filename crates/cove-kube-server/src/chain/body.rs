//! From the body of a request to a value in the storage version: decoding, its warnings, and the checks of kind.

use cove_kube_api::door::{Body, Verb};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::api::decode::{self, Decoded, Strictness};
use crate::api::kinds::Kind;
use crate::chain::call::Call;
use crate::convert;
use crate::kind_rules::api_version;

/// How strictly the call wants its body read.
pub fn strictness(call: &Call) -> Result<Strictness, Status> {
    let word = call.options.field_validation.as_str();
    Strictness::from_parameter(word).ok_or_else(|| {
        let error = FieldError::not_supported("fieldValidation", word, &["", "Ignore", "Strict", "Warn"]);
        let options = match call.verb {
            Verb::Create => "CreateOptions",
            Verb::Patch => "PatchOptions",
            _ => "UpdateOptions",
        };
        Status::invalid("meta.k8s.io", options, "", &[error])
    })
}

/// Reads a body as `group/version kind`. A body that does not say what it is counts as that.
pub fn read(body: &Body, group: &str, version: &str, kind: &str, how: Strictness) -> Result<Decoded, Status> {
    let expected = api_version(group, version);
    let default = Some((expected.as_str(), kind));
    match body {
        Body::Value(value) => decode::decode_value(value.clone(), default, how),
        Body::Bytes(encoding, bytes) => decode::decode(*encoding, bytes, default, how),
        Body::None | Body::Patch(..) | Body::PatchBytes(..) => {
            Err(Status::bad_request("the request has no body that holds an object"))
        }
    }
}

/// The object of a create or update, in the storage version.
pub fn object(call: &mut Call, body: &Body) -> Result<Value, Status> {
    let how = strictness(call)?;
    let decoded = read(body, call.kind.group, call.kind.version, call.kind.kind, how)?;
    call.warnings.extend(decoded.warnings);
    Ok(convert::to_storage(call.kind, call.storage, decoded.value))
}

/// The result of a patch, in the storage version.
pub fn patched(call: &mut Call, value: Value, patch: &Value, kind: &Kind) -> Result<Value, Status> {
    let how = strictness(call)?;
    let expected = api_version(kind.group, kind.version);
    let decoded = decode::decode_value(value, Some((&expected, kind.kind)), how);
    let decoded = decoded.map_err(|status| strict_patch(status, patch))?;
    for warning in decoded.warnings {
        if !call.warnings.contains(&warning) {
            call.warnings.push(warning);
        }
    }
    Ok(convert::to_storage(call.kind, call.storage, decoded.value))
}

/// Upstream blames the patch, not the object, for what a strict reading finds.
fn strict_patch(status: Status, patch: &Value) -> Status {
    match status.message.find("strict decoding error: ") {
        Some(at) => {
            let error = FieldError::invalid("patch", &patch.to_string(), &status.message[at..]);
            Status::invalid("", "", "", &[error])
        }
        None => status,
    }
}

/// Reads `DeleteOptions`. Clients send them in `v1` or, as client-go does, in the version of the resource.
pub fn read_options(body: &Body, how: Strictness) -> Result<Decoded, Status> {
    let default = Some(("v1", "DeleteOptions"));
    let decoded = match body {
        Body::Value(value) => decode::decode_value(value.clone(), default, how)?,
        Body::Bytes(encoding, bytes) => decode::decode(*encoding, bytes, default, how)?,
        _ => return Err(Status::bad_request("the request has no body that holds an object")),
    };
    if decoded.kind != "DeleteOptions" {
        return Err(Status::bad_request(format!("expected DeleteOptions, but the body is a {}", decoded.kind)));
    }
    Ok(decoded)
}
