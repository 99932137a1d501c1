//! Which operations a Kubernetes minor serves, and in which document of version 3 they stand.

use super::table::{Operation, table};
use crate::kinds;

/// The name of the document of version 3 that tells an operation: `api/v1`, `apis/apps/v1`, `apis/apps`, `version`.
pub fn document_of(path: &str) -> &str {
    let path = path.trim_matches('/');
    let depth = match path.split('/').next() {
        Some("api") => 2,
        Some("apis") => 3,
        // The parameter of `/logs/{logpath}` is not part of the name.
        Some("logs") => 1,
        _ => return path,
    };
    let end = path.match_indices('/').nth(depth - 1).map_or(path.len(), |(at, _)| at);
    &path[..end]
}

/// The operations of a minor, in the order of their paths.
pub fn served(minor: u32) -> impl Iterator<Item = &'static Operation> {
    table().operations.iter().filter(move |operation| is_served(minor, operation.path))
}

fn is_served(minor: u32, path: &str) -> bool {
    let mut steps = path.trim_matches('/').split('/');
    let (group, version) = match steps.next() {
        Some("api") => ("", steps.next()),
        Some("apis") => match steps.next() {
            Some(group) => (group, steps.next()),
            None => return true,
        },
        _ => return true,
    };
    let of_group = || kinds::kinds(minor).iter().filter(move |kind| kind.group == group);
    let Some(version) = version else { return of_group().next().is_some() };
    let rest: Vec<&str> = steps.filter(|step| *step != "watch").collect();
    let rest = match rest.as_slice() {
        ["namespaces", "{namespace}", rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let Some(resource) = rest.first() else { return of_group().any(|kind| kind.version == version) };
    let kind = kinds::by_resource(minor, group, version, resource);
    kind.is_some_and(|kind| rest.get(2).is_none_or(|subresource| kind.subresource(subresource).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_upstream_names() {
        for (path, name) in [
            ("/api/", "api"),
            ("/api/v1/", "api/v1"),
            ("/api/v1/pods", "api/v1"),
            ("/apis/", "apis"),
            ("/apis/apps/", "apis/apps"),
            ("/apis/apps/v1/deployments", "apis/apps/v1"),
            ("/version/", "version"),
            ("/openid/v1/jwks/", "openid/v1/jwks"),
            ("/logs/{logpath}", "logs"),
            ("/.well-known/openid-configuration/", ".well-known/openid-configuration"),
        ] {
            assert_eq!(document_of(path), name);
        }
    }

    #[test]
    fn only_what_is_served_by_default_is_told() {
        let documents: std::collections::BTreeSet<_> = served(35).map(|o| document_of(o.path)).collect();
        assert!(documents.contains("apis/apps/v1") && documents.contains("api/v1") && documents.contains("apis/apps"));
        assert!(!documents.iter().any(|name| name.contains("alpha") || name.contains("beta")), "{documents:?}");
        assert!(served(35).any(|o| o.path == "/api/v1/namespaces/{namespace}/pods/{name}/resize"));
        assert!(served(35).any(|o| o.path == "/api/v1/namespaces/{name}/finalize"));
    }
}
