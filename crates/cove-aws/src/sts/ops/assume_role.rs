//! Temporary credentials: AssumeRole and GetSessionToken.
//!
//! A session is not stored: its token says everything, sealed (design section 4).

use std::time::Duration;

use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::door::{Principal, Session};
use cove_aws_wire::fault::Fault;
use cove_base::Timestamp;
use cove_base::arn::{ACCOUNT, Arn};
use cove_policy::trust::{Requester, Trust, trusts};
use cove_policy::{Context, Document, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::iam::authorize;
use crate::iam::documents::{check_identity_policy, size};
use crate::iam::managed::find_policy;
use crate::iam::state::{Role, Tag, key_of};
use crate::operation::Cx;

/// The input of AssumeRole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct AssumeInput {
    role_arn: String,
    role_session_name: String,
    duration_seconds: Option<i64>,
    policy: Option<String>,
    policy_arns: Vec<PolicyArn>,
    tags: Vec<Tag>,
    external_id: Option<String>,
}

/// A managed policy as session policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PolicyArn {
    arn: String,
}

/// What session policies and tags may take together, packed.
const PACKED_BYTES: usize = 2_048;

/// `AssumeRole`.
pub async fn assume_role(cx: Cx, input: AssumeInput) -> Result<Value, Fault> {
    let role = trusted_role(&cx, &input).await?;
    let duration = duration(&cx, &role, input.duration_seconds)?;
    let policies = session_policies(&cx, &input).await?;
    let packed = policies.iter().map(|policy| size(policy)).sum::<usize>()
        + input.tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum::<usize>();
    if packed > PACKED_BYTES {
        let percent = packed * 100 / PACKED_BYTES;
        let message = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
        return Err(Fault::client("PackedPolicyTooLarge", message));
    }
    let principal = Principal::Role {
        name: role.name,
        role_arn: role.arn,
        id: role.id,
        session_name: input.role_session_name,
        tags: input.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
    };
    let mut reply = json!({
        "Credentials": mint(&cx, &principal, duration, policies)?,
        "AssumedRoleUser": { "AssumedRoleId": principal.user_id(), "Arn": principal.arn() },
    });
    if packed > 0 {
        reply["PackedPolicySize"] = json!(packed * 100 / PACKED_BYTES);
    }
    Ok(reply)
}

/// The role, if it trusts the caller; by name, or as part of the account and with an identity policy besides.
async fn trusted_role(cx: &Cx, input: &AssumeInput) -> Result<Role, Fault> {
    let name = input.role_arn.rsplit('/').next().unwrap_or_default();
    let found = cx.global_records::<Role>().await?.get(&key_of(name)).await?.map(|record| record.value);
    // A role that does not exist and one that does not trust the caller look the same from outside.
    let Some(role) = found.filter(|role| role.arn == input.role_arn) else { return Err(denied(cx, input)) };
    let document = Document::parse(&role.trust, Kind::Trust).map_err(Fault::internal)?;
    let mut context = Context::default().with("sts:RoleSessionName", &input.role_session_name);
    if let Some(id) = &input.external_id {
        context.add("sts:ExternalId", id);
    }
    context.add("aws:PrincipalArn", requester_arn(&cx.caller.principal));
    if !input.tags.is_empty() {
        // Tags are an action of their own that the trust policy must allow too.
        match trusts(&document, "sts:TagSession", &requester(&cx.caller.principal), &context) {
            Trust::Named | Trust::Account => {}
            Trust::Denied | Trust::Silent => return Err(denied(cx, input)),
        }
    }
    match trusts(&document, "sts:AssumeRole", &requester(&cx.caller.principal), &context) {
        Trust::Named => Ok(role),
        Trust::Account if cx.caller.principal == Principal::Root => Err(root_may_not()),
        Trust::Account => {
            let tags = json!(input.tags);
            authorize::assume_role(cx, json!({ "RoleArn": role.arn, "Tags": tags })).await?;
            Ok(role)
        }
        Trust::Denied | Trust::Silent => Err(denied(cx, input)),
    }
}

fn root_may_not() -> Fault {
    Fault::new(403, "AccessDenied", "Roles may not be assumed by root accounts.")
}

