//! Small plug-ins about pods and nodes: Priority, DefaultTolerationSeconds, TaintNodesByCondition.

use async_trait::async_trait;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

use crate::admission::{Operation, Plugin, Review};
use crate::server::ApiServer;
use crate::value::{at, child_mut, items, meta_text, number, text};

/// Priority: the class of a pod becomes a number.
pub struct Priority;
/// DefaultTolerationSeconds: five minutes on a node that is not ready or out of reach.
pub struct DefaultTolerationSeconds;
/// TaintNodesByCondition: a new node takes nothing until it is ready.
pub struct TaintNodesByCondition;

const CLASSES: &str = "/registry/priorityclasses/";

#[async_trait]
impl Plugin for Priority {
    async fn mutate(&self, server: &ApiServer, review: &mut Review<'_>, pod: &mut Value) -> Result<(), Status> {
        if !review.is("", "pods", "") {
            return Ok(());
        }
        match (review.operation, review.old) {
            (Operation::Create, _) => set_priority(server, review, pod).await,
            (Operation::Update, Some(old)) => {
                for member in ["priority", "preemptionPolicy"] {
                    if at(pod, &["spec", member]).is_null() && !at(old, &["spec", member]).is_null() {
                        child_mut(pod, "spec").insert(member.into(), at(old, &["spec", member]).clone());
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn validate(&self, server: &ApiServer, review: &mut Review<'_>, class: &Value) -> Result<(), Status> {
        let writes = review.operation != Operation::Delete;
        if !writes || !review.is("scheduling.k8s.io", "priorityclasses", "") || !is_default(class) {
            return Ok(());
        }
        for other in server.storage.all(CLASSES).await? {
            if is_default(other.value()) && other.name() != meta_text(class, "name") {
                let name = other.name();
                let why = format!("PriorityClass {name} is already marked as default. Only one default can exist");
                return Err(review.forbidden(&why));
            }
        }
        Ok(())
    }
}

fn is_default(class: &Value) -> bool {
    class.get("globalDefault") == Some(&Value::Bool(true))
}

async fn set_priority(server: &ApiServer, review: &Review<'_>, pod: &mut Value) -> Result<(), Status> {
    let named = text(pod, &["spec", "priorityClassName"]).to_string();
    let class = match named.as_str() {
        "" => server.storage.all(CLASSES).await?.into_iter().find(|class| is_default(class.value())),
        name => match server.storage.get(&format!("{CLASSES}{name}")).await? {
            Some(stored) => Some(stored.object),
            None => return Err(review.forbidden(&format!("no PriorityClass with name {name} was found"))),
        },
    };
    let (name, value, policy) = match &class {
        Some(class) => {
            let policy = text(class.value(), &["preemptionPolicy"]).to_string();
            (class.name().to_string(), number(class.value(), &["value"]).unwrap_or(0), policy)
        }
        None => (String::new(), 0, String::new()),
    };
    let policy = if policy.is_empty() { "PreemptLowerPriority".to_string() } else { policy };
    if let Some(given) = number(pod, &["spec", "priority"]).filter(|given| *given != value) {
        return Err(review.forbidden(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        )));
    }
    let given = text(pod, &["spec", "preemptionPolicy"]);
    if !given.is_empty() && given != policy {
        return Err(review.forbidden(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        )));
    }
    let spec = child_mut(pod, "spec");
    spec.insert("priority".into(), value.into());
    spec.insert("preemptionPolicy".into(), policy.into());
    if !name.is_empty() {
        spec.insert("priorityClassName".into(), name.into());
    }
    Ok(())
}

#[async_trait]
impl Plugin for DefaultTolerationSeconds {
    async fn mutate(&self, _server: &ApiServer, review: &mut Review<'_>, pod: &mut Value) -> Result<(), Status> {
        if !review.is("", "pods", "") || review.operation == Operation::Delete {
            return Ok(());
        }
        let mut tolerations = items(pod, &["spec", "tolerations"]).to_vec();
        let before = tolerations.len();
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = tolerations.iter().any(|toleration| {
                matches!(text(toleration, &["effect"]), "" | "NoExecute")
                    && (text(toleration, &["key"]) == key || text(toleration, &["key"]).is_empty())
            });
            if !tolerated {
                let seconds = 300;
                tolerations.push(json!({
                    "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds,
                }));
            }
        }
        if tolerations.len() > before {
            child_mut(pod, "spec").insert("tolerations".into(), tolerations.into());
        }
        Ok(())
    }
}

#[async_trait]
impl Plugin for TaintNodesByCondition {
    async fn mutate(&self, _server: &ApiServer, review: &mut Review<'_>, node: &mut Value) -> Result<(), Status> {
        if !review.is("", "nodes", "") || review.operation != Operation::Create {
            return Ok(());
        }
        let key = "node.kubernetes.io/not-ready";
        let mut taints = items(node, &["spec", "taints"]).to_vec();
        if taints.iter().any(|taint| text(taint, &["key"]) == key && text(taint, &["effect"]) == "NoSchedule") {
            return Ok(());
        }
        taints.push(json!({"key": key, "effect": "NoSchedule"}));
        child_mut(node, "spec").insert("taints".into(), taints.into());
        Ok(())
    }
}
