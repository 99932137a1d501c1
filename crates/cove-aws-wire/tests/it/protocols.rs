//! Requests as clients send them, to input values; output values and faults, to the bytes that clients read.

use bytes::Bytes;
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{Model, OperationModel, Protocol, model};
use cove_aws_wire::protocol::{HttpRequest, parse, reply, reply_fault};
use cove_aws_wire::route::route;
use cove_aws_wire::validate::validate;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

fn operation(service: &str, name: &str) -> (&'static Model, &'static OperationModel) {
    let model = model(service).expect("a model");
    (model, model.operation(name).expect("an operation"))
}

fn form(body: &str) -> HttpRequest {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = Bytes::copy_from_slice(body.as_bytes());
    HttpRequest { method: Method::POST, path: "/".into(), query: String::new(), headers, body }
}

fn input(service: &str, name: &str, body: &str) -> Result<Value, Fault> {
    let (model, operation) = operation(service, name);
    parse(model, operation, &form(body))
}

fn body(service: &str, name: &str, output: Value) -> String {
    let (model, operation) = operation(service, name);
    reply(model, operation, &form(""), "req-1", &output).body
}

#[test]
fn query_inputs() {
    let tags = "Action=CreateRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=a&Tags.member.1.Value=b+c\
                &MaxSessionDuration=3600&Unknown=ignored";
    assert_eq!(
        input("iam", "CreateRole", tags).expect("an input"),
        json!({"RoleName": "r", "MaxSessionDuration": 3600, "Tags": [{"Key": "a", "Value": "b c"}]})
    );
    // An empty list is sent as `Name=`.
    let empty = "AutoScalingGroupNames=&Filters.member.1.Name=n&Filters.member.1.Values.member.1=v";
    assert_eq!(
        input("autoscaling", "DescribeAutoScalingGroups", empty).expect("an input"),
        json!({"AutoScalingGroupNames": [], "Filters": [{"Name": "n", "Values": ["v"]}]})
    );
    let wrong = input("iam", "ListRoles", "MaxItems=many").expect_err("no number");
    assert_eq!(wrong.code, "MalformedInput");
}

#[test]
fn ec2_inputs() {
    let run = "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=2&BlockDeviceMapping.1.Ebs.VolumeSize=8\
               &NetworkInterface.1.SecurityGroupId.1=sg-1&NetworkInterface.1.PrivateIpAddresses.1.Primary=true\
               &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&UserData=aGk%3D&DryRun=false";
    assert_eq!(
        input("ec2", "RunInstances", run).expect("an input"),
        json!({
            "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 8}}], "MaxCount": 2, "MinCount": 1, "UserData": "aGk=",
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "k"}]}], "DryRun": false,
            "NetworkInterfaces": [{"Groups": ["sg-1"], "PrivateIpAddresses": [{"Primary": true}]}]
        })
    );
    let unknown = input("ec2", "DescribeVpcs", "VpcId.1=vpc-1&Vpc.Id=x").expect_err("unknown");
    assert_eq!(unknown.to_string(), "UnknownParameter: The parameter Vpc.Id is not recognized");
    assert_eq!(input("ec2", "DescribeVpcs", "MaxResults=x").expect_err("no number").code, "InvalidParameterValue");
}

#[test]
fn xml_outputs() {
    let role = json!({"Role": {"Path": "/", "RoleName": "a<b", "RoleId": "i", "Arn": "x", "CreateDate": 1_795_621_355, "Tags": []}});
    assert_eq!(
        body("iam", "CreateRole", role),
        "<CreateRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><CreateRoleResult><Role><Path>/</Path>\
         <RoleName>a&lt;b</RoleName><RoleId>i</RoleId><Arn>x</Arn><CreateDate>2026-11-25T15:42:35Z</CreateDate>\
         <Tags></Tags></Role></CreateRoleResult><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata>\
         </CreateRoleResponse>"
    );
    assert!(body("iam", "DeleteRole", json!({})).contains("\"><ResponseMetadata>"));
    let vpcs = json!({"Vpcs": [{"VpcId": "vpc-1", "IsDefault": true, "Tags": [{"Key": "k", "Value": "\u{1}"}]}]});
    assert_eq!(
        body("ec2", "DescribeVpcs", vpcs),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>req-1</requestId><vpcSet><item><isDefault>true</isDefault><tagSet><item><key>k</key><value>\u{FFFD}</value>\
         </item></tagSet><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
    );
    assert!(body("ec2", "DeleteVpc", json!({})).contains("<return>true</return>"));
}

