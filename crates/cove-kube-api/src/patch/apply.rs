//! Any patch, by its kind.

use serde_json::Value;

use crate::door::PatchKind;
use crate::schema::TypeRef;
use crate::status::Status;

use super::{apply_json, apply_merge, apply_strategic};

/// `current`, an object of type `ty`, after a patch. The result is not yet decoded, defaulted or validated.
pub fn apply(kind: PatchKind, ty: TypeRef, current: &Value, patch: &Value) -> Result<Value, Status> {
    match kind {
        PatchKind::Json => apply_json(current, patch),
        PatchKind::Merge if !patch.is_object() => {
            Err(Status::bad_request("error decoding patch: a merge patch must be an object"))
        }
        PatchKind::Merge => Ok(apply_merge(current, patch)),
        PatchKind::Strategic => apply_strategic(ty, current, patch),
        PatchKind::Apply => Err(Status::new(
            415,
            "UnsupportedMediaType",
            "Cove does not implement server-side apply yet: application/apply-patch+yaml is refused",
        )),
    }
}
