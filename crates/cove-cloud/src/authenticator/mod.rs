//! Who an AWS token is in a cluster: access entries, then `kube-system/aws-auth` (facts: `eks.md` 1.7 and 2).
//!
//! As upstream's aws-iam-authenticator, it is a client: of STS through a port that verifies tokens, of EKS and EC2
//! through the AWS door, of the cluster through `cove-kube-client`.

pub mod access_policies;
mod aws_auth;
mod mapping;

use std::sync::Arc;

use async_trait::async_trait;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::fault::Fault;
use cove_base::Runtime;
use cove_kube_api::door::UserInfo;
use cove_kube_client::{Client, Resource};
use serde_json::{Value, json};

pub use aws_auth::{add_role, remove_role};
use mapping::Mapping;

/// Who signed a token, as STS's GetCallerIdentity says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The caller's ARN: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or a user's.
    pub arn: String,
    /// `AROA...:session` or `AIDA...`.
    pub user_id: String,
    /// The account.
    pub account: String,
    /// The key that signed.
    pub access_key_id: String,
}

impl Identity {
    /// The ARN that mappings name: a session's becomes its role's (without the path), in `iam`.
    pub fn canonical_arn(&self) -> String {
        let parts: Vec<&str> = self.arn.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", partition, "sts", _, account, resource] => match resource.strip_prefix("assumed-role/") {
                Some(rest) => {
                    let role = rest.split('/').next().unwrap_or(rest);
                    format!("arn:{partition}:iam::{account}:role/{role}")
                }
                None => self.arn.clone(),
            },
            _ => self.arn.clone(),
        }
    }

    /// The name of the session, empty for a user.
    pub fn session_name(&self) -> &str {
        self.user_id.split_once(':').map_or("", |(_, session)| session)
    }
}

/// Verifies tokens: STS, without the detour over HTTP.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Who signed this token for this cluster. The error says why it is refused.
    async fn verify(&self, token: &str, cluster: &str) -> Result<Identity, String>;
}

/// The authenticator of one cluster.
pub struct Authenticator {
    /// Clock and seed.
    pub rt: Runtime,
    /// The cluster's name.
    pub cluster: String,
    /// The region.
    pub region: String,
    /// Verifies tokens.
    pub verifier: Arc<dyn TokenVerifier>,
    /// The AWS door.
    pub aws: Arc<dyn AwsDoor>,
    /// The cluster, as `eks:authenticator`.
    pub client: Client,
}

impl Authenticator {
    /// The user behind a token. `Ok(None)` if the principal is verified but not mapped.
    pub async fn authenticate(&self, token: &str) -> Result<Option<UserInfo>, String> {
        let identity = self.verifier.verify(token, &self.cluster).await?;
        let mode = self.authentication_mode().await?;
        // In CONFIG_MAP mode there is one entry, which only AWS services see: that of the cluster's creator.
        let mut mapping = self.access_entry(&identity).await?;
        if mapping.is_none() && mode != "API" {
            mapping = self.config_map(&identity).await?;
        }
        let Some(mapping) = mapping else { return Ok(None) };
        let dns_name =
            if mapping.wants_dns_name() { self.private_dns_name(identity.session_name()).await? } else { None };
        Ok(mapping.user(&identity, dns_name.as_deref()))
    }

    async fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
        self.aws
            .call(AwsRequest {
                caller: Caller::service("eks.amazonaws.com"),
                region: self.region.clone(),
                service: service.into(),
                operation: operation.into(),
                input,
                request_id: self.rt.seed().uuid("authenticator", self.rt.now().as_nanos().unsigned_abs()),
            })
            .await
    }

    async fn authentication_mode(&self) -> Result<String, String> {
        let answer =
            self.call("eks", "DescribeCluster", json!({"name": self.cluster})).await.map_err(|f| f.to_string())?;
        let mode = answer["cluster"]["accessConfig"]["authenticationMode"].as_str();
        Ok(mode.unwrap_or("CONFIG_MAP").to_string())
    }

    /// The access entry of the principal. Role entries name the role with its path, so both forms are tried.
    async fn access_entry(&self, identity: &Identity) -> Result<Option<Mapping>, String> {
        let arn = identity.canonical_arn();
        let input = json!({"clusterName": self.cluster, "principalArn": arn});
        match self.call("eks", "DescribeAccessEntry", input).await {
            Ok(answer) => Ok(Some(Mapping::of_access_entry(&answer["accessEntry"]))),
            Err(fault) if fault.code == "ResourceNotFoundException" => Ok(None),
            Err(fault) => Err(fault.to_string()),
        }
    }

    async fn config_map(&self, identity: &Identity) -> Result<Option<Mapping>, String> {
        let found = self.client.find(Resource::core("configmaps"), "kube-system", "aws-auth").await;
        let Some(config_map) = found.map_err(|s| s.to_string())? else { return Ok(None) };
        Ok(aws_auth::find(&config_map.value()["data"], identity))
    }

    /// The private DNS name of the instance that the session is named after.
    async fn private_dns_name(&self, session: &str) -> Result<Option<String>, String> {
        if !session.starts_with("i-") {
            return Ok(None);
        }
        let answer = self.call("ec2", "DescribeInstances", json!({"InstanceIds": [session]})).await;
        let answer = answer.map_err(|f| f.to_string())?;
        Ok(answer["Reservations"][0]["Instances"][0]["PrivateDnsName"].as_str().map(str::to_string))
    }
}
