//! Client tokens: the same token with the same input gives the same answer, with another input it is refused.
//!
//! The answer is kept in the region's space under `door/token/<service>/<operation>/<principal>/<token>` for a day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use cove_aws_wire::door::AwsRequest;
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{OperationModel, Protocol};
use cove_base::Timestamp;
use cove_base::runtime::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operation::Cx;
use crate::records::{Records, Resource};

const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Serialize, Deserialize)]
struct Answer {
    key: String,
    input: String,
    output: Value,
    given: Timestamp,
}

impl Resource for Answer {
    const KIND: &'static str = "door/token";
    fn id(&self) -> String {
        self.key.clone()
    }
}

/// Calls under way, so that a resent request waits for the first instead of doing it twice.
#[derive(Default)]
pub struct UnderWay(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl UnderWay {
    fn lock_of(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Locks that nobody holds or waits for are of no more use.
        all.retain(|_, lock| Arc::strong_count(lock) > 1);
        all.entry(key.into()).or_default().clone()
    }
}

/// The key of a call that carries a token; `None` for all others.
pub fn key(request: &AwsRequest, model: &OperationModel) -> Option<String> {
    let token = model.idempotency_tokens.iter().find_map(|member| request.input.get(member)?.as_str())?;
    let principal = request.caller.principal.user_id();
    // Hashed, since a token is the client's own text.
    let hash = hash(&format!("{principal}/{token}"));
    Some(format!("{}/{}/{hash}", request.service, request.operation))
}

/// Does a call once per token.
pub async fn once(
    under_way: &UnderWay,
    cx: &Cx,
    key: String,
    input: &Value,
    protocol: Protocol,
    run: impl FnOnce() -> BoxFuture<Result<Value, Fault>>,
) -> Result<Value, Fault> {
    let lock = under_way.lock_of(&key);
    let _held = lock.lock().await;
    let answers: Records<Answer> = cx.records().await?;
    let input = hash(&input.to_string());
    let known = answers.get(&key).await?.filter(|a| cx.rt.now().since(a.value.given) < KEPT_FOR);
    match known.map(|a| a.value) {
        Some(answer) if answer.input == input => return Ok(answer.output),
        Some(_) => return Err(mismatch(protocol)),
        None => {}
    }
    let output = run().await?;
    let answer = Answer { key, input, output: output.clone(), given: cx.rt.now() };
    if !answers.create(&answer).await? {
        answers
            .update(&answer.key.clone(), |old| {
                *old = answer.clone();
                Ok(())
            })
            .await?;
    }
    Ok(output)
}

/// Forgets answers that are too old to matter.
pub async fn forget_old(cx: &Cx) -> Result<(), Fault> {
    let answers: Records<Answer> = cx.records().await?;
    for answer in answers.list().await? {
        if cx.rt.now().since(answer.given) >= KEPT_FOR {
            answers.delete(&answer.key).await?;
        }
    }
    Ok(())
}

fn mismatch(protocol: Protocol) -> Fault {
    const TEXT: &str = "The request uses the same client token as a previous, but non-identical request.";
    match protocol {
        Protocol::Ec2 => Fault::client("IdempotentParameterMismatch", TEXT),
        Protocol::Query => Fault::client("IdempotentParameterMismatchError", TEXT),
        Protocol::RestJson | Protocol::Json => Fault::client("InvalidParameterException", TEXT),
    }
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
