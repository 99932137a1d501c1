//! STS as clusters and instances see it: tokens are verified, and instances' roles get credentials.

use std::sync::Arc;

use async_trait::async_trait;
use cove_aws_wire::credentials::{Credentials, KeyLookup};
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller, Principal};
use cove_aws_wire::eks_token;
use cove_base::arn::{ACCOUNT, Arn};
use cove_base::{Runtime, Timestamp};
use cove_cloud::authenticator::{Identity, TokenVerifier};
use cove_cloud::bootstrap::{MachineFacts, RoleCredentials};
use serde_json::{Value, json};

/// Fills both ports.
pub(crate) struct Tokens {
    pub rt: Runtime,
    pub keys: Arc<dyn KeyLookup>,
    pub aws: Arc<dyn AwsDoor>,
    /// The region's own `host:port`, which tokens may be signed for.
    pub own_hosts: Vec<String>,
    /// The clock that a token's date is judged by: the wall clock. `None` in a virtual run, where it is the run's.
    pub wall_clock: Option<fn() -> Timestamp>,
}

impl Tokens {
    fn judged_now(&self) -> Timestamp {
        self.wall_clock.map_or_else(|| self.rt.now(), |clock| clock())
    }
}

#[async_trait]
impl TokenVerifier for Tokens {
    async fn verify(&self, token: &str, cluster: &str) -> Result<Identity, String> {
        let verified = eks_token::verify(token, cluster, &self.own_hosts, self.keys.as_ref(), self.judged_now()).await;
        let verified = verified.map_err(|e| e.to_string())?;
        let (arn, user_id) = identity_of(&verified.key.principal)?;
        Ok(Identity { arn, user_id, account: ACCOUNT.into(), access_key_id: verified.access_key_id })
    }
}

/// A principal as GetCallerIdentity names it.
fn identity_of(principal: &Principal) -> Result<(String, String), String> {
    match principal {
        Principal::Root => Ok((Arn::iam("root").to_string(), ACCOUNT.into())),
        Principal::User { arn, id, .. } => Ok((arn.clone(), id.clone())),
        Principal::Role { name, id, session_name, .. } => {
            let arn = Arn::new("sts", "", format!("assumed-role/{name}/{session_name}"));
            Ok((arn.to_string(), format!("{id}:{session_name}")))
        }
        Principal::Service(_) | Principal::Anonymous => Err("the token has no IAM principal".into()),
    }
}

#[async_trait]
impl RoleCredentials for Tokens {
    /// The metadata service assumes the role as `ec2.amazonaws.com`, so the role's trust policy decides.
    async fn token(&self, machine: &MachineFacts, role: &str, cluster: &str) -> Result<(Caller, String), String> {
        let found = self.call(machine, "iam", "GetRole", json!({"RoleName": role})).await?;
        let input = json!({"RoleArn": found["Role"]["Arn"], "RoleSessionName": machine.instance_id});
        let assumed = self.call(machine, "sts", "AssumeRole", input).await?;
        let text = |member: &str| assumed["Credentials"][member].as_str().unwrap_or_default().to_string();
        let credentials = Credentials {
            access_key_id: text("AccessKeyId"),
            secret_access_key: text("SecretAccessKey"),
            session_token: Some(text("SessionToken")),
        };
        let key = self.keys.known_key(&credentials.access_key_id, credentials.session_token.as_deref()).await;
        let key = key.map_err(|e| format!("metadata service: {e}"))?;
        let sts = format!("https://sts.{}.amazonaws.com/", machine.region);
        let token = eks_token::make(cluster, &credentials, &machine.region, &sts, self.judged_now());
        Ok((Caller::in_process(key.principal), token))
    }
}

impl Tokens {
    async fn call(
        &self,
        machine: &MachineFacts,
        service: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, String> {
        let request = AwsRequest {
            caller: Caller::service("ec2.amazonaws.com"),
            region: machine.region.clone(),
            service: service.into(),
            operation: operation.into(),
            input,
            request_id: self.rt.seed().uuid(&format!("metadata/{}/{operation}", machine.instance_id), 0),
        };
        self.aws.call(request).await.map_err(|f| format!("metadata service: {f}"))
    }
}
