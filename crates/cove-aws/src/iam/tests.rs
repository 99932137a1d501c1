//! IAM through its operations.

use cove_aws_wire::door::Principal;
use serde_json::{Value, json};

use crate::testing::Bench;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
const CLUSTER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";

fn iam(bench: &Bench, operation: &'static str, input: Value) -> Value {
    bench.ok("iam", operation, input)
}

fn role(bench: &Bench, name: &str) -> Value {
    iam(bench, "CreateRole", json!({"RoleName": name, "AssumeRolePolicyDocument": TRUST}))
}

#[test]
fn a_role_lives_and_dies() {
    let bench = Bench::new();
    let created = role(&bench, "eks");
    assert_eq!(created["Role"]["Arn"], "arn:aws:iam::123456789012:role/eks");
    assert_eq!(created["Role"]["RoleId"].as_str().map(|id| (id.len(), &id[..4])), Some((21, "AROA")));
    let document = created["Role"]["AssumeRolePolicyDocument"].as_str().expect("a document");
    assert!(document.starts_with("%7B%22Version%22%3A%222012-10-17%22"));
    let again = bench.err("iam", "CreateRole", json!({"RoleName": "eks", "AssumeRolePolicyDocument": TRUST}));
    assert_eq!(again, "EntityAlreadyExists: Role with name eks already exists.");
    let cases = bench.err("iam", "CreateRole", json!({"RoleName": "EKS", "AssumeRolePolicyDocument": TRUST}));
    assert_eq!(cases, "EntityAlreadyExists: Role with name EKS already exists.");
    assert_eq!(
        bench.err("iam", "GetRole", json!({"RoleName": "EKS"})),
        "NoSuchEntity: The role with name EKS cannot be found."
    );

    iam(&bench, "AttachRolePolicy", json!({"RoleName": "eks", "PolicyArn": CLUSTER_POLICY}));
    iam(&bench, "PutRolePolicy", json!({"RoleName": "eks", "PolicyName": "p", "PolicyDocument": POLICY}));
    let attached = iam(&bench, "ListAttachedRolePolicies", json!({"RoleName": "eks"}));
    assert_eq!(
        attached["AttachedPolicies"],
        json!([{"PolicyName": "AmazonEKSClusterPolicy", "PolicyArn": CLUSTER_POLICY}])
    );
    assert_eq!(attached["IsTruncated"], false);
    let conflict = |bench: &Bench| bench.err("iam", "DeleteRole", json!({"RoleName": "eks"}));
    assert_eq!(conflict(&bench), "DeleteConflict: Cannot delete entity, must detach all policies first.");
    iam(&bench, "DetachRolePolicy", json!({"RoleName": "eks", "PolicyArn": CLUSTER_POLICY}));
    assert_eq!(conflict(&bench), "DeleteConflict: Cannot delete entity, must delete policies first.");
    iam(&bench, "DeleteRolePolicy", json!({"RoleName": "eks", "PolicyName": "p"}));
    iam(&bench, "CreateInstanceProfile", json!({"InstanceProfileName": "node"}));
    iam(&bench, "AddRoleToInstanceProfile", json!({"InstanceProfileName": "node", "RoleName": "eks"}));
    assert_eq!(
        conflict(&bench),
        "DeleteConflict: Cannot delete entity, must remove roles from instance profile first."
    );
    let profiles = iam(&bench, "ListInstanceProfilesForRole", json!({"RoleName": "eks"}));
    assert_eq!(profiles["InstanceProfiles"][0]["Roles"][0]["RoleName"], "eks");
    iam(&bench, "RemoveRoleFromInstanceProfile", json!({"InstanceProfileName": "node", "RoleName": "eks"}));
    iam(&bench, "DeleteInstanceProfile", json!({"InstanceProfileName": "node"}));
    iam(&bench, "DeleteRole", json!({"RoleName": "eks"}));
    assert_eq!(conflict(&bench), "NoSuchEntity: The role with name eks cannot be found.");
}

