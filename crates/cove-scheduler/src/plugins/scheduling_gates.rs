//! SchedulingGates: a pod with gates is not tried.

use crate::framework::PodView;

/// Whether something holds the pod back.
pub fn is_gated(pod: &PodView) -> bool {
    !pod.gates.is_empty()
}
