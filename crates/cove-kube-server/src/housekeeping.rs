//! What goes by itself: events an hour after they were last written.
//!
//! The region starts it once per cluster with [`start`]. It deletes through the chain, as the API server itself.

use std::sync::Arc;

use cove_base::runtime::AbortOnDrop;
use cove_base::time::Timestamp;
use cove_kube_api::door::{Body, KubeDoor, Options, Request, Target, Verb};
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::bootstrap::myself;
use crate::limits;
use crate::server::ApiServer;
use crate::value::time;

/// Where an event says when it was last seen.
const SEEN: &[&[&str]] =
    &[&["metadata", "creationTimestamp"], &["lastTimestamp"], &["eventTime"], &["series", "lastObservedTime"]];

/// Runs until the guard is dropped or the server shuts down.
pub fn start(server: &Arc<ApiServer>) -> AbortOnDrop {
    let server = server.clone();
    let rt = server.rt.clone();
    let task = async move {
        let stop = server.stopping();
        while !*stop.borrow() {
            server.rt.sleep(limits::EVENT_SWEEP).await;
            if let Err(status) = sweep(&server).await {
                tracing::warn!("removing old events: {}", status.message);
            }
        }
    };
    rt.spawn("kube housekeeping", task).abort_on_drop()
}

/// Deletes the events whose time has come.
pub async fn sweep(server: &Arc<ApiServer>) -> Result<(), Status> {
    let now = server.rt.now();
    for event in server.storage.all("/registry/events/").await? {
        if now.since(last_seen(event.value())) < limits::EVENT_LIFE {
            continue;
        }
        let target = Target {
            version: "v1".into(),
            resource: "events".into(),
            namespace: event.namespace().into(),
            name: event.name().into(),
            ..Target::default()
        };
        let body = Body::Value(json!({"preconditions": {"resourceVersion": event.revision().to_string()}}));
        let request = Request { user: myself(), verb: Verb::Delete, target, options: Options::default(), body };
        match server.call(request).await {
            Ok(_) => {}
            Err(status) if status.is_conflict() || status.is_not_found() => {}
            Err(status) => return Err(status),
        }
    }
    Ok(())
}

fn last_seen(event: &Value) -> Timestamp {
    SEEN.iter().filter_map(|path| time(event, path)).max().unwrap_or(Timestamp::EPOCH)
}
