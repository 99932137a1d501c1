//! Refuses pods that need what this scheduler does not do yet: better than to place them where they cannot run.

use crate::framework::{Events, Plugin, PodView};

/// Not a plug-in of upstream's.
pub struct Unsupported;

impl Plugin for Unsupported {
    fn name(&self) -> &'static str {
        "Unsupported"
    }

    fn wakes_on(&self) -> Events {
        Events::NONE
    }

    fn refuses(&self, pod: &PodView) -> Option<&'static str> {
        if pod.has_volume_claims {
            return Some("cove does not place pods with persistent volume claims yet");
        }
        pod.has_resource_claims.then_some("cove does not place pods with resource claims yet")
    }
}