#[test]
fn users_and_their_keys() {
    let mut bench = Bench::new();
    iam(&bench, "CreateUser", json!({"UserName": "ann", "Path": "/team/", "Tags": [{"Key": "a", "Value": "b"}]}));
    let user = iam(&bench, "GetUser", json!({"UserName": "ann"}));
    assert_eq!(user["User"]["Arn"], "arn:aws:iam::123456789012:user/team/ann");
    assert_eq!(user["User"]["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let key = iam(&bench, "CreateAccessKey", json!({"UserName": "ann"}));
    let id = key["AccessKey"]["AccessKeyId"].as_str().expect("an id").to_string();
    assert_eq!((id.len(), &id[..4]), (20, "AKIA"));
    assert_eq!(key["AccessKey"]["SecretAccessKey"].as_str().map(str::len), Some(40));
    iam(&bench, "CreateAccessKey", json!({"UserName": "ann"}));
    assert_eq!(
        bench.err("iam", "CreateAccessKey", json!({"UserName": "ann"})),
        "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"
    );
    iam(&bench, "UpdateAccessKey", json!({"UserName": "ann", "AccessKeyId": id, "Status": "Inactive"}));
    bench.cx.caller.principal = Principal::User {
        name: "ann".into(),
        arn: "arn:aws:iam::123456789012:user/team/ann".into(),
        id: "AIDAX".into(),
    };
    let mine = iam(&bench, "ListAccessKeys", json!({}));
    assert_eq!(mine["AccessKeyMetadata"].as_array().map(Vec::len), Some(2));
    assert_eq!(iam(&bench, "GetUser", json!({}))["User"]["UserName"], "ann");
    assert_eq!(
        bench.err("iam", "DeleteUser", json!({"UserName": "ann"})),
        "DeleteConflict: Cannot delete entity, must delete access keys first."
    );
}

#[test]
fn managed_policies_have_versions() {
    let bench = Bench::new();
    let made = iam(&bench, "CreatePolicy", json!({"PolicyName": "mine", "PolicyDocument": POLICY}));
    let arn = made["Policy"]["Arn"].as_str().expect("an ARN").to_string();
    role(&bench, "r");
    iam(&bench, "AttachRolePolicy", json!({"RoleName": "r", "PolicyArn": arn}));
    assert_eq!(iam(&bench, "GetPolicy", json!({"PolicyArn": arn}))["Policy"]["AttachmentCount"], 1);
    let second =
        iam(&bench, "CreatePolicyVersion", json!({"PolicyArn": arn, "PolicyDocument": POLICY, "SetAsDefault": true}));
    assert_eq!(second["PolicyVersion"]["VersionId"], "v2");
    assert_eq!(
        bench.err("iam", "DeletePolicy", json!({"PolicyArn": arn})),
        "DeleteConflict: Cannot delete a policy attached to entities."
    );
    let local = iam(&bench, "ListPolicies", json!({"Scope": "Local"}));
    assert_eq!(local["Policies"].as_array().map(Vec::len), Some(1));
    let aws = iam(&bench, "ListPolicies", json!({"Scope": "AWS", "MaxItems": 5}));
    assert_eq!((aws["IsTruncated"].clone(), aws["Policies"].as_array().map(Vec::len)), (json!(true), Some(5)));
    let next = iam(&bench, "ListPolicies", json!({"Scope": "AWS", "MaxItems": 5, "Marker": aws["Marker"]}));
    assert_ne!(next["Policies"][0]["Arn"], aws["Policies"][4]["Arn"]);
    assert_eq!(
        bench.err("iam", "AttachRolePolicy", json!({"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/Nope"})),
        "NoSuchEntity: Policy arn:aws:iam::aws:policy/Nope does not exist or is not attachable."
    );
}

#[test]
fn linked_roles_belong_to_aws() {
    let bench = Bench::new();
    let made = iam(&bench, "CreateServiceLinkedRole", json!({"AWSServiceName": "eks-nodegroup.amazonaws.com"}));
    let name = "AWSServiceRoleForAmazonEKSNodegroup";
    assert_eq!(
        made["Role"]["Arn"],
        "arn:aws:iam::123456789012:role/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup"
    );
    let refused = bench.err("iam", "DeleteRole", json!({"RoleName": name}));
    assert!(refused.starts_with("UnmodifiableEntity: Cannot perform the operation on the protected role"), "{refused}");
    let again = bench.err("iam", "CreateServiceLinkedRole", json!({"AWSServiceName": "eks-nodegroup.amazonaws.com"}));
    assert!(
        again.starts_with("InvalidInput: Service role name AWSServiceRoleForAmazonEKSNodegroup has been taken"),
        "{again}"
    );
}
