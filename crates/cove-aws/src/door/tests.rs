//! The chain as a whole: real tables, real IAM records, a memory store, a virtual clock.

use std::sync::Arc;
use std::time::Duration;

use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller, Principal};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{Protocol, entry};
use cove_base::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::door::{Door, DoorParts};
use crate::iam::identities::StoredIdentities;
use crate::operation;
use crate::operation::{Cx, Operation, Permission, Service};
use crate::records::Resource;
use crate::testing::Bench;

struct World {
    bench: Bench,
    door: Arc<Door>,
}

impl World {
    fn with(services: &'static [&'static Service]) -> Self {
        let bench = Bench::new();
        let cx = &bench.cx;
        let door = Door::new(DoorParts {
            rt: cx.rt.clone(),
            store: cx.store.clone(),
            identities: Arc::new(StoredIdentities::new(cx.store.clone())),
            sessions: cx.sessions.clone(),
            ports: cx.ports.clone(),
            services,
        });
        Self { bench, door }
    }

    fn call(&self, caller: Caller, service: &str, operation: &str, input: Value) -> Result<Value, Fault> {
        let request = AwsRequest {
            caller,
            region: "us-west-2".into(),
            service: service.into(),
            operation: operation.into(),
            input,
            request_id: "id".into(),
        };
        let door = self.door.clone();
        self.bench.run(async move { door.call(request).await })
    }

    fn root(&self, service: &str, operation: &str, input: Value) -> Value {
        self.call(Caller::in_process(Principal::Root), service, operation, input).expect("root may")
    }

    fn user(&self, name: &str) -> Caller {
        let user = self.root("iam", "CreateUser", json!({"UserName": name}))["User"].clone();
        let text = |member: &str| user[member].as_str().unwrap_or_default().to_string();
        Caller::in_process(Principal::User { name: text("UserName"), arn: text("Arn"), id: text("UserId") })
    }

    fn policy(&self, user: &str, name: &str, statement: &str) {
        let document = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        self.root("iam", "PutUserPolicy", json!({"UserName": user, "PolicyName": name, "PolicyDocument": document}));
    }
}

/// An input that passes the model's checks: every required member, with a value of its shape.
fn sample_input(service: &str, operation: &str) -> Value {
    use cove_aws_wire::model::{Kind, Model, ShapeId};
    fn value(model: &Model, shape: ShapeId) -> Value {
        let shape = model.shape(shape);
        if let Some(first) = shape.enum_values.first() {
            return first.as_str().into();
        }
        match &shape.kind {
            Kind::Structure(_) => unreachable!("structures are made by their members"),
            Kind::Integer | Kind::Long | Kind::Double => shape.min.map_or(1, |m| m as i64).max(1).into(),
            Kind::Boolean => true.into(),
            Kind::Timestamp => 1.into(),
            Kind::Blob => "".into(),
            Kind::Map(_, item) => json!({ "a": member(model, item.shape) }),
            Kind::List(item) => {
                let count = shape.min.map_or(0, |m| m as usize);
                (0..count).map(|_| member(model, item.shape)).collect()
            }
            Kind::String => {
                let candidates =
                    ["v1", "/", "arn:aws:iam::123456789012:role/aaaa", "123456789012", "aaaaaaaaaaaaaaaaaaaa"];
                let fits = |text: &&&str| {
                    let length = text.len() as f64;
                    shape.pattern.as_ref().is_none_or(|p| p.regex.is_match(text))
                        && shape.min.is_none_or(|m| length >= m)
                        && shape.max.is_none_or(|m| length <= m)
                };
                candidates.iter().rev().find(fits).map_or_else(|| "a".into(), |text| Value::from(*text))
            }
        }
    }
    fn member(model: &Model, shape: ShapeId) -> Value {
        if !matches!(model.shape(shape).kind, Kind::Structure(_)) {
            return value(model, shape);
        }
        let required = model.members(shape).iter().filter(|m| m.required);
        required.map(|m| (m.name.clone(), member(model, m.reference.shape))).collect::<serde_json::Map<_, _>>().into()
    }
    let model = entry(service).expect("a service").model();
    let input = model.operation(operation).expect("an operation of the model").input;
    input.map_or_else(|| json!({}), |shape| member(model, shape))
}

