//! Permissions that depend on what an operation finds in its records (the role within an instance profile, the role
//! that is taken on), so that its row cannot name them. The door's own check, over the door's own sources.

use std::sync::Arc;

use cove_aws_wire::door::AwsRequest;
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::entry;
use serde_json::{Value, json};

use super::identities::StoredIdentities;
use crate::door::permissions::{Check, Parsed};
use crate::input::permit;
use crate::operation::{Cx, Operation, Permission};

/// `iam:PassRole` on a role, as `service` (botocore's name) asks for it.
pub async fn pass_role(cx: &Cx, service: &str, role_arn: &str) -> Result<(), Fault> {
    const PASS: &[Permission] = &[permit!("iam:PassRole", ["${RoleArn}"])];
    check(cx, service, "RunInstances", PASS, json!({ "RoleArn": role_arn })).await
}

/// `sts:AssumeRole` on a role, and `sts:TagSession` if the input has tags.
pub async fn assume_role(cx: &Cx, input: Value) -> Result<(), Fault> {
    const ASSUME: &[Permission] =
        &[permit!("sts:AssumeRole", ["${RoleArn}"]), permit!("sts:TagSession", ["${RoleArn}"], [], if "Tags")];
    check(cx, "sts", "AssumeRole", ASSUME, input).await
}

async fn check(
    cx: &Cx,
    service: &str,
    operation: &'static str,
    permissions: &'static [Permission],
    input: Value,
) -> Result<(), Fault> {
    let Some(entry) = entry(service) else { return Err(Fault::internal(format!("no model of {service}"))) };
    let Some(model) = entry.model().operation(operation) else {
        return Err(Fault::internal(format!("no model of {service}:{operation}")));
    };
    let identities = Arc::new(StoredIdentities::new(cx.store.clone()));
    let parsed = Parsed::default();
    let check = Check { identities: &*identities, parsed: &parsed, protocol: entry.protocol, now: cx.rt.now() };
    let request = AwsRequest {
        caller: cx.caller.clone(),
        region: cx.region.clone(),
        service: service.into(),
        operation: operation.into(),
        input,
        request_id: cx.request_id.clone(),
    };
    let row = Operation { name: operation, permissions, run: |_, input| Box::pin(async move { Ok(input) }) };
    check.permitted(&request, &row, model).await
}
