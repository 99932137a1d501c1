//! Impersonation headers: who may act as another gets that other's identity.

use std::collections::BTreeMap;

use cove_kube_api::door::UserInfo;
use cove_kube_api::status::Status;
use http::HeaderMap;

use crate::authorization::{self, Attributes};
use crate::server::ApiServer;

/// Who is to be impersonated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `Impersonate-User`.
    pub user: String,
    /// `Impersonate-Uid`.
    pub uid: String,
    /// `Impersonate-Group`, one per header.
    pub groups: Vec<String>,
    /// `Impersonate-Extra-KEY`.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Wanted {
    /// From the headers of a request; `None` if there are none of impersonation.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Status> {
        let mut wanted = Self::default();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            match name.as_str() {
                "impersonate-user" => wanted.user = value.into(),
                "impersonate-uid" => wanted.uid = value.into(),
                "impersonate-group" => wanted.groups.push(value.into()),
                other => {
                    if let Some(key) = other.strip_prefix("impersonate-extra-") {
                        wanted.extra.entry(decode(key)).or_default().push(value.into());
                    }
                }
            }
        }
        if wanted == Self::default() {
            return Ok(None);
        }
        if wanted.user.is_empty() {
            let text = "requested impersonation without impersonating a user";
            return Err(Status::internal(format!("{wanted:?}: {text}")));
        }
        Ok(Some(wanted))
    }

    fn checks(&self) -> Vec<Attributes> {
        let attributes = |group: &str, resource: &str, sub: &str, namespace: &str, name: &str| Attributes {
            verb: "impersonate".into(),
            is_resource: true,
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            subresource: sub.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..Attributes::default()
        };
        let mut checks = vec![match service_account(&self.user) {
            Some((namespace, name)) => attributes("", "serviceaccounts", "", namespace, name),
            None => attributes("", "users", "", "", &self.user),
        }];
        checks.extend(self.groups.iter().map(|group| attributes("", "groups", "", "", group)));
        for (key, values) in &self.extra {
            let one = |value: &String| attributes("authentication.k8s.io", "userextras", key, "", value);
            checks.extend(values.iter().map(one));
        }
        if !self.uid.is_empty() {
            checks.push(attributes("authentication.k8s.io", "uids", "", "", &self.uid));
        }
        checks
    }

    fn user_info(self) -> UserInfo {
        let mut user = match service_account(&self.user) {
            Some((namespace, name)) if self.groups.is_empty() => UserInfo::service_account(namespace, name),
            _ => {
                let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
                match self.user.as_str() {
                    "system:anonymous" if groups.is_empty() => {
                        UserInfo::new(self.user.clone(), &["system:unauthenticated"])
                    }
                    _ => UserInfo::new(self.user.clone(), &groups),
                }
            }
        };
        (user.uid, user.extra) = (self.uid, self.extra);
        user
    }
}

fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// The key of an extra is percent-encoded in the header's name.
fn decode(key: &str) -> String {
    cove_base::percent::decode(key)
}

/// The identity that a request acts under: the caller's, or that of whom it may impersonate.
pub async fn apply(server: &ApiServer, user: UserInfo, headers: &HeaderMap) -> Result<UserInfo, Status> {
    let Some(wanted) = Wanted::of(headers)? else { return Ok(user) };
    for check in wanted.checks() {
        authorization::require(server, &Attributes { user: user.clone(), ..check }).await?;
    }
    Ok(wanted.user_info())
}
