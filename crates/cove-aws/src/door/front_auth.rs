//! Who sends an HTTP request: its signature, checked with the secret behind its access key.

use std::net::IpAddr;

use cove_aws_wire::credentials::KeyLookup;
use cove_aws_wire::door::{Caller, Principal};
use cove_aws_wire::protocol::HttpRequest;
use cove_aws_wire::sigv4::{Presented, SignatureError, check_claims, check_signature};
use cove_base::Timestamp;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The peer.
    pub source_ip: IpAddr,
    /// Whether over TLS.
    pub secure: bool,
}

/// The caller of a signed request. `signing_name` is the service that the request was routed to.
pub async fn authenticate(
    request: &HttpRequest,
    presented: &Presented,
    signing_name: &str,
    keys: &dyn KeyLookup,
    origin: Origin,
    now: Timestamp,
) -> Result<Caller, SignatureError> {
    check_claims(presented, signing_name, now)?;
    let key = keys.known_key(&presented.access_key_id, presented.session_token.as_deref()).await?;
    check_signature(request, presented, &key.secret_access_key)?;
    let caller = caller(key.principal, request, origin);
    Ok(Caller { access_key_id: presented.access_key_id.clone(), session: key.session, ..caller })
}

/// The caller of an operation that needs no signature.
pub fn anonymous(request: &HttpRequest, origin: Origin) -> Caller {
    caller(Principal::Anonymous, request, origin)
}

fn caller(principal: Principal, request: &HttpRequest, origin: Origin) -> Caller {
    Caller {
        source_ip: Some(origin.source_ip),
        secure_transport: origin.secure,
        user_agent: request.header("user-agent").into(),
        ..Caller::in_process(principal)
    }
}
