//! Requests to the AWS door that are not authentic, not for it, or not what an operation takes.

use std::time::Duration;

use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::protocol::HttpRequest;
use cove_aws_wire::sigv4;
use http::HeaderValue;
use serde_json::json;

use super::says;
use super::state::AwsState;
use crate::doors::{Aws, FORM, fault, now};
use crate::region::Region;

/// A request and its refusal: status, code, message.
pub type Case = (&'static str, HttpRequest, u16, &'static str, &'static str);

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
                        Secret Access Key and signing method. Consult the service documentation for details.";
const NOT_VALID: &str = "AWS was not able to validate the provided access credentials";
const UNKNOWN_KEY: &str = "The security token included in the request is invalid";
const MALFORMED: &str = "Authorization header requires 'Credential' parameter. Authorization header requires \
                         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
                         Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";

/// Sends each and compares what comes back.
pub fn check(aws: &Aws, cases: Vec<Case>) {
    let before = AwsState::of(aws);
    let mut wrong = Vec::new();
    for (name, request, status, code, message) in cases {
        let answer = aws.send(&request);
        let got = fault(&answer);
        if got.0 != status || got.1 != code || !says(message, &got.2) || answer.header("x-amzn-requestid").is_empty() {
            wrong.push(format!("{name}: {got:?} {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(before, AwsState::of(aws), "something was left behind");
}

/// One harmless write per protocol: service and request.
fn writes(aws: &Aws) -> [(&'static str, HttpRequest); 3] {
    let role = [("RoleName", "left-behind"), ("AssumeRolePolicyDocument", "{}")];
    let json = [("content-type", "application/json")];
    [
        ("iam", aws.form("2010-05-08", "CreateRole", &role)),
        ("ec2", aws.form("2016-11-15", "CreateVpc", &[("CidrBlock", "10.9.0.0/16")])),
        ("eks", aws.request("POST", "/clusters", &json, json!({"name": "left-behind"}).to_string().as_bytes())),
    ]
}

/// The refusals of a kind in the three protocols.
fn in_each(
    aws: &Aws,
    name: &'static str,
    make: impl Fn(&'static str, HttpRequest) -> HttpRequest,
    wanted: [(u16, &'static str, &'static str); 3],
) -> Vec<Case> {
    let made = writes(aws).map(|(service, request)| make(service, request)).into_iter();
    made.zip(wanted).map(|(request, (status, code, message))| (name, request, status, code, message)).collect()
}

fn with_header(mut request: HttpRequest, name: &'static str, value: &str) -> HttpRequest {
    request.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
    request
}

fn other_keys(aws: &Aws, id: &str) -> Aws {
    let credentials = Credentials { access_key_id: id.into(), secret_access_key: "wrong".into(), session_token: None };
    Aws { credentials, ..aws.clone() }
}

fn signatures(aws: &Aws) -> Vec<Case> {
    let forged = other_keys(aws, &aws.credentials.access_key_id);
    let stranger = other_keys(aws, "AKIAIOSFODNN7EXAMPLE");
    let elsewhere = Aws { region: "nowhere".into(), ..aws.clone() };
    let mut session = aws.clone();
    session.credentials.session_token = Some("garbage".into());
    let late = now() + Duration::from_secs(20 * 60);
    let early = now() - Duration::from_secs(20 * 60);
    let mismatch = |code| (403, code, MISMATCH);
    let tampered = |service, request| {
        let mut request = aws.sign(request, service, now());
        request.body = [&request.body, b" ".as_slice()].concat().into();
        request
    };
    [
        in_each(
            aws,
            "unsigned",
            |_, request| request,
            [
                (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
                (400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"),
                (403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
            ],
        ),
        in_each(
            aws,
            "wrongly signed",
            |service, request| forged.sign(request, service, now()),
            [mismatch("SignatureDoesNotMatch"), (401, "AuthFailure", NOT_VALID), mismatch("InvalidSignatureException")],
        ),
        in_each(
            aws,
            "changed after it was signed",
            tampered,
            [mismatch("SignatureDoesNotMatch"), (401, "AuthFailure", NOT_VALID), mismatch("InvalidSignatureException")],
        ),
        in_each(
            aws,
            "an unknown key",
            |service, request| stranger.sign(request, service, now()),
            [
                (403, "InvalidClientTokenId", UNKNOWN_KEY),
                (401, "AuthFailure", NOT_VALID),
                (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
            ],
        ),
        in_each(
            aws,
            "a session token that is none",
            |service, request| session.sign(request, service, now()),
            [
                (403, "InvalidClientTokenId", UNKNOWN_KEY),
                (401, "AuthFailure", NOT_VALID),
                (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
            ],
        ),
        in_each(
            aws,
            "expired",
            |service, request| aws.sign(request, service, early),
            [
                (403, "SignatureDoesNotMatch", "Signature expired: 2…"),
                (400, "RequestExpired", "Request has expired."),
                (403, "InvalidSignatureException", "Signature expired: 2…"),
            ],
        ),
        in_each(
            aws,
            "of a clock that is ahead",
            |service, request| aws.sign(request, service, late),
            [
                (403, "SignatureDoesNotMatch", "Signature not yet current: 2…"),
                (400, "RequestExpired", "Request has expired."),
                (403, "InvalidSignatureException", "Signature not yet current: 2…"),
            ],
        ),
        in_each(
            aws,
            "scoped to no region",
            |service, request| elsewhere.sign(request, service, now()),
            [
                (403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region. "),
                (401, "AuthFailure", NOT_VALID),
                (403, "InvalidSignatureException", "Credential should be scoped to a valid region. "),
            ],
        ),
    ]
    .concat()
}

/// Signatures that are none, and a presigned request whose time is over.
fn malformed_signatures(aws: &Aws) -> Vec<Case> {
    let algorithm = "AWS4-HMAC-SHA1 Credential=a/b/c/d/e";
    let unsupported = "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'.";
    let presigned = aws.request("GET", "/?Action=ListRoles&Version=2010-05-08", &[], b"");
    let at = now() - Duration::from_secs(120);
    let query = sigv4::presign(&presigned, &aws.credentials, (&aws.region, "iam"), 60, at);
    let mut cases = vec![(
        "a presigned request whose time is over",
        HttpRequest { query, ..presigned },
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 2…",
    )];
    // Nothing says which service a malformed signature is for, so the shape of the request decides.
    for (service, request) in writes(aws) {
        let code = if service == "eks" { (403, "IncompleteSignatureException") } else { (400, "IncompleteSignature") };
        let malformed = with_header(request.clone(), "authorization", "AWS4-HMAC-SHA256 nonsense");
        cases.push(("a malformed signature", malformed, code.0, code.1, MALFORMED));
        let other = with_header(request, "authorization", algorithm);
        cases.push(("another algorithm", other, code.0, code.1, unsupported));
    }
    cases
}

fn unknown(aws: &Aws) -> Vec<Case> {
    let signed = |service, request| aws.sign(request, service, now());
    let form = |version, action| aws.form(version, action, &[]);
    let bare = aws.request("POST", "/", &[("content-type", FORM)], b"Version=2010-05-08");
    let missing = "The request must contain the parameter Action";
    let none = "The requested operation does not exist";
    let path = |method, path| signed("eks", aws.request(method, path, &[], b""));
    let fargate = path("GET", "/clusters/c/fargate-profiles");
    vec![
        (
            "a service that Cove has not",
            signed("sqs", form("2012-11-05", "ListQueues")),
            501,
            "NotImplemented",
            "Cove does not implement the service sqs (yet): COVERAGE.md lists what works",
        ),
        (
            "an unknown action",
            signed("iam", form("2010-05-08", "MakeCoffee")),
            400,
            "InvalidAction",
            "Could not find operation MakeCoffee for version 2010-05-08",
        ),
        (
            "another version",
            signed("iam", form("1999-01-01", "ListRoles")),
            400,
            "InvalidAction",
            "Could not find operation ListRoles for version 1999-01-01",
        ),
        (
            "an unknown action of EC2",
            signed("ec2", form("2016-11-15", "MakeCoffee")),
            400,
            "InvalidAction",
            "The action MakeCoffee is not valid for this web service.",
        ),
        ("no action", signed("iam", bare), 400, "MissingAction", missing),
        ("an unknown path", path("GET", "/coffee"), 404, "UnknownOperationException", none),
        ("an unknown method", path("PATCH", "/clusters/c"), 405, "UnknownOperationException", none),
        (
            "an operation that Cove has not",
            fargate,
            501,
            "NotImplemented",
            "Cove does not implement eks:ListFargateProfiles (yet): COVERAGE.md lists what works",
        ),
        (
            "an operation of another service",
            signed("iam", form("2016-11-15", "DescribeVpcs")),
            400,
            "InvalidAction",
            "Could not find operation DescribeVpcs for version 2016-11-15",
        ),
    ]
}

/// Parameters of the query services.
fn parameters(aws: &Aws) -> Vec<Case> {
    let iam = |action, fields: &[_]| aws.sign(aws.form("2010-05-08", action, fields), "iam", now());
    let sts = |action, fields: &[_]| aws.sign(aws.form("2011-06-15", action, fields), "sts", now());
    let groups = |action, fields: &[_]| aws.sign(aws.form("2011-01-01", action, fields), "autoscaling", now());
    let long = "x".repeat(65);
    let trust =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
    vec![
        (
            "missing parameters",
            iam("CreateRole", &[]),
            400,
            "ValidationError",
            "2 validation errors detected: Value null at 'roleName' failed to satisfy constraint: Member must not be \
             null; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null",
        ),
        (
            "a name over length",
            iam("CreateRole", &[("RoleName", &long), ("AssumeRolePolicyDocument", trust)]),
            400,
            "ValidationError",
            "1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at \
             'roleName' failed to satisfy constraint: Member must have length less than or equal to 64",
        ),
        (
            "a number that is none",
            iam("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", trust), ("MaxSessionDuration", "x")]),
            400,
            "MalformedInput",
            "Invalid number 'x' at 'MaxSessionDuration'",
        ),
        (
            "a policy that is no JSON",
            iam("CreateRole", &[("RoleName", "r"), ("AssumeRolePolicyDocument", "{")]),
            400,
            "MalformedPolicyDocument",
            "This policy contains invalid Json",
        ),
        (
            "a name too deep",
            iam("CreateRole", &[("RoleName.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", "r")]),
            400,
            "MalformedQueryString",
            "A parameter's name has too many parts.",
        ),
        (
            "a user that is not there",
            iam("GetUser", &[("UserName", "nobody")]),
            404,
            "NoSuchEntity",
            "The user with name nobody cannot be found.",
        ),
        (
            "a session too short",
            sts(
                "AssumeRole",
                &[
                    ("RoleArn", "arn:aws:iam::123456789012:role/r"),
                    ("RoleSessionName", "session"),
                    ("DurationSeconds", "1"),
                ],
            ),
            400,
            "ValidationError",
            "1 validation error detected: Value '1' at 'durationSeconds' failed to satisfy constraint: Member must \
             have value greater than or equal to 900",
        ),
        (
            "a group without its sizes",
            groups("CreateAutoScalingGroup", &[("AutoScalingGroupName", "g")]),
            400,
            "ValidationError",
            "2 validation errors detected: Value null at 'minSize' failed to satisfy constraint: Member must not be \
             null; Value null at 'maxSize' failed to satisfy constraint: Member must not be null",
        ),
    ]
}

fn parameters_of_ec2(aws: &Aws) -> Vec<Case> {
    let ec2 = |action, fields: &[_]| aws.sign(aws.form("2016-11-15", action, fields), "ec2", now());
    let long = "x".repeat(256);
    vec![
        (
            "a missing parameter",
            ec2("CreateSubnet", &[("CidrBlock", "172.31.200.0/28")]),
            400,
            "MissingParameter",
            "The request must contain the parameter VpcId",
        ),
        (
            "an unknown parameter",
            ec2("CreateVpc", &[("CidrBlock", "10.9.0.0/16"), ("Coffee", "1")]),
            400,
            "UnknownParameter",
            "The parameter Coffee is not recognized",
        ),
        (
            "a number that is none",
            ec2("RunInstances", &[("ImageId", "ami-1"), ("MinCount", "x"), ("MaxCount", "1")]),
            400,
            "InvalidParameterValue",
            "Value (x) for parameter MinCount is invalid. Expected a number.",
        ),
        (
            "a network that is none",
            ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/99")]),
            400,
            "InvalidParameterValue",
            "Value (10.0.0.0/99) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            "a network too large",
            ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/8")]),
            400,
            "InvalidVpc.Range",
            "The CIDR '10.0.0.0/8' is invalid.",
        ),
        (
            "an id that is none",
            ec2("DescribeInstances", &[("InstanceId.1", "coffee")]),
            400,
            "InvalidInstanceID.Malformed",
            "Invalid id: \"coffee\" (expecting \"i-...\")",
        ),
        (
            "an instance that is not there",
            ec2("TerminateInstances", &[("InstanceId.1", "i-0123456789abcdef0")]),
            400,
            "InvalidInstanceID.NotFound",
            "The instance ID 'i-0123456789abcdef0' does not exist",
        ),
        (
            "a name over length",
            ec2("CreateSecurityGroup", &[("GroupName", &long), ("GroupDescription", "d")]),
            400,
            "InvalidParameterValue",
            "Value (…",
        ),
    ]
}

#[test]
fn the_aws_door_refuses_by_name() {
    let region = Region::up(&[]);
    let aws = Aws::of(&region);
    for make in [signatures, malformed_signatures, unknown, parameters, parameters_of_ec2] {
        check(&aws, make(&aws));
    }
    assert!(!aws.query("iam", "ListRoles", &[]).body.contains("left-behind"));
}
