//! From a verified principal to a Kubernetes user: templates and groups.

use cove_kube_api::door::UserInfo;
use serde_json::Value;

use super::Identity;

/// What a mapping gives to its principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub username: String,
    pub groups: Vec<String>,
}

impl Mapping {
    /// From an access entry as EKS describes it. Node entries have fixed names and groups.
    pub(super) fn of_access_entry(entry: &Value) -> Self {
        let text = |member: &str| entry[member].as_str().unwrap_or_default().to_string();
        let groups: Vec<String> = entry["kubernetesGroups"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(Into::into)
            .collect();
        match entry["type"].as_str() {
            Some("EC2_LINUX" | "EC2_WINDOWS" | "EC2") => Self {
                username: "system:node:{{EC2PrivateDNSName}}".into(),
                groups: vec!["system:bootstrappers".into(), "system:nodes".into()],
            },
            Some("FARGATE_LINUX" | "HYBRID_LINUX" | "HYPERPOD_LINUX") => Self {
                username: "system:node:{{SessionName}}".into(),
                groups: vec!["system:bootstrappers".into(), "system:nodes".into()],
            },
            _ => Self { username: text("username"), groups },
        }
    }

    pub(super) fn wants_dns_name(&self) -> bool {
        self.username.contains("{{EC2PrivateDNSName}}")
    }

    /// The user. `None` if the template needs an instance's name and there is none.
    pub(super) fn user(&self, identity: &Identity, dns_name: Option<&str>) -> Option<UserInfo> {
        if self.wants_dns_name() && dns_name.is_none() {
            return None;
        }
        let session = identity.session_name();
        let username = self
            .username
            .replace("{{EC2PrivateDNSName}}", dns_name.unwrap_or_default())
            .replace("{{AccountID}}", &identity.account)
            .replace("{{SessionName}}", &session.replace('@', "-"))
            .replace("{{SessionNameRaw}}", session)
            .replace("{{AccessKeyID}}", &identity.access_key_id);
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let mut user = UserInfo::new(username, &groups);
        let principal = identity.user_id.split(':').next().unwrap_or_default();
        user.uid = format!("aws-iam-authenticator:{}:{}", identity.account, principal);
        for (key, value) in [
            ("arn", identity.arn.clone()),
            ("canonicalArn", identity.canonical_arn()),
            ("sessionName", session.to_string()),
            ("accessKeyId", identity.access_key_id.clone()),
            ("principalId", principal.to_string()),
            ("sigs.k8s.io/aws-iam-authenticator/principalId", principal.to_string()),
        ] {
            user.extra.insert(key.into(), vec![value]);
        }
        Some(user)
    }
}
