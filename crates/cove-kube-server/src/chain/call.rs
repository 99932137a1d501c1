//! One call on its way through the chain: what the request names, resolved against the table of kinds.

use cove_kube_api::door::{Body, Options, Request, Target, UserInfo, Verb};
use cove_kube_api::status::Status;
use cove_kube_api::strategy::Context;

use crate::api::kinds::{self, Kind, Subresource};
use crate::api::schema::{TypeRef, schema};
use crate::server::ApiServer;

/// A request whose resource exists and takes the verb.
pub struct Call {
    /// Who calls.
    pub user: UserInfo,
    /// What to do.
    pub verb: Verb,
    /// The kind in the version that was asked for.
    pub kind: &'static Kind,
    /// The kind in the version that is stored; the chain works in this one.
    pub storage: &'static Kind,
    /// The schema of [`Call::storage`].
    pub ty: TypeRef,
    /// The subresource, if one was named.
    pub subresource: Option<&'static Subresource>,
    /// The namespace; empty for cluster-scoped kinds and for all namespaces.
    pub namespace: String,
    /// The name; empty for collections.
    pub name: String,
    /// The options.
    pub options: Options,
    /// The Kubernetes minor version.
    pub minor: u32,
    /// Texts for `Warning` headers, collected on the way.
    pub warnings: Vec<String>,
}

/// 404 for a path that is not served.
pub fn unknown_path() -> Status {
    let mut status = Status::new(404, "NotFound", "the server could not find the requested resource");
    status.details = Some(Box::default());
    status
}

/// 405 for a method that the path does not take.
pub fn wrong_method() -> Status {
    let mut status =
        Status::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
    status.details = Some(Box::default());
    status
}

impl Call {
    /// Resolves a request.
    pub fn resolve(request: &Request, minor: u32) -> Result<Self, Status> {
        let target = &request.target;
        let kind =
            kinds::by_resource(minor, &target.group, &target.version, &target.resource).ok_or_else(unknown_path)?;
        let subresource = match target.subresource.as_str() {
            "" => None,
            name => Some(kind.subresource(name).ok_or_else(unknown_path)?),
        };
        let verbs = subresource.map_or(&kind.verbs, |sub| &sub.verbs);
        let placed = !kind.namespaced || !target.namespace.is_empty() || spans(request.verb);
        let placed = placed && is_named(request.verb, subresource.is_some()) != target.name.is_empty();
        if !verbs.iter().any(|verb| *verb == request.verb.as_str()) || !placed {
            return Err(wrong_method());
        }
        let storage = storage_kind(kind, minor);
        let ty = schema().type_of(storage.group, storage.version, storage.kind);
        Ok(Self {
            user: request.user.clone(),
            verb: request.verb,
            kind,
            storage,
            ty: ty.ok_or_else(|| Status::internal(format!("no schema for {}", storage.kind)))?,
            subresource,
            namespace: if kind.namespaced { target.namespace.clone() } else { String::new() },
            name: target.name.clone(),
            options: request.options.clone(),
            minor,
            warnings: Vec::new(),
        })
    }

    /// The subresource's name, empty for the object itself.
    pub fn sub(&self) -> &'static str {
        self.subresource.map_or("", |sub| sub.name)
    }

    /// A call that follows from another: by the same user, in the same namespace, as dry as that one.
    pub fn internal(
        server: &ApiServer,
        from: &Call,
        group: &str,
        version: &str,
        plural: &str,
        subresource: &str,
        name: &str,
    ) -> Result<Self, Status> {
        let target = Target {
            group: group.into(),
            version: version.into(),
            resource: plural.into(),
            subresource: subresource.into(),
            namespace: from.namespace.clone(),
            name: name.into(),
        };
        let verb = if subresource == "binding" { Verb::Create } else { Verb::Update };
        let options = Options { dry_run: from.options.dry_run, ..Options::default() };
        let request = Request { user: from.user.clone(), verb, target, options, body: Body::None };
        Self::resolve(&request, server.config.minor)
    }

    /// The call as a request of the door, without its body.
    pub fn request(&self) -> Request {
        let target = Target {
            group: self.kind.group.into(),
            version: self.kind.version.into(),
            resource: self.kind.plural.into(),
            subresource: self.sub().into(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        };
        Request { user: self.user.clone(), verb: self.verb, target, options: self.options.clone(), body: Body::None }
    }

    /// The schema of the version that was asked for: patches are applied in it.
    pub fn patch_type(&self) -> Result<TypeRef, Status> {
        let ty = schema().type_of(self.kind.group, self.kind.version, self.kind.kind);
        ty.ok_or_else(|| Status::internal(format!("no schema for {}", self.kind.kind)))
    }

    /// What strategies may know.
    pub fn context(&self) -> Context<'static> {
        Context { subresource: self.sub(), minor: self.minor }
    }

    /// The key of the object that the call names.
    pub fn key(&self) -> String {
        crate::storage::key(self.storage, &self.namespace, &self.name)
    }

    /// 404 for the object that the call names.
    pub fn not_found(&self) -> Status {
        Status::not_found(self.kind.group, self.kind.plural, &self.name)
    }

    /// 409 with upstream's inner text.
    pub fn conflict(&self, why: &str) -> Status {
        Status::conflict(self.kind.group, self.kind.plural, &self.name, why)
    }
}

/// Whether a verb is about one object by name.
fn is_named(verb: Verb, subresource: bool) -> bool {
    match verb {
        Verb::Get | Verb::Update | Verb::Patch | Verb::Delete => true,
        Verb::Create => subresource,
        Verb::List | Verb::Watch | Verb::DeleteCollection => false,
    }
}

/// Whether a verb may span all namespaces.
fn spans(verb: Verb) -> bool {
    matches!(verb, Verb::List | Verb::Watch)
}

/// The row of the version in which a kind is stored. Kinds that are not stored are their own.
pub fn storage_kind(kind: &'static Kind, minor: u32) -> &'static Kind {
    let (group, version) = match kind.storage_version.rsplit_once('/') {
        Some((group, version)) => (group, version),
        None => ("", kind.storage_version),
    };
    if (group, version) == (kind.group, kind.version) {
        return kind;
    }
    kinds::by_kind(minor, group, version, kind.kind).unwrap_or(kind)
}
