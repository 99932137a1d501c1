//! How simulated containers behave: the small description that stands in for a real program.
//!
//! A pod says it in the annotation [`ANNOTATION`], as JSON per container name (`*` for all others):
//! `{"worker": {"exitAfterMs": 1500, "exitCode": 1}, "*": {"startMs": 20}}`. What it does not say has the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// The annotation that describes a pod's behaviour on simulated nodes.
pub const ANNOTATION: &str = "cove.dev/behaviour";

/// How one simulated container behaves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// Time to bring the image, in milliseconds.
    pub pull_ms: u64,
    /// Time from start to running, in milliseconds.
    pub start_ms: u64,
    /// It ends by itself after this many milliseconds; never, if absent.
    pub exit_after_ms: Option<u64>,
    /// The code it ends with by itself.
    pub exit_code: i32,
    /// Time to end when asked to, in milliseconds (cut off by the grace).
    pub stop_ms: u64,
    /// Whether its image can be brought.
    pub pull_fails: bool,
    /// Whether its probes succeed.
    pub probes_succeed: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            pull_ms: 20,
            start_ms: 10,
            exit_after_ms: None,
            exit_code: 0,
            stop_ms: 10,
            pull_fails: false,
            probes_succeed: true,
        }
    }
}

impl Behaviour {
    /// The behaviour of a container of a pod object. Init containers end with 0 at once unless the pod says
    /// otherwise. The error names what is wrong with the annotation.
    pub fn of(pod: &Value, container: &str, ends_by_itself: bool) -> Result<Self, String> {
        let mut behaviour = Self::default();
        if ends_by_itself {
            behaviour.exit_after_ms = Some(10);
        }
        let Some(text) = pod["metadata"]["annotations"][ANNOTATION].as_str() else { return Ok(behaviour) };
        let all: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|e| format!("annotation {ANNOTATION}: {e}"))?;
        let Some(said) = all.get(container).or_else(|| all.get("*")) else { return Ok(behaviour) };
        let mut said: Self =
            serde_json::from_value(said.clone()).map_err(|e| format!("annotation {ANNOTATION}: {e}"))?;
        if ends_by_itself && said.exit_after_ms.is_none() {
            said.exit_after_ms = behaviour.exit_after_ms;
        }
        Ok(said)
    }

    /// `exit_after_ms` as a duration.
    pub fn exit_after(&self) -> Option<Duration> {
        self.exit_after_ms.map(Duration::from_millis)
    }
}
