//! From a path to what it means.

use cove_base::percent;
use cove_kube_api::door::{Target, Verb};

use crate::front::query::Query;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api`, `/apis`, `/apis/GROUP`, `/api/v1`, `/apis/GROUP/VERSION`.
    Discovery {
        /// Whether it is under `/api`.
        core: bool,
        /// The group; `None` for the root.
        group: Option<String>,
        /// The version; `None` for a group.
        version: Option<String>,
    },
    /// A resource.
    Resource(Target),
    /// Anything else.
    Path,
}

/// Reads a path. Trailing slashes do not matter.
pub fn route(path: &str) -> Route {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(percent::decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let discovery = |core, group: Option<&str>, version: Option<&str>| Route::Discovery {
        core,
        group: group.map(String::from),
        version: version.map(String::from),
    };
    match parts.as_slice() {
        ["api"] => discovery(true, None, None),
        ["apis"] => discovery(false, None, None),
        ["api", version] => discovery(true, Some(""), Some(version)),
        ["apis", group] => discovery(false, Some(group), None),
        ["apis", group, version] => discovery(false, Some(group), Some(version)),
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => Route::Path,
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Route {
    let target = |namespace: &str, rest: &[&str]| {
        Route::Resource(Target {
            group: group.into(),
            version: version.into(),
            resource: rest.first().copied().unwrap_or("").into(),
            name: rest.get(1).copied().unwrap_or("").into(),
            subresource: rest.get(2).copied().unwrap_or("").into(),
            namespace: namespace.into(),
        })
    };
    // `watch` is the deprecated prefix of watches. A namespace's own subresources stand behind its name.
    match rest {
        ["watch", rest @ ..] if !rest.is_empty() => resource(group, version, rest),
        ["namespaces", name, "status" | "finalize"] if group.is_empty() => target(name, &["namespaces", name, rest[2]]),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => target(namespace, rest),
        ["namespaces", name] => target(name, &["namespaces", name]),
        rest => target("", rest),
    }
}

/// The verb of a request to a resource.
pub fn verb(method: &http::Method, path: &str, target: &Target, query: &Query) -> Option<Verb> {
    let collection = target.name.is_empty();
    let watches = (query.flag("watch") && collection) || is_watch_path(path);
    Some(match *method {
        http::Method::GET | http::Method::HEAD if watches && target.subresource.is_empty() => Verb::Watch,
        http::Method::GET | http::Method::HEAD if collection => Verb::List,
        http::Method::GET | http::Method::HEAD => Verb::Get,
        http::Method::POST => Verb::Create,
        http::Method::PUT => Verb::Update,
        http::Method::PATCH => Verb::Patch,
        http::Method::DELETE if collection => Verb::DeleteCollection,
        http::Method::DELETE => Verb::Delete,
        _ => return None,
    })
}

fn is_watch_path(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("api") => parts.nth(1) == Some("watch"),
        Some("apis") => parts.nth(2) == Some("watch"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> (String, String, String, String) {
        match route(path) {
            Route::Resource(t) => (t.namespace, t.resource, t.name, t.subresource),
            other => panic!("{other:?}"),
        }
    }

    fn quad(a: &str, b: &str, c: &str, d: &str) -> (String, String, String, String) {
        (a.into(), b.into(), c.into(), d.into())
    }

    #[test]
    fn paths() {
        assert_eq!(named("/api/v1/pods"), quad("", "pods", "", ""));
        assert_eq!(named("/api/v1/namespaces/a/pods/b/log"), quad("a", "pods", "b", "log"));
        assert_eq!(named("/api/v1/namespaces/a"), quad("a", "namespaces", "a", ""));
        assert_eq!(named("/api/v1/namespaces/a/finalize"), quad("a", "namespaces", "a", "finalize"));
        assert_eq!(named("/apis/apps/v1/watch/namespaces/a/deployments"), quad("a", "deployments", "", ""));
        assert_eq!(named("/api/v1/nodes/a%2Fb"), quad("", "nodes", "a/b", ""));
        assert_eq!(route("/api/"), Route::Discovery { core: true, group: None, version: None });
        assert_eq!(route("/healthz"), Route::Path);
    }
}
