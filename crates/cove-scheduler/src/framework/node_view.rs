//! What the scheduler needs of a node, decoded once per version.

use std::collections::BTreeMap;

use cove_kube_api::object::Object;
use cove_kube_api::quantity::Quantity;
use serde_json::Value;

use super::labels::Labels;
use super::resources::Resources;
use super::taints::Taint;

/// A node as the scheduler sees it. Two versions that differ in nothing of this are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// What pods may have of it.
    pub allocatable: Resources,
    /// How many pods it takes.
    pub allowed_pods: usize,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// It is cordoned.
    pub unschedulable: bool,
    /// The sizes of images that it has, by each of their names.
    pub images: BTreeMap<Box<str>, i64>,
}

impl NodeView {
    /// From a node.
    pub fn of(node: &Object) -> Self {
        Self::of_value(node.value())
    }

    /// From a node's value, such as one made of a template.
    pub fn of_value(node: &Value) -> Self {
        let allocatable = &node["status"]["allocatable"];
        let pods = Quantity::from_value(&allocatable["pods"]).map_or(0, |q| q.value());
        Self {
            name: node["metadata"]["name"].as_str().unwrap_or_default().into(),
            labels: Labels::of(&node["metadata"]["labels"]),
            allocatable: Resources::of(allocatable),
            allowed_pods: usize::try_from(pods).unwrap_or_default(),
            taints: Taint::all(&node["spec"]["taints"]),
            unschedulable: node["spec"]["unschedulable"] == true,
            images: images(&node["status"]["images"]),
        }
    }
}

fn images(images: &Value) -> BTreeMap<Box<str>, i64> {
    let mut sizes = BTreeMap::new();
    for image in images.as_array().into_iter().flatten() {
        let size = image["sizeBytes"].as_i64().unwrap_or_default();
        for name in super::selector::strings(&image["names"]) {
            sizes.insert(name, size);
        }
    }
    sizes
}
