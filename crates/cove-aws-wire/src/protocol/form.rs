//! Forms with dotted names (`Filter.1.Value.2`) as trees, from which a protocol takes what its model knows.

use std::collections::BTreeMap;

use crate::fault::Fault;

/// The deepest name a form may have; no model of AWS comes near.
const MAX_DEPTH: usize = 32;

/// A node of the tree. Taking a child removes it, so that what is left at the end was not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The value given for exactly this name.
    pub value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    /// Makes a tree. Later values of a name replace earlier ones.
    pub fn of(fields: impl IntoIterator<Item = (String, String)>) -> Result<Self, Fault> {
        let mut root = Node::default();
        for (name, value) in fields {
            if name.split('.').count() > MAX_DEPTH {
                return Err(Fault::client("MalformedQueryString", "A parameter's name has too many parts."));
            }
            let node = name.split('.').fold(&mut root, |node, part| node.children.entry(part.into()).or_default());
            node.value = Some(value);
        }
        Ok(root)
    }

    /// Takes a child out.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        self.children.remove(name)
    }

    /// Takes the numbered children out, in the order of their numbers. Gaps close.
    pub fn take_numbered(&mut self) -> Vec<Node> {
        let mut numbered: Vec<(u64, String)> =
            self.children.keys().filter_map(|k| k.parse().ok().map(|n| (n, k.clone()))).collect();
        numbered.sort();
        numbered.iter().filter_map(|(_, key)| self.children.remove(key)).collect()
    }

    /// The full name of some value that nobody took.
    pub fn leftover(&self) -> Option<String> {
        self.children.iter().find_map(|(name, child)| match (&child.value, child.leftover()) {
            (_, Some(rest)) => Some(format!("{name}.{rest}")),
            (Some(_), None) => Some(name.clone()),
            (None, None) => None,
        })
    }

    /// Whether there is neither a value nor a child.
    pub fn is_empty(&self) -> bool {
        self.value.is_none() && self.children.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_order_and_leftovers_show() {
        let field = |n: &str, v: &str| (n.to_string(), v.to_string());
        let mut root = Node::of([field("F.10", "b"), field("F.2", "a"), field("X.1.Y", "z")]).expect("a form");
        let mut list = root.take("F").expect("a child");
        let values: Vec<_> = list.take_numbered().into_iter().filter_map(|n| n.value).collect();
        assert_eq!(values, ["a", "b"]);
        assert_eq!(root.leftover().as_deref(), Some("X.1.Y"));
        assert!(Node::of([(".".repeat(100), String::new())]).is_err());
    }
}
