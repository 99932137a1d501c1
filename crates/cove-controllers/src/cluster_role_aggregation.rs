//! The aggregation of ClusterRoles: a role with an `aggregationRule` has the rules of all roles that it selects.

use std::sync::Arc;

use cove_kube_api::object::Object;
use cove_kube_api::selector::LabelSelector;
use cove_kube_api::status::Status;
use cove_kube_client::{Context, Controller, Key, Requeue, Watch};
use serde_json::Value;

use crate::resources::CLUSTER_ROLES;
use crate::shared::Shared;
use crate::view::{items, labels};

/// The declaration. Keys are aggregated roles; any role may contribute to any of them.
pub const CONTROLLER: Controller<Shared> = Controller {
    name: "clusterrole-aggregation-controller",
    component: "clusterrole-aggregation-controller",
    watches: |_| {
        vec![Watch::mapped(CLUSTER_ROLES, |cx, _| {
            let all = cx.cache(CLUSTER_ROLES).list("");
            all.iter().filter(|role| is_aggregated(role)).map(|role| Key::of(role)).collect()
        })]
    },
    singleton: false,
    workers: 1,
    reconcile: |cx, key| Box::pin(reconcile(cx, key)),
};

fn is_aggregated(role: &Object) -> bool {
    role.value().get("aggregationRule").is_some()
}

async fn reconcile(cx: Arc<Context<Shared>>, key: Key) -> Result<Requeue, Status> {
    let Some(role) = cx.cache(CLUSTER_ROLES).get(&key) else { return Ok(Requeue::Done) };
    if !is_aggregated(&role) {
        return Ok(Requeue::Done);
    }
    let rules = rules(&role, &cx.cache(CLUSTER_ROLES).list(""));
    if items(role.value(), "/rules") == rules.as_slice() {
        return Ok(Requeue::Done);
    }
    let mut wanted = role.value().as_ref().clone();
    wanted["rules"] = Value::Array(rules);
    cx.update(CLUSTER_ROLES, "", wanted).await?;
    Ok(Requeue::Done)
}

/// The rules of all selected roles, selector by selector and in the order of the roles' names, each rule once.
fn rules(role: &Object, all: &[Arc<Object>]) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in items(role.value(), "/aggregationRule/clusterRoleSelectors") {
        let Ok(selector) = LabelSelector::from_json(selector) else { continue };
        let others = all.iter().filter(|other| other.name() != role.name());
        for other in others.filter(|other| selector.matches(labels(other.value()))) {
            for rule in items(other.value(), "/rules") {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}
