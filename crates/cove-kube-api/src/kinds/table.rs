//! Reads `data/kinds.tsv` and `data/groups.tsv` once and answers look-ups by Kubernetes minor version.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::names::NameRule;
use crate::strategy::Strategy;

use super::{acts, strategies};

/// The oldest Kubernetes minor that a cluster can have.
pub const MIN_MINOR: u32 = 32;
/// The newest Kubernetes minor that a cluster can have.
pub const MAX_MINOR: u32 = 36;

/// Whether anything in Cove acts on objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    /// Something does, or nothing needs to.
    Yes,
    /// Nothing does yet: writes succeed with this text as a warning.
    Warn(&'static str),
    /// Nothing does, and silence would deceive: creating is refused with this text.
    Refuse(&'static str),
}

/// How `metadata.generation` of a kind moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// It is not managed; what a client sends is dropped.
    None,
    /// 1 on create, never raised.
    One,
    /// 1 on create, raised where [`Strategy::bumps_generation`] says so.
    Counted,
    /// Absent on create, raised like [`Generation::Counted`].
    Raised,
}

/// One subresource of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Such as `status`.
    pub name: &'static str,
    /// Group of the objects it takes and gives.
    pub group: &'static str,
    /// Version of the objects it takes and gives.
    pub version: &'static str,
    /// Kind of the objects it takes and gives.
    pub kind: &'static str,
    /// RBAC verbs.
    pub verbs: Vec<&'static str>,
}

/// A label that field selectors of a kind may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLabel {
    /// As the client writes it.
    pub label: &'static str,
    /// The label that is matched instead; `None` for one that is accepted and never has a value.
    pub target: Option<&'static str>,
}

/// One kind in one version. Two are the same row if their addresses are.
pub struct Kind {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural resource name.
    pub plural: &'static str,
    /// Singular resource name.
    pub singular: &'static str,
    /// Short names for kubectl.
    pub short_names: Vec<&'static str>,
    /// Categories such as `all`.
    pub categories: Vec<&'static str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// RBAC verbs.
    pub verbs: Vec<&'static str>,
    /// Kind of the list, empty for kinds that are only created (reviews).
    pub list_kind: &'static str,
    /// Subresources in alphabetical order.
    pub subresources: Vec<Subresource>,
    /// What field selectors may use.
    pub field_selectors: Vec<FieldLabel>,
    /// Key prefix of the objects, such as `/registry/pods`. Empty for kinds that are not stored.
    pub etcd_prefix: &'static str,
    /// `apiVersion` that is stored.
    pub storage_version: &'static str,
    /// The hash that discovery shows.
    pub storage_version_hash: &'static str,
    /// Minor version in which it came.
    pub introduced: u32,
    /// Minor version in which it goes.
    pub removed: Option<u32>,
    /// Whether it is the preferred version of its group.
    pub preferred: bool,
    /// What `metadata.name` must look like.
    pub name_rule: NameRule,
    /// How the generation moves.
    pub generation: Generation,
    /// PUT of a missing name creates.
    pub create_on_update: bool,
    /// An update without `resourceVersion` is refused (422).
    pub needs_revision: bool,
    /// DELETE without options orphans the dependents (all others: background).
    pub orphans_by_default: bool,
    /// DELETE that finishes at once answers with the object instead of a Status.
    pub returns_deleted: bool,
    /// Whether anything acts on it.
    pub acts: Acts,
    /// Its own rules.
    pub strategy: &'static dyn Strategy,
}

impl Kind {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether the kind has a verb.
    pub fn has_verb(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether a cluster of this minor has it.
    pub fn served_in(&self, minor: u32) -> bool {
        self.introduced <= minor && self.removed.is_none_or(|removed| minor < removed)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, Kind={}", self.api_version(), self.kind)
    }
}

/// One version of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupVersion {
    /// Such as `v1`.
    pub version: &'static str,
    /// Higher is preferred.
    pub priority: i32,
}

/// An API group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, empty for core.
    pub name: &'static str,
    /// `groupPriorityMinimum` of its APIService.
    pub priority: i32,
    /// Versions, the preferred one first.
    pub versions: Vec<GroupVersion>,
}

/// The kinds that a cluster of this minor serves. A minor that Cove does not know gets its nearest neighbour's.
pub fn kinds(minor: u32) -> &'static [&'static Kind] {
    &of_minor(minor).kinds
}

/// The groups in discovery order: core first, then by priority.
pub fn groups(minor: u32) -> &'static [Group] {
    &of_minor(minor).groups
}

/// A kind by its plural resource name.
pub fn by_resource(minor: u32, group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    of_minor(minor).by_resource.get(&(group, version, plural)).copied()
}

/// A kind by kind.
pub fn by_kind(minor: u32, group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    of_minor(minor).by_kind.get(&(group, version, kind)).copied()
}

type Key = (&'static str, &'static str, &'static str);

struct OfMinor {
    kinds: Vec<&'static Kind>,
    groups: Vec<Group>,
    by_resource: BTreeMap<Key, &'static Kind>,
    by_kind: BTreeMap<Key, &'static Kind>,
}

static TABLE: LazyLock<Vec<Kind>> =
    LazyLock::new(|| rows(include_str!("../../data/kinds.tsv")).filter_map(kind).collect());

static BY_MINOR: LazyLock<Vec<OfMinor>> = LazyLock::new(|| (MIN_MINOR..=MAX_MINOR).map(make).collect());

fn of_minor(minor: u32) -> &'static OfMinor {
    &BY_MINOR[(minor.clamp(MIN_MINOR, MAX_MINOR) - MIN_MINOR) as usize]
}