#[test]
fn every_operation_refuses_a_user_without_policies_in_its_own_words() {
    let world = World::with(crate::services());
    let nobody = world.user("nobody");
    let mut checked = 0;
    for service in crate::services() {
        let protocol = entry(service.name).expect("a model").protocol;
        for operation in service.operations {
            let model = entry(service.name).and_then(|e| e.model().operation(operation.name));
            if operation.permissions.is_empty() || model.is_none_or(|m| m.unsigned) {
                continue;
            }
            let only_conditional = operation.permissions.iter().all(|p| !p.only_if.is_empty());
            assert!(!only_conditional, "{}:{} may be called without any permission", service.name, operation.name);
            let input = sample_input(service.name, operation.name);
            let fault = world.call(nobody.clone(), service.name, operation.name, input).expect_err(operation.name);
            let (code, start) = match protocol {
                Protocol::Ec2 => ("UnauthorizedOperation", "You are not authorized to perform this operation. User: "),
                Protocol::Query => ("AccessDenied", "User: "),
                Protocol::RestJson | Protocol::Json => ("AccessDeniedException", "User: "),
            };
            assert_eq!((fault.status, fault.code.as_str()), (403, code), "{}: {fault}", operation.name);
            let wanted = format!("{start}arn:aws:iam::123456789012:user/nobody is not authorized to perform: ");
            assert!(fault.message.starts_with(&wanted), "{}: {fault}", operation.name);
            assert!(fault.message.ends_with(" action"), "{}: {fault}", operation.name);
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} operations have permissions");
}

#[test]
fn permissions_come_from_the_records_and_denials_name_what_decided() {
    let world = World::with(crate::services());
    let ann = world.user("ann");
    let role = json!({
        "RoleName": "r",
        "AssumeRolePolicyDocument": r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}}"#
    });
    let denied = world.call(ann.clone(), "iam", "CreateRole", role.clone()).expect_err("denied");
    assert_eq!(
        denied.to_string(),
        "AccessDenied: User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:CreateRole on \
         resource: arn:aws:iam::123456789012:role/r because no identity-based policy allows the iam:CreateRole action"
    );
    world.policy("ann", "own", r#"{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:role/*"}"#);
    world.call(ann.clone(), "iam", "CreateRole", role).expect("allowed now");
    world.policy("ann", "not", r#"{"Effect":"Deny","Action":"iam:DeleteRole","Resource":"*"}"#);
    let denied = world.call(ann, "iam", "DeleteRole", json!({"RoleName": "r"})).expect_err("denied");
    assert!(denied.message.ends_with("with an explicit deny in an identity-based policy"), "{denied}");
}

#[test]
fn dry_runs_end_after_the_permissions() {
    let world = World::with(crate::services());
    let instances = json!({"MinCount": 1, "MaxCount": 1, "DryRun": true});
    let root = Caller::in_process(Principal::Root);
    let dry = world.call(root, "ec2", "RunInstances", instances.clone()).expect_err("a dry run");
    assert_eq!((dry.status, dry.code.as_str()), (412, "DryRunOperation"));
    let denied = world.call(world.user("nobody"), "ec2", "RunInstances", instances).expect_err("denied");
    assert_eq!(denied.code, "UnauthorizedOperation");
}

#[test]
fn what_is_unknown_or_missing_says_so() {
    let world = World::with(crate::services());
    let call = |service: &str, operation: &str, input: Value| {
        world.call(Caller::in_process(Principal::Root), service, operation, input).expect_err("a fault")
    };
    assert_eq!(call("iam", "MakeCoffee", json!({})).code, "InvalidAction");
    let missing = call("iam", "CreateSAMLProvider", json!({}));
    assert_eq!((missing.status, missing.code.as_str()), (501, "NotImplemented"));
    assert!(missing.message.contains("iam:CreateSAMLProvider") && missing.message.contains("COVERAGE.md"));
    assert_eq!(call("iam", "CreateUser", json!({})).code, "ValidationError");
    let negative = json!({"AutoScalingGroupName": "g", "MinSize": -1, "MaxSize": 1});
    assert_eq!(call("autoscaling", "CreateAutoScalingGroup", negative).code, "ValidationError");
    let anonymous = Caller::in_process(Principal::Anonymous);
    let fault = world.call(anonymous, "iam", "ListUsers", json!({})).expect_err("a fault");
    assert_eq!(fault.code, "MissingAuthenticationToken");
}

/// A service of its own under the name and model of EKS: clusters that become active after a while.
#[derive(Clone, Serialize, Deserialize)]
struct Cluster {
    name: String,
    status: String,
}

impl Resource for Cluster {
    const KIND: &'static str = "eks/test-cluster";
    fn id(&self) -> String {
        self.name.clone()
    }
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn create(cx: Cx, input: Named) -> Result<Value, Fault> {
    let records = cx.records::<Cluster>().await?;
    let cluster = Cluster { name: input.name, status: "CREATING".into() };
    if !records.create(&cluster).await? {
        return Err(Fault::new(409, "ResourceInUseException", "Cluster already exists"));
    }
    let rt = cx.rt.clone();
    cx.rt.spawn("test: becomes active", async move {
        rt.sleep(Duration::from_secs(9)).await;
        let done = records.update(&cluster.name, |c| {
            c.status = "ACTIVE".into();
            Ok(())
        });
        done.await.expect("an update");
    });
    Ok(json!({"cluster": {"status": "CREATING"}}))
}

async fn describe(cx: Cx, input: Named) -> Result<Value, Fault> {
    let cluster = cx.records::<Cluster>().await?.get(&input.name).await?;
    Ok(json!({"cluster": {"status": cluster.map(|c| c.value.status)}}))
}

static TEST_EKS: Service = Service {
    name: "eks",
    operations: &[
        operation!("CreateCluster", Permission::NONE_NEEDED, create),
        operation!("DescribeCluster", Permission::NONE_NEEDED, describe),
    ],
    start: |_| {},
};
static TEST_SERVICES: &[&Service] = &[&TEST_EKS];

fn cluster_input(name: &str, token: &str) -> Value {
    json!({"name": name, "roleArn": "r", "resourcesVpcConfig": {}, "clientRequestToken": token})
}

#[test]
fn a_waiters_call_is_held_until_the_state_settles_and_a_plain_one_is_not() {
    let world = World::with(TEST_SERVICES);
    let now = || world.bench.cx.rt.now().as_secs();
    let start = now();
    let root = Caller::in_process(Principal::Root);
    world.call(root.clone(), "eks", "CreateCluster", cluster_input("c", "t")).expect("created");
    let plain = world.call(root.clone(), "eks", "DescribeCluster", json!({"name": "c"})).expect("described");
    assert_eq!((plain["cluster"]["status"].as_str(), now() - start), (Some("CREATING"), 0));
    let waiter = Caller { user_agent: "Boto3/1.43.11 m/D,B,b Botocore/1.43.11".into(), ..root };
    let held = world.call(waiter, "eks", "DescribeCluster", json!({"name": "c"})).expect("described");
    assert_eq!((held["cluster"]["status"].as_str(), now() - start), (Some("ACTIVE"), 9));
}

#[test]
fn a_waiter_is_held_no_longer_than_twenty_seconds() {
    let world = World::with(TEST_SERVICES);
    let stuck = Cluster { name: "s".into(), status: "CREATING".into() };
    let cx = world.bench.cx.clone();
    world.bench.run(async move { cx.records::<Cluster>().await.expect("records").create(&stuck).await.expect("made") });
    let start: Timestamp = world.bench.cx.rt.now();
    let root = Caller::in_process(Principal::Root);
    let waiter = Caller { user_agent: "m/B".into(), ..root };
    let held = world.call(waiter, "eks", "DescribeCluster", json!({"name": "s"})).expect("described");
    assert_eq!(held["cluster"]["status"], "CREATING");
    assert_eq!(world.bench.cx.rt.now().since(start), Duration::from_secs(20));
}

#[test]
fn a_client_token_makes_a_call_happen_once() {
    let world = World::with(TEST_SERVICES);
    let call = |name: &str, token: &str| {
        world.call(Caller::in_process(Principal::Root), "eks", "CreateCluster", cluster_input(name, token))
    };
    let first = call("c", "t1").expect("created");
    assert_eq!(call("c", "t1").expect("the same answer"), first);
    assert_eq!(call("c", "t2").expect_err("another call").code, "ResourceInUseException");
    let mismatch = call("d", "t1").expect_err("another input");
    assert_eq!(mismatch.code, "InvalidParameterException");
}

/// SDKs fill in client tokens by themselves, so an operation that reads its input strictly must know the member.
#[test]
fn operations_take_the_tokens_that_sdks_fill_in() {
    let bench = Bench::new();
    for service in crate::services() {
        let model = entry(service.name).expect("a model").model();
        let with_token = |o: &&Operation| model.operation(o.name).is_some_and(|m| !m.idempotency_tokens.is_empty());
        for operation in service.operations.iter().filter(with_token) {
            let tokens = &model.operation(operation.name).expect("a model").idempotency_tokens;
            let mut input = sample_input(service.name, operation.name);
            for token in tokens {
                input[token] = "t".into();
            }
            let result = bench.call(service.name, operation.name, input);
            let code = result.err().map(|f| f.code).unwrap_or_default();
            assert_ne!(code, "UnsupportedParameter", "{}:{}", service.name, operation.name);
        }
    }
}
