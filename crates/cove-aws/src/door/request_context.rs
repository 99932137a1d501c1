//! Condition keys of a request: the global ones, those of the principal, those that a permission's row names.

use cove_aws_wire::door::{AwsRequest, Caller, Principal};
use cove_base::Timestamp;
use cove_base::arn::ACCOUNT;
use cove_policy::Context;
use serde_json::Value;

use crate::door::identities::AppliedPolicies;
use crate::door::input_paths::texts;
use crate::operation::Permission;

/// The keys that hold for all permissions of a call.
pub fn of_request(request: &AwsRequest, policies: &AppliedPolicies, now: Timestamp) -> Context {
    let mut context = Context::default();
    of_principal(&request.caller.principal, policies, &mut context);
    of_connection(&request.caller, &mut context);
    context.add("aws:CurrentTime", now.rfc3339());
    context.add("aws:EpochTime", now.as_secs().to_string());
    context.add("aws:RequestedRegion", &request.region);
    context.add("aws:ViaAWSService", "false");
    context.add("aws:PrincipalIsAWSService", "false");
    of_tags(&request.input, &mut context);
    context
}

fn of_principal(principal: &Principal, policies: &AppliedPolicies, context: &mut Context) {
    let (arn, kind) = match principal {
        Principal::Role { role_arn, .. } => (role_arn.clone(), "AssumedRole"),
        Principal::User { .. } => (principal.arn(), "User"),
        Principal::Root => (principal.arn(), "Account"),
        Principal::Service(_) | Principal::Anonymous => (principal.arn(), "Anonymous"),
    };
    context.add("aws:PrincipalArn", arn);
    context.add("aws:PrincipalType", kind);
    context.add("aws:PrincipalAccount", ACCOUNT);
    context.add("aws:userid", principal.user_id());
    if let Principal::User { name, .. } = principal {
        context.add("aws:username", name);
    }
    // A session's tags override the role's.
    let mut tags = policies.tags.clone();
    if let Principal::Role { tags: session_tags, .. } = principal {
        tags.extend(session_tags.clone());
    }
    tags.iter().for_each(|(key, value)| context.add(&format!("aws:PrincipalTag/{key}"), value));
}

fn of_connection(caller: &Caller, context: &mut Context) {
    context.add("aws:SecureTransport", caller.secure_transport.to_string());
    context.add("aws:UserAgent", &caller.user_agent);
    if let Some(address) = caller.source_ip {
        context.add("aws:SourceIp", address.to_string());
    }
    if let Some(session) = &caller.session {
        context.add("aws:TokenIssueTime", session.issued.rfc3339());
        context.add("aws:MultiFactorAuthPresent", "false");
    }
}

/// `aws:RequestTag/KEY` and `aws:TagKeys`, in the ways in which inputs carry tags.
fn of_tags(input: &Value, context: &mut Context) {
    let mut tag = |key: &str, value: &str| {
        context.add(&format!("aws:RequestTag/{key}"), value);
        context.add("aws:TagKeys", key);
    };
    if let Some(Value::Object(tags)) = input.get("tags") {
        tags.iter().for_each(|(key, value)| tag(key, value.as_str().unwrap_or_default()));
    }
    let specifications = input.get("TagSpecifications").and_then(Value::as_array).into_iter().flatten();
    let lists = specifications.chain([input]).filter_map(|holder| holder.get("Tags")?.as_array());
    for item in lists.flatten() {
        let text = |member: &str| item.get(member).and_then(Value::as_str).unwrap_or_default();
        tag(text("Key"), text("Value"));
    }
    for path in ["tagKeys", "TagKeys"] {
        texts(input, path).iter().for_each(|key| context.add("aws:TagKeys", key));
    }
}

/// The keys of one permission of the call.
pub fn of_permission(base: &Context, permission: &Permission, request: &AwsRequest) -> Context {
    let mut context = base.clone();
    for (key, path) in permission.conditions {
        texts(&request.input, path).iter().for_each(|value| context.add(key, value));
    }
    match permission.action {
        "iam:PassRole" if context.get("iam:PassedToService").is_none() => {
            // A role goes into an instance profile for EC2 to take it out.
            let service = if request.service == "iam" { "ec2" } else { &request.service };
            context.add("iam:PassedToService", format!("{service}.amazonaws.com"));
        }
        "ec2:CreateTags" if request.operation != "CreateTags" => context.add("ec2:CreateAction", &request.operation),
        _ => {}
    }
    context
}
