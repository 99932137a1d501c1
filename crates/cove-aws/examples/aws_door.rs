//! A test server by hand: `cargo run -p cove-aws --example aws_door -- PORT`, then point `aws` at it with the keys
//! that it prints. It answers GetCallerIdentity only.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use cove_aws::door::front::Front;
use cove_aws::door::front_log::NoLog;
use cove_aws_wire::credentials::{KeyLookup, KnownKey};
use cove_aws_wire::door::{AwsDoor, AwsRequest, Principal};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::sigv4::SignatureError;
use cove_base::Seed;
use cove_base::tokio_runtime::TokioDriver;
use serde_json::{Value, json};

struct OneKey;

#[async_trait]
impl KeyLookup for OneKey {
    async fn known_key(&self, id: &str, _: Option<&str>) -> Result<KnownKey, SignatureError> {
        if id != "test" {
            return Err(SignatureError::UnknownKey);
        }
        Ok(KnownKey { secret_access_key: "test".into(), principal: Principal::Root, session: None })
    }
}

struct Echo;

#[async_trait]
impl AwsDoor for Echo {
    async fn call(&self, request: AwsRequest) -> Result<Value, Fault> {
        println!("{} {} {}", request.service, request.operation, request.input);
        match request.operation.as_str() {
            "GetCallerIdentity" => {
                let principal = &request.caller.principal;
                Ok(json!({"Account": "123456789012", "Arn": principal.arn(), "UserId": principal.user_id()}))
            }
            other => Err(cove_aws_wire::route::not_implemented(&format!("{}:{other}", request.service))),
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test", listener.local_addr()?);
    let front = Front {
        rt: TokioDriver::runtime(Seed::new(1)),
        door: Arc::new(Echo),
        keys: Arc::new(OneKey),
        default_region: "us-west-2".into(),
        tls: None,
        log: Arc::new(NoLog),
        requests: AtomicU64::new(0),
    };
    Arc::new(front).serve(listener, std::future::pending()).await;
    Ok(())
}