#[test]
fn json_outputs_and_faults() {
    let cluster =
        json!({"cluster": {"name": "c", "createdAt": 1_795_621_355.25, "tags": {}, "unknown": 1, "arn": null}});
    assert_eq!(
        body("eks", "DescribeCluster", cluster),
        r#"{"cluster":{"name":"c","createdAt":1795621355.25,"tags":{}}}"#
    );
    let fault = Fault::new(404, "ResourceNotFoundException", "No cluster found for name: c.").with("clusterName", "c");
    let reply = reply_fault(Protocol::RestJson, model("eks"), &form(""), "req-1", &fault);
    assert_eq!(reply.body, r#"{"message":"No cluster found for name: c.","clusterName":"c"}"#);
    assert!(reply.headers.contains(&("x-amzn-errortype", "ResourceNotFoundException".into())));
    let fault = Fault::new(404, "NoSuchEntity", "gone");
    let reply = reply_fault(Protocol::Query, model("iam"), &form(""), "req-1", &fault);
    assert!(reply.body.contains("<Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>gone</Message></Error>"));
}

#[test]
fn requests_find_their_service() {
    let of = |request: &HttpRequest, signing_name: Option<&str>| {
        let route = route(request, signing_name);
        let operation = route.operation.map(|o| o.name.clone()).map_err(|f| (f.status, f.code));
        (route.entry.map(|e| e.name), route.protocol, operation)
    };
    let web = form("Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
    assert_eq!(of(&web, None), (Some("sts"), Protocol::Query, Ok("AssumeRoleWithWebIdentity".into())));
    let old = form("Action=DescribeVpcs&Version=2013-02-01");
    assert_eq!(of(&old, Some("ec2")), (Some("ec2"), Protocol::Ec2, Ok("DescribeVpcs".into())));
    let unknown = form("Action=Nothing&Version=2016-11-15");
    assert_eq!(of(&unknown, Some("ec2")).2, Err((400, "InvalidAction".into())));
    let mut target = form("{}");
    target.headers.insert("x-amz-target", HeaderValue::from_static("AmazonSSM.GetParameter"));
    assert_eq!(of(&target, Some("ssm")), (None, Protocol::Json, Err((501, "NotImplemented".into()))));
    let bucket = HttpRequest { method: Method::GET, path: "/b".into(), headers: HeaderMap::new(), ..form("") };
    assert_eq!(of(&bucket, Some("s3")), (None, Protocol::Query, Err((501, "NotImplemented".into()))));
    let wrong_method = HttpRequest { method: Method::PUT, path: "/clusters".into(), ..bucket };
    assert_eq!(of(&wrong_method, Some("eks")).2, Err((405, "UnknownOperationException".into())));
}

proptest! {
    #[test]
    fn hostile_bodies_never_panic(text in ".{0,200}", name in "[A-Za-z0-9.]{0,40}") {
        for (service, name) in [("iam", "CreateRole"), ("ec2", "RunInstances"), ("autoscaling", "CreateAutoScalingGroup")] {
            let _ = input(service, name, &text);
        }
        let field = format!("Filter.1.Value.1={text}&{name}={text}&Filter.{name}=1");
        let _ = input("ec2", "DescribeVpcs", &field);
        let (model, operation) = operation("eks", "CreateCluster");
        let mut request = form(&text);
        request.headers.clear();
        let _ = parse(model, operation, &request);
    }

    #[test]
    fn any_json_is_read_or_refused(text in r#"\{("(name|version|tags|resourcesVpcConfig|logging)":(1|"a"|null|\[\]|\{\}|\{"subnetIds":\["a",1\]\}|\[\[1\]\]),){0,4}"roleArn":"r"\}"#) {
        let (model, operation) = operation("eks", "CreateCluster");
        let mut request = form(&text);
        request.headers.clear();
        match parse(model, operation, &request) {
            Ok(input) => { let _ = validate(model, operation, &input); }
            Err(fault) => prop_assert_eq!(fault.code, "SerializationException"),
        }
    }
}
