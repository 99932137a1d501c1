//! The labels of an object, sorted, for many look-ups and comparisons.

use serde_json::Value;

/// Labels in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(Box<str>, Box<str>)>);

impl Labels {
    /// From a map of strings (`metadata.labels`, a service's selector); null means none.
    pub fn of(map: &Value) -> Self {
        let members = map.as_object().into_iter().flatten();
        members.filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect()
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key)).ok()?;
        Some(&self.0[found].1)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
}

impl FromIterator<(Box<str>, Box<str>)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Box<str>)>>(members: I) -> Self {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort();
        members.dedup_by(|a, b| a.0 == b.0);
        Self(members)
    }
}