fn denied(cx: &Cx, input: &AssumeInput) -> Fault {
    let who = match &cx.caller.principal {
        Principal::Service(name) => name.clone(),
        principal => principal.arn(),
    };
    let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {}", input.role_arn);
    Fault::new(403, "AccessDenied", message)
}

/// What `aws:PrincipalArn` is: for a session its role.
fn requester_arn(principal: &Principal) -> String {
    match principal {
        Principal::Role { role_arn, .. } => role_arn.clone(),
        other => other.arn(),
    }
}

fn requester(principal: &Principal) -> Requester {
    match principal {
        Principal::Root => {
            Requester { arns: vec![Arn::iam("root").to_string()], account: ACCOUNT.into(), ..Requester::default() }
        }
        Principal::User { arn, id, .. } => {
            Requester { arns: vec![arn.clone()], id: id.clone(), account: ACCOUNT.into(), ..Requester::default() }
        }
        Principal::Role { role_arn, id, .. } => Requester {
            arns: vec![principal.arn(), role_arn.clone()],
            id: id.clone(),
            account: ACCOUNT.into(),
            ..Requester::default()
        },
        Principal::Service(name) => Requester { service: name.clone(), ..Requester::default() },
        Principal::Anonymous => Requester::default(),
    }
}

fn duration(cx: &Cx, role: &Role, wanted: Option<i64>) -> Result<Duration, Fault> {
    let seconds = wanted.unwrap_or(3600);
    let refused = |message: &str| Err(Fault::client("ValidationError", message));
    let chained = matches!(cx.caller.principal, Principal::Role { .. });
    if chained && seconds > 3600 {
        return refused(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        );
    }
    match u64::try_from(seconds) {
        Ok(seconds) if (900..=role.max_session_s.unsigned_abs()).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Ok(0..900) | Err(_) => refused("DurationSeconds must be at least 900"),
        Ok(_) => refused("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
    }
}

async fn session_policies(cx: &Cx, input: &AssumeInput) -> Result<Vec<String>, Fault> {
    let mut policies = Vec::new();
    if let Some(policy) = &input.policy {
        check_identity_policy(policy)?;
        policies.push(policy.clone());
    }
    for PolicyArn { arn } in &input.policy_arns {
        let Some(policy) = find_policy(cx, arn).await? else {
            return Err(Fault::client("ValidationError", format!("Policy {arn} does not exist or is not attachable.")));
        };
        policies.push(policy.document().to_string());
    }
    Ok(policies)
}

/// The `Credentials` shape of a new session.
fn mint(cx: &Cx, principal: &Principal, duration: Duration, policies: Vec<String>) -> Result<Value, Fault> {
    let issued = cx.rt.now();
    let expires = Timestamp::from_secs((issued + duration).as_secs());
    let session = Session { issued, expires, policies };
    let Credentials { access_key_id, secret_access_key, session_token } =
        cx.sessions.mint(principal, &session).map_err(Fault::internal)?;
    Ok(json!({
        "AccessKeyId": access_key_id,
        "SecretAccessKey": secret_access_key,
        "SessionToken": session_token,
        "Expiration": expires.as_secs(),
    }))
}

/// The input of GetSessionToken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct SessionInput {
    duration_seconds: Option<u64>,
}

/// `GetSessionToken`: the same user or root, for a while.
pub async fn get_session_token(cx: Cx, input: SessionInput) -> Result<Value, Fault> {
    let longest = match &cx.caller.principal {
        Principal::User { .. } => 129_600,
        Principal::Root => 3_600,
        _ => {
            let message = "Cannot call GetSessionToken with session credentials";
            return Err(Fault::new(403, "AccessDenied", message));
        }
    };
    if cx.caller.session.is_some() {
        let message = "Cannot call GetSessionToken with session credentials";
        return Err(Fault::new(403, "AccessDenied", message));
    }
    let seconds = input.duration_seconds.unwrap_or(43_200).min(longest).max(900);
    let credentials = mint(&cx, &cx.caller.principal.clone(), Duration::from_secs(seconds), Vec::new())?;
    Ok(json!({ "Credentials": credentials }))
}
