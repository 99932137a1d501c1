//! STS through its operations.

use std::collections::BTreeMap;

use cove_aws_wire::door::Principal;
use serde_json::json;

use crate::testing::Bench;

#[test]
fn callers_are_named() {
    let mut bench = Bench::new();
    let reply = bench.ok("sts", "GetCallerIdentity", json!({}));
    assert_eq!(
        reply,
        json!({"UserId": "123456789012", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root"})
    );
    bench.cx.caller.principal = Principal::Role {
        name: "node".into(),
        role_arn: "arn:aws:iam::123456789012:role/some/path/node".into(),
        id: "AROAX".into(),
        session_name: "i-1".into(),
        tags: BTreeMap::new(),
    };
    let reply = bench.ok("sts", "GetCallerIdentity", json!({}));
    assert_eq!(reply["Arn"], "arn:aws:sts::123456789012:assumed-role/node/i-1");
    assert_eq!(reply["UserId"], "AROAX:i-1");
}

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn user(bench: &Bench, name: &str) -> Principal {
    let made = bench.ok("iam", "CreateUser", json!({"UserName": name}));
    let text = |member: &str| made["User"][member].as_str().unwrap_or_default().to_string();
    Principal::User { name: name.into(), arn: text("Arn"), id: text("UserId") }
}

fn role_trusting(bench: &Bench, principal: &str) {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
    );
    bench.ok("iam", "CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust}));
}

#[test]
fn a_role_is_taken_on_by_whom_it_trusts() {
    let mut bench = Bench::new();
    let ann = user(&bench, "ann");
    role_trusting(&bench, r#"{"AWS":"arn:aws:iam::123456789012:user/ann"}"#);
    bench.cx.caller.principal = ann;
    let input = json!({"RoleArn": ROLE, "RoleSessionName": "s"});
    let reply = bench.ok("sts", "AssumeRole", input.clone());
    assert_eq!(reply["AssumedRoleUser"]["Arn"], "arn:aws:sts::123456789012:assumed-role/r/s");
    let text = |member: &str| reply["Credentials"][member].as_str().expect(member).to_string();
    let now = bench.cx.rt.now();
    assert_eq!(reply["Credentials"]["Expiration"], now.as_secs() + 3600);
    let known = bench.cx.sessions.open(&text("AccessKeyId"), &text("SessionToken"), now).expect("our own token");
    assert_eq!(known.secret_access_key, text("SecretAccessKey"));
    assert!(matches!(known.principal, Principal::Role { ref session_name, .. } if session_name == "s"));
    let too_long = json!({"RoleArn": ROLE, "RoleSessionName": "s", "DurationSeconds": 7200});
    assert!(
        bench.err("sts", "AssumeRole", too_long).starts_with("ValidationError: The requested DurationSeconds exceeds")
    );
    bench.cx.caller.principal = Principal::Root;
    let bob = user(&bench, "bob");
    bench.cx.caller.principal = bob;
    assert_eq!(
        bench.err("sts", "AssumeRole", input),
        format!(
            "AccessDenied: User: arn:aws:iam::123456789012:user/bob is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
        )
    );
}

#[test]
fn trust_in_the_account_needs_an_identity_policy() {
    let mut bench = Bench::new();
    let ann = user(&bench, "ann");
    role_trusting(&bench, r#"{"AWS":"123456789012"}"#);
    bench.cx.caller.principal = ann.clone();
    let input = json!({"RoleArn": ROLE, "RoleSessionName": "s"});
    let refused = bench.err("sts", "AssumeRole", input.clone());
    assert!(refused.contains("because no identity-based policy allows the sts:AssumeRole action"), "{refused}");
    bench.cx.caller.principal = Principal::Root;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}]});
    bench.ok(
        "iam",
        "PutUserPolicy",
        json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": policy.to_string()}),
    );
    bench.cx.caller.principal = ann;
    bench.ok("sts", "AssumeRole", input);
}
