//! Taints of nodes and tolerations of pods.

use serde_json::Value;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They are not placed.
    NoSchedule,
    /// They are placed elsewhere if possible.
    PreferNoSchedule,
    /// They are not placed, and evicted.
    NoExecute,
}

impl Effect {
    fn of(text: &str) -> Option<Self> {
        match text {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }

    /// Whether it keeps pods away.
    pub fn is_hard(self) -> bool {
        self != Self::PreferNoSchedule
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: Box<str>,
    /// Its value.
    pub value: Box<str>,
    /// What it does.
    pub effect: Effect,
}

impl Taint {
    /// The taint of a cordoned node.
    pub fn unschedulable() -> Self {
        Self { key: "node.kubernetes.io/unschedulable".into(), value: "".into(), effect: Effect::NoSchedule }
    }

    /// From a node's `spec.taints`.
    pub fn all(taints: &Value) -> Vec<Self> {
        let of = |taint: &Value| {
            let text = |member: &str| taint[member].as_str().unwrap_or_default();
            Some(Self { key: text("key").into(), value: text("value").into(), effect: Effect::of(text("effect"))? })
        };
        taints.as_array().into_iter().flatten().filter_map(of).collect()
    }
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    key: Box<str>,
    /// `None` tolerates every value.
    value: Option<Box<str>>,
    /// `None` tolerates every effect.
    effect: Option<Effect>,
}

impl Toleration {
    /// From a pod's `spec.tolerations`. What is not understood tolerates nothing.
    pub fn all(tolerations: &Value) -> Vec<Self> {
        tolerations.as_array().into_iter().flatten().filter_map(Self::of).collect()
    }

    fn of(toleration: &Value) -> Option<Self> {
        let text = |member: &str| toleration[member].as_str().unwrap_or_default();
        let effect = match text("effect") {
            "" => None,
            effect => Some(Effect::of(effect)?),
        };
        let value = match text("operator") {
            "" | "Equal" => Some(text("value").into()),
            "Exists" => None,
            _ => return None,
        };
        Some(Self { key: text("key").into(), value, effect })
    }

    /// Whether it has the effect of a preference, or any.
    pub fn is_for_preferences(&self) -> bool {
        self.effect.is_none_or(|effect| effect == Effect::PreferNoSchedule)
    }

    /// Whether it tolerates a taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// Whether tolerations let a pod onto a node with these taints.
pub fn tolerated(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    taints.iter().filter(|t| t.effect.is_hard()).all(|taint| tolerations.iter().any(|t| t.tolerates(taint)))
}