fn make(minor: u32) -> OfMinor {
    let kinds: Vec<&'static Kind> = TABLE.iter().filter(|k| k.served_in(minor)).collect();
    let by_resource = kinds.iter().map(|k| ((k.group, k.version, k.plural), *k)).collect();
    let by_kind = kinds.iter().map(|k| ((k.group, k.version, k.kind), *k)).collect();
    OfMinor { groups: groups_of(&kinds), by_resource, by_kind, kinds }
}

fn groups_of(kinds: &[&'static Kind]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for columns in rows(include_str!("../../data/groups.tsv")) {
        let &[name, version, group_priority, priority] = columns.as_slice() else { continue };
        if !kinds.iter().any(|k| k.group == name && k.version == version) {
            continue;
        }
        let number = |text: &str| text.parse().unwrap_or_default();
        let version = GroupVersion { version, priority: number(priority) };
        match groups.iter_mut().find(|g| g.name == name) {
            Some(group) => group.versions.push(version),
            None => groups.push(Group { name, priority: number(group_priority), versions: vec![version] }),
        }
    }
    for group in &mut groups {
        group.versions.sort_by_key(|v| -v.priority);
    }
    groups.sort_by_key(|g| (!g.name.is_empty(), -g.priority, g.name));
    groups
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect())
}

fn words(text: &'static str) -> Vec<&'static str> {
    text.split_whitespace().collect()
}

fn kind(columns: Vec<&'static str>) -> Option<Kind> {
    let &[
        group,
        version,
        kind,
        plural,
        singular,
        short,
        categories,
        scope,
        verbs,
        list_kind,
        subresources,
        storage,
        hash,
        prefix,
        introduced,
        removed,
        name_rule,
        generation,
        flags,
        labels,
    ] = columns.as_slice()
    else {
        return None;
    };
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    Some(Kind {
        group,
        version,
        kind,
        plural,
        singular,
        list_kind,
        short_names: words(short),
        categories: words(categories),
        namespaced: scope == "ns",
        verbs: words(verbs),
        subresources: words(subresources).into_iter().filter_map(|s| subresource(group, version, s)).collect(),
        field_selectors: words(labels).into_iter().map(field_label).collect(),
        etcd_prefix: prefix,
        storage_version: storage,
        storage_version_hash: hash,
        introduced: introduced.parse().unwrap_or_default(),
        removed: removed.parse().ok(),
        preferred: has("preferred"),
        name_rule: NameRule::named(name_rule),
        generation: generation_rule(generation),
        create_on_update: has("create-on-update"),
        needs_revision: has("needs-revision"),
        orphans_by_default: has("orphans"),
        returns_deleted: has("returns-deleted"),
        acts: acts::of(group, kind),
        strategy: strategies::of(group, kind),
    })
}

fn generation_rule(text: &str) -> Generation {
    match text {
        "counted" => Generation::Counted,
        "one" => Generation::One,
        "raised" => Generation::Raised,
        _ => Generation::None,
    }
}

/// `name:Kind:verb+verb`, or `name:group/version.Kind:verb+verb`.
fn subresource(group: &'static str, version: &'static str, text: &'static str) -> Option<Subresource> {
    let mut parts = text.split(':');
    let (name, object, verbs) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, version, kind) = match object.split_once('/') {
        Some((group, rest)) => {
            let (version, kind) = rest.split_once('.')?;
            (group, version, kind)
        }
        None => (group, version, object),
    };
    Some(Subresource { name, group, version, kind, verbs: verbs.split('+').collect() })
}

/// `label`, `label=>label that is matched`, `label(accepted;no-value)`.
fn field_label(text: &'static str) -> FieldLabel {
    if let Some((label, _)) = text.split_once('(') {
        return FieldLabel { label, target: None };
    }
    match text.split_once("=>") {
        Some((label, target)) => FieldLabel { label, target: Some(target) },
        None => FieldLabel { label: text, target: Some(text) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_parses_and_versions_differ() {
        assert_eq!(TABLE.len(), 66);
        assert_eq!(kinds(35).len(), 66);
        assert!(by_resource(32, "networking.k8s.io", "v1", "ipaddresses").is_none());
        assert!(by_resource(33, "networking.k8s.io", "v1", "ipaddresses").is_some());
        assert!(by_kind(33, "resource.k8s.io", "v1", "ResourceClaim").is_none());
        assert_eq!(kinds(99).len(), kinds(36).len());
    }

    #[test]
    fn pods_are_as_upstream_says() {
        let pod = by_resource(35, "", "v1", "pods").unwrap();
        assert_eq!(pod.short_names, ["po"]);
        assert_eq!(pod.subresources.len(), 10);
        let eviction = pod.subresource("eviction").unwrap();
        assert_eq!((eviction.group, eviction.version, eviction.kind), ("policy", "v1", "Eviction"));
        assert!(pod.field_selectors.contains(&FieldLabel { label: "spec.host", target: Some("spec.nodeName") }));
        assert!(pod.returns_deleted && !pod.create_on_update);
        assert_eq!(pod.generation, Generation::Counted);
    }

    #[test]
    fn groups_come_in_order_of_priority() {
        let names: Vec<_> = groups(35).iter().map(|g| g.name).collect();
        assert_eq!(&names[..4], ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
        let autoscaling = groups(35).iter().find(|g| g.name == "autoscaling").unwrap();
        assert_eq!(autoscaling.versions[0].version, "v2");
        assert!(groups(33).iter().all(|g| g.name != "resource.k8s.io"));
    }
}
