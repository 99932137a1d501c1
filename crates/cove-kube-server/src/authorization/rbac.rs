//! Role-based access control over the cluster's own roles and bindings.
//!
//! The policy is compiled once and again after each write of an RBAC object ([`ApiServer::rbac_writes`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;
use serde_json::Value;

use crate::authorization::{Attributes, Decision};
use crate::server::ApiServer;
use crate::value::{items, meta_text, text, texts};

/// One rule of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `verbs`.
    pub verbs: Vec<String>,
    /// `apiGroups`.
    pub groups: Vec<String>,
    /// `resources`.
    pub resources: Vec<String>,
    /// `resourceNames`.
    pub names: Vec<String>,
    /// `nonResourceURLs`.
    pub paths: Vec<String>,
}

impl Rule {
    /// From a `PolicyRule`.
    pub fn of(value: &Value) -> Self {
        let list = |member: &str| texts(value, &[member]).into_iter().map(String::from).collect();
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            paths: list("nonResourceURLs"),
        }
    }

    /// Whether it allows a request.
    pub fn allows(&self, attributes: &Attributes) -> bool {
        let any = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        if !any(&self.verbs, &attributes.verb) {
            return false;
        }
        if !attributes.is_resource {
            return self.paths.iter().any(|path| path_matches(path, &attributes.path));
        }
        any(&self.groups, &attributes.group)
            && self.resources.iter().any(|entry| resource_matches(entry, attributes))
            && (self.names.is_empty() || self.names.contains(&attributes.name))
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => pattern == path,
    }
}

fn resource_matches(entry: &str, attributes: &Attributes) -> bool {
    if entry == "*" {
        return true;
    }
    match attributes.subresource.as_str() {
        "" => entry == attributes.resource,
        subresource => match entry.split_once('/') {
            Some((resource, sub)) => sub == subresource && (resource == "*" || resource == attributes.resource),
            None => false,
        },
    }
}

/// A subject of a binding, matched against users.
#[derive(Clone, Debug)]
enum Subject {
    User(String),
    Group(String),
}

impl Subject {
    fn of(value: &Value, binding_namespace: &str) -> Option<Self> {
        let name = text(value, &["name"]);
        match text(value, &["kind"]) {
            "User" => Some(Self::User(name.into())),
            "Group" => Some(Self::Group(name.into())),
            "ServiceAccount" => {
                let namespace = match text(value, &["namespace"]) {
                    "" => binding_namespace,
                    namespace => namespace,
                };
                Some(Self::User(format!("system:serviceaccount:{namespace}:{name}")))
            }
            _ => None,
        }
    }

    fn is(&self, user: &UserInfo) -> bool {
        match self {
            Self::User(name) => *name == user.username,
            Self::Group(name) => user.groups.contains(name),
        }
    }
}

/// A binding, ready to be matched.
#[derive(Clone, Debug)]
struct Binding {
    /// As it appears in reasons: `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"` needs these.
    kind: &'static str,
    name: String,
    namespace: String,
    role_kind: String,
    role_name: String,
    subjects: Vec<(Subject, String)>,
}

impl Binding {
    fn of(value: &Value, kind: &'static str) -> Self {
        let namespace = meta_text(value, "namespace").to_string();
        let subjects = items(value, &["subjects"]);
        Self {
            kind,
            name: meta_text(value, "name").into(),
            role_kind: text(value, &["roleRef", "kind"]).into(),
            role_name: text(value, &["roleRef", "name"]).into(),
            subjects: subjects.iter().filter_map(|s| Some((Subject::of(s, &namespace)?, described(s)))).collect(),
            namespace,
        }
    }

    fn reason(&self, subject: &str) -> String {
        let name = match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{}/{namespace}", self.name),
        };
        format!("RBAC: allowed by {} {name:?} of {} {:?} to {subject}", self.kind, self.role_kind, self.role_name)
    }
}

fn described(subject: &Value) -> String {
    let (kind, name) = (text(subject, &["kind"]), text(subject, &["name"]));
    match kind {
        "ServiceAccount" => format!("{kind} {:?}", format!("{name}/{}", text(subject, &["namespace"]))),
        _ => format!("{kind} {name:?}"),
    }
}

/// Everything that RBAC knows, as of some write.
#[derive(Default)]
pub struct Policy {
    cluster_roles: BTreeMap<String, Arc<[Rule]>>,
    roles: BTreeMap<(String, String), Arc<[Rule]>>,
    cluster_bindings: Vec<Binding>,
    bindings: BTreeMap<String, Vec<Binding>>,
}

