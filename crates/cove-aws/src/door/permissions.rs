//! Whether a caller may do an operation: every permission of its row, on every resource that it names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cove_aws_wire::door::{AwsRequest, Principal};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{OperationModel, Protocol};
use cove_aws_wire::sigv4::SignatureError;
use cove_base::Timestamp;
use cove_policy::{Decision, Denial, Document, Kind, Malformed, Policies, PolicyType, Request, authorize};

use crate::door::denial::Refused;
use crate::door::identities::{AppliedPolicies, AppliedPolicy, Identities};
use crate::door::input_paths::{is_given, resources};
use crate::door::request_context;
use crate::operation::Operation;

/// Documents kept in their parsed form; beyond it the cache starts anew.
const MAX_PARSED: usize = 1_000;

/// Parsed documents by their text. Not truth, only work saved.
#[derive(Default)]
pub struct Parsed(Mutex<BTreeMap<String, Result<Arc<Document>, Malformed>>>);

impl Parsed {
    fn document(&self, text: &str) -> Result<Arc<Document>, Malformed> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = kept.get(text) {
            return document.clone();
        }
        if kept.len() >= MAX_PARSED {
            kept.clear();
        }
        let document = Document::parse(text, Kind::Identity).map(Arc::new);
        kept.insert(text.into(), document.clone());
        document
    }

    /// A policy that cannot be read would hide its denials, so the call fails.
    fn all(&self, policies: &[AppliedPolicy]) -> Result<Vec<Arc<Document>>, Fault> {
        let read = |policy: &AppliedPolicy| {
            self.document(&policy.document)
                .map_err(|e| Fault::internal(format!("policy {}: {e}", policy.arn.as_deref().unwrap_or("(inline)"))))
        };
        policies.iter().map(read).collect()
    }
}

/// What checking needs.
pub struct Check<'a> {
    /// IAM.
    pub identities: &'a dyn Identities,
    /// Parsed documents.
    pub parsed: &'a Parsed,
    /// The service's protocol, for the words of a denial.
    pub protocol: Protocol,
    /// The time of the call.
    pub now: Timestamp,
}

impl Check<'_> {
    /// Refuses a call that its caller may not make. Root and services may do everything; nobody may do what AWS takes
    /// without a signature.
    pub async fn permitted(
        &self,
        request: &AwsRequest,
        operation: &Operation,
        model: &OperationModel,
    ) -> Result<(), Fault> {
        match &request.caller.principal {
            Principal::Root | Principal::Service(_) => return Ok(()),
            Principal::Anonymous if model.unsigned => return Ok(()),
            Principal::Anonymous => return Err(SignatureError::Missing.fault(self.protocol)),
            Principal::User { .. } | Principal::Role { .. } => {}
        }
        if operation.permissions.is_empty() {
            return Ok(());
        }
        let applied = self.identities.policies_of(&request.caller.principal).await?;
        self.evaluate(request, operation, &applied)
    }

    fn evaluate(&self, request: &AwsRequest, operation: &Operation, applied: &AppliedPolicies) -> Result<(), Fault> {
        let session: Vec<AppliedPolicy> =
            request.caller.session.iter().flat_map(|s| &s.policies).map(|d| inline(d)).collect();
        let identity = self.parsed.all(&applied.identity)?;
        let boundary = self.parsed.all(applied.boundary.as_slice())?;
        let session = self.parsed.all(&session)?;
        let identity: Vec<&Document> = identity.iter().map(Arc::as_ref).collect();
        let session: Vec<&Document> = session.iter().map(Arc::as_ref).collect();
        let policies = Policies { identity: &identity, boundary: boundary.first().map(Arc::as_ref), session: &session };
        let base = request_context::of_request(request, applied, self.now);
        let needed = |only_if: &str| only_if.is_empty() || is_given(&request.input, only_if);
        for permission in operation.permissions.iter().filter(|p| needed(p.only_if)) {
            let context = request_context::of_permission(&base, permission, request);
            let all = permission.resources.iter().flat_map(|t| resources(t, &request.input, &request.region));
            for resource in all {
                let asked = Request { action: permission.action, resource: &resource, context: &context };
                if let Decision::Denied(denial) = authorize(policies, asked) {
                    return Err(self.refusal(request, permission.action, &resource, denial, applied));
                }
            }
        }
        Ok(())
    }

    fn refusal(
        &self,
        request: &AwsRequest,
        action: &str,
        resource: &str,
        denial: Denial,
        applied: &AppliedPolicies,
    ) -> Fault {
        let policy = match (denial.policy_type, denial.explicit) {
            (PolicyType::Identity, Some(matched)) => applied.identity.get(matched.policy),
            (PolicyType::Boundary, Some(_)) => applied.boundary.as_ref(),
            _ => None,
        };
        let principal = request.caller.principal.arn();
        let policy_arn = policy.and_then(|p| p.arn.as_deref());
        Refused { principal: &principal, action, resource, denial, policy_arn }.fault(self.protocol)
    }
}

fn inline(document: &str) -> AppliedPolicy {
    AppliedPolicy { arn: None, document: document.into() }
}
