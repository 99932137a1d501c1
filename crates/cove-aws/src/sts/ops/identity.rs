//! Who the caller is.

use cove_aws_wire::door::Principal;
use cove_aws_wire::fault::Fault;
use cove_base::arn::{ACCOUNT, Arn};
use serde::{Deserialize, Serialize};

use crate::operation::Cx;

/// `GetCallerIdentity` takes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The caller as STS names it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    /// The unique id; for a session `ROLEID:SESSION`.
    pub user_id: String,
    /// The account.
    pub account: &'static str,
    /// The ARN; for a session the STS one, without the role's path.
    pub arn: String,
}

/// `GetCallerIdentity`.
pub async fn get_caller_identity(cx: Cx, _: Nothing) -> Result<Identity, Fault> {
    identity(&cx.caller.principal)
        .ok_or_else(|| Fault::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"))
}

fn identity(principal: &Principal) -> Option<Identity> {
    let (user_id, arn) = match principal {
        Principal::Root => (ACCOUNT.into(), Arn::iam("root").to_string()),
        Principal::User { arn, id, .. } => (id.clone(), arn.clone()),
        Principal::Role { name, id, session_name, .. } => (
            format!("{id}:{session_name}"),
            Arn::new("sts", "", format!("assumed-role/{name}/{session_name}")).to_string(),
        ),
        Principal::Service(name) => (name.clone(), Arn::new("sts", "", format!("assumed-service/{name}")).to_string()),
        Principal::Anonymous => return None,
    };
    Some(Identity { user_id, account: ACCOUNT, arn })
}