/// A rule that holds for a user, and why.
pub struct Granted<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Upstream's reason text.
    pub reason: String,
}

impl Policy {
    async fn read(server: &ApiServer) -> Result<Self, Status> {
        let mut policy = Self::default();
        let rules = |value: &Value| -> Arc<[Rule]> { items(value, &["rules"]).iter().map(Rule::of).collect() };
        for object in server.storage.all("/registry/clusterroles/").await? {
            policy.cluster_roles.insert(object.name().into(), rules(object.value()));
        }
        for object in server.storage.all("/registry/roles/").await? {
            let key = (object.namespace().to_string(), object.name().to_string());
            policy.roles.insert(key, rules(object.value()));
        }
        for object in server.storage.all("/registry/clusterrolebindings/").await? {
            policy.cluster_bindings.push(Binding::of(object.value(), "ClusterRoleBinding"));
        }
        for object in server.storage.all("/registry/rolebindings/").await? {
            let binding = Binding::of(object.value(), "RoleBinding");
            policy.bindings.entry(object.namespace().into()).or_default().push(binding);
        }
        Ok(policy)
    }

    /// The rules of a role; `None` if there is no such role.
    pub fn role(&self, kind: &str, namespace: &str, name: &str) -> Option<&[Rule]> {
        let rules = match kind {
            "ClusterRole" => self.cluster_roles.get(name),
            _ => self.roles.get(&(namespace.to_string(), name.to_string())),
        };
        rules.map(AsRef::as_ref)
    }

    /// Visits the rules that hold for a user in a namespace, until `visit` says that it has seen enough. Gives the
    /// errors of bindings to roles that do not exist.
    pub fn visit<'a>(
        &'a self,
        user: &UserInfo,
        namespace: &str,
        mut visit: impl FnMut(Granted<'a>) -> bool,
    ) -> Vec<String> {
        let mut missing = Vec::new();
        let local = self.bindings.get(namespace).map(Vec::as_slice).unwrap_or_default();
        for binding in self.cluster_bindings.iter().chain(local) {
            let Some((_, subject)) = binding.subjects.iter().find(|(subject, _)| subject.is(user)) else { continue };
            let Some(rules) = self.role(&binding.role_kind, &binding.namespace, &binding.role_name) else {
                let resource = binding.role_kind.to_lowercase();
                missing.push(format!("{resource}.rbac.authorization.k8s.io {:?} not found", binding.role_name));
                continue;
            };
            for rule in rules {
                if !visit(Granted { rule, reason: binding.reason(subject) }) {
                    return missing;
                }
            }
        }
        missing
    }
}

/// The RBAC authorizer of one server.
#[derive(Default)]
pub struct Rbac {
    /// The compiled policy and the count of writes that it knows. A lock, since readers of many tasks share it and
    /// hold it for a pointer's copy only.
    compiled: Mutex<Option<(u64, Arc<Policy>)>>,
}

impl Rbac {
    /// The policy as of now.
    pub async fn policy(&self, server: &ApiServer) -> Result<Arc<Policy>, Status> {
        let writes = server.rbac_writes();
        if let Some((at, policy)) = &*self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == writes
        {
            return Ok(policy.clone());
        }
        let policy = Arc::new(Policy::read(server).await?);
        *self.compiled.lock().unwrap_or_else(PoisonError::into_inner) = Some((writes, policy.clone()));
        Ok(policy)
    }

    /// Decides by the rules that the user's bindings give.
    pub async fn authorize(&self, server: &ApiServer, attributes: &Attributes) -> Result<Decision, Status> {
        let policy = self.policy(server).await?;
        let mut allowed = None;
        let missing = policy.visit(&attributes.user, &attributes.namespace, |granted| {
            if granted.rule.allows(attributes) {
                allowed = Some(granted.reason);
            }
            allowed.is_none()
        });
        Ok(match (allowed, missing.as_slice()) {
            (Some(reason), _) => Decision::Allow(reason),
            (None, []) => Decision::NoOpinion(String::new()),
            (None, [one]) => Decision::NoOpinion(format!("RBAC: {one}")),
            (None, many) => Decision::NoOpinion(format!("RBAC: [{}]", many.join(", "))),
        })
    }
}
