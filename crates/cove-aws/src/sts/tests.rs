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
