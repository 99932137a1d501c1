//! What is not an object by itself: subresources with a form of their own, and the reviews, which are never stored.
//!
//! [`dispatch`] is asked before the generic verbs; `status` and other parts of an object take the generic path.

pub mod binding;
pub mod eviction;
pub mod reviews;
pub mod scale;
pub mod token;

use cove_kube_api::door::{Body, Reply, Response, Verb};
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::chain::call::Call;
use crate::server::ApiServer;

/// Answers a call that this module knows; `None` for those of the generic verbs.
pub async fn dispatch(server: &ApiServer, call: &mut Call, body: &Body) -> Option<Result<Response, Status>> {
    let key = (call.kind.plural, call.sub());
    Some(match key {
        (_, "scale") => scale::scale(server, call, body).await,
        ("pods", "binding") | ("bindings", "") => binding::bind(server, call, body).await,
        ("pods", "eviction") => eviction::evict(server, call, body).await,
        ("serviceaccounts", "token") => token::request(server, call, body).await,
        (_, "log" | "exec" | "attach" | "portforward" | "proxy") => Err(not_a_stream(call)),
        ("componentstatuses", _) => Err(refused("componentstatuses, which upstream has deprecated since 1.19")),
        _ if call.kind.etcd_prefix.is_empty() && call.verb == Verb::Create => reviews::review(server, call, body).await,
        _ => return None,
    })
}

/// A refusal by name.
pub fn refused(what: &str) -> Status {
    Status::new(501, "NotImplemented", format!("Cove does not serve {what}"))
}

/// Streams are answered by the HTTP front, which asks the node ports; the door has no form for them.
fn not_a_stream(call: &Call) -> Status {
    refused(&format!("{}/{} through this door: it is a stream of the HTTPS endpoint", call.kind.plural, call.sub()))
}

/// The `Status` of success that some subresources answer with.
pub fn success(call: &mut Call) -> Response {
    let status: Value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Response { reply: Reply::Success(status), created: true, warnings: std::mem::take(&mut call.warnings) }
}
