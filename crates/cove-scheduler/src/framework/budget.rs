//! Pod disruption budgets, as far as preemption asks them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::selector::Selector;

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Whom it protects. Empty protects nobody, as in upstream's scheduler.
    pub selector: Selector,
    /// How many of them may still be evicted.
    pub allowed: i64,
    /// Pods that have been evicted and are counted already.
    pub disrupted: BTreeSet<Box<str>>,
}

impl Budget {
    /// From a budget's value.
    pub fn of(budget: &Value) -> Self {
        let disrupted = budget["status"]["disruptedPods"].as_object();
        Self {
            selector: Selector::of(&budget["spec"]["selector"]),
            allowed: budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0),
            disrupted: disrupted.into_iter().flatten().map(|(name, _)| name.as_str().into()).collect(),
        }
    }
}
