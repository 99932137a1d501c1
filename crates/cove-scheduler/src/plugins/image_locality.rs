//! ImageLocality: nodes that have the pod's images already are better, the more so the larger the images.

use crate::framework::{ClusterState, Cycle, NodeInfo, Plugin, Score};
use crate::limits::MAX_SCORE;

const MIB: i64 = 1024 * 1024;
/// Below this, having an image does not count.
const LOW: i64 = 23 * MIB;
/// Above this per container, having more does not count.
const HIGH_PER_CONTAINER: i64 = 1000 * MIB;

/// The plug-in.
pub struct ImageLocality;

impl Plugin for ImageLocality {
    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn weight(&self) -> i64 {
        1
    }

    fn score<'a>(&self, cycle: &Cycle<'a>, _feasible: &[&'a NodeInfo]) -> Option<Box<dyn Score + 'a>> {
        let images: Vec<_> = cycle.pod.images.iter().map(|image| spread(cycle.state, full_name(image))).collect();
        // If no node has any of them, all nodes score zero.
        let known = images.iter().any(|(_, nodes)| *nodes > 0);
        known.then(|| Box::new(Prepared { images, nodes: cycle.state.node_count() }) as Box<dyn Score>)
    }
}

struct Prepared {
    /// Names, and how many nodes have them.
    images: Vec<(String, usize)>,
    nodes: usize,
}

impl Score for Prepared {
    fn score(&self, node: &NodeInfo) -> i64 {
        let here = self.images.iter().filter_map(|(name, nodes)| Some((node.view.images.get(name.as_str())?, nodes)));
        // An image that few nodes have counts less, so that pods do not all go there.
        let parts = here.map(|(size, nodes)| (*size as f64 * (*nodes as f64 / self.nodes as f64)) as i64);
        let high = HIGH_PER_CONTAINER * self.images.len() as i64;
        if high <= LOW {
            return 0;
        }
        let sum = parts.sum::<i64>().clamp(LOW, high);
        MAX_SCORE * (sum - LOW) / (high - LOW)
    }
}

fn spread(state: &ClusterState, name: String) -> (String, usize) {
    let nodes = state.nodes_with_image(&name);
    (name, nodes)
}

/// An image without a tag means the latest.
fn full_name(image: &str) -> String {
    let tagged = image.rfind(':').is_some_and(|colon| image.rfind('/').is_none_or(|slash| colon > slash));
    if tagged { image.into() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    #[test]
    fn table() {
        let with = |name: &str, images: &[(&str, i64)]| {
            let images: Vec<_> = images.iter().map(|(n, mib)| json!({"names": [n], "sizeBytes": mib * MIB})).collect();
            node(name, json!({"status": {"images": images}}))
        };
        let nodes = [
            with("a", &[("gcr.io/40:latest", 40), ("gcr.io/2000:v1", 2000)]),
            with("b", &[("gcr.io/250:latest", 250)]),
        ];
        let state = cluster(nodes, []);
        let using = |images: &[&str]| {
            let containers: Vec<_> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
            pod("p", json!({"spec": {"containers": containers}}))
        };
        for (images, expected) in [(&["gcr.io/40", "gcr.io/250"][..], [0, 5]), (&["gcr.io/2000:v1"], [100, 0])] {
            assert_eq!(scores(&ImageLocality, &state, &using(images)), expected, "{images:?}");
        }
        for image in ["gcr.io/2000", "localhost:5000/x"] {
            assert!(scores(&ImageLocality, &state, &using(&[image])).is_empty(), "{image}");
        }
    }
}
