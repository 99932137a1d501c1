//! Bodies as clients send them: what is accepted, refused, warned of, and in which words.

use cove_kube_api::decode::{Decoded, MAX_BODY_BYTES, Strictness, apply_defaults, decode, decode_value};
use cove_kube_api::door::Encoding;
use cove_kube_api::schema::schema;
use cove_kube_api::status::Status;
use serde_json::{Value, json};

const POD: Option<(&str, &str)> = Some(("v1", "Pod"));

fn pod(text: &str, strictness: Strictness) -> Result<Decoded, Status> {
    decode(Encoding::Json, text.as_bytes(), POD, strictness)
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let status = pod(text, Strictness::Strict).unwrap_err();
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (400, "BadRequest", message));
}

#[test]
fn strict_decoding_names_unknown_and_duplicate_fields() {
    refused(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b","labels":{"x":"1","x":"2"},"foo":1},
            "spec":{"bar":{},"containers":[{"name":"c"},{"name":"d","imagee":"x"}]}}"#,
        "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: duplicate field \"metadata.name\", \
         duplicate field \"metadata.labels.x\", unknown field \"metadata.foo\", unknown field \"spec.bar\", \
         unknown field \"spec.containers[1].imagee\"",
    );
}

#[test]
fn warn_tells_and_ignore_is_silent() {
    let text = r#"{"spec":{"foo":1,"containers":[]}}"#;
    let warned = pod(text, Strictness::Warn).unwrap();
    assert_eq!(warned.warnings, ["unknown field \"spec.foo\""]);
    let ignored = pod(text, Strictness::Ignore).unwrap();
    assert!(ignored.warnings.is_empty());
    assert_eq!(ignored.value, warned.value);
    assert_eq!((ignored.api_version.as_str(), ignored.kind.as_str()), ("v1", "Pod"));
}

#[test]
fn wrong_types_are_told_in_go_words() {
    let head = "Pod in version \"v1\" cannot be handled as a Pod: ";
    for (text, error) in [
        (
            r#"{"spec":{"containers":"x"}}"#,
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"containers":[{"image":7}]}}"#,
            "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
        ),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"spec":{"priority":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (r#"{"spec":[]}"#, "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"),
        (
            r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"1x"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        refused(text, &format!("{head}{error}"));
    }
}

#[test]
fn other_kinds_are_refused() {
    refused(
        r#"{"apiVersion":"v1","kind":"Service"}"#,
        "Service in version \"v1\" cannot be handled as a Pod: converting (v1.Service) to (core.Pod): unknown conversion",
    );
    refused(
        r#"{"apiVersion":"v2","kind":"Pod"}"#,
        "Pod in version \"v2\" cannot be handled as a Pod: no kind \"Pod\" is registered for version \"v2\" in scheme \
         \"pkg/api/legacyscheme/scheme.go:30\"",
    );
    let hpa = br#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler"}"#;
    let status = decode(Encoding::Json, hpa, Some(("autoscaling/v1", "HorizontalPodAutoscaler")), Strictness::Warn);
    let message =
        "the API version in the data (autoscaling/v2) does not match the expected API version (autoscaling/v1)";
    assert_eq!(status.unwrap_err().message, message);
    refused(
        "[1]",
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: json: \
         cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
         Kind string \"json:\\\"kind,omitempty\\\"\" } (5b315d)",
    );
    refused(
        r#"{"a":}"#,
        "the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: \
         invalid character '}' looking for beginning of value ({\"a\":})",
    );
}

#[test]
fn values_become_canonical() {
    let text = r#"{"status":{"startTime":"2024-01-01T02:00:00+02:00"},"spec":{"nodeName":"","hostNetwork":false,
        "restartPolicy":null,"containers":[{"resources":{"limits":{"memory":"1024Mi","cpu":0.5}},"name":"c",
        "ports":[{"containerPort":80}],"livenessProbe":{"httpGet":{"port":"http"}}}],
        "terminationGracePeriodSeconds":0},"metadata":{"labels":{"b":"","a":null},"annotations":{}}}"#;
    let value = pod(text, Strictness::Strict).unwrap().value;
    let wanted = json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"labels": {"a": "", "b": ""}},
        "spec": {
            "containers": [{
                "name": "c", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}, "livenessProbe": {"httpGet": {"port": "http"}},
            }],
            "terminationGracePeriodSeconds": 0,
        },
        "status": {"startTime": "2024-01-01T00:00:00Z"},
    });
    assert_eq!(value.to_string(), wanted.to_string());
}

#[test]
fn yaml_is_read_like_json() {
    let text =
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\nspec:\n  foo: 1\n  containers:\n  - name: c\n";
    let yaml = decode(Encoding::Yaml, text.as_bytes(), POD, Strictness::Warn).unwrap();
    assert_eq!(yaml.value["metadata"]["name"], "b");
    assert_eq!(yaml.value["spec"]["containers"][0]["name"], "c");
    assert!(yaml.warnings.contains(&"unknown field \"spec.foo\"".to_string()), "{:?}", yaml.warnings);
    assert_eq!(yaml.warnings.len(), 2, "{:?}", yaml.warnings);
}

#[test]
fn yaml_is_converted_as_upstream_converts_it() {
    let read = |text: &str| decode(Encoding::Yaml, text.as_bytes(), POD, Strictness::Strict).map(|d| d.value);
    let pod = read("spec:\n  volumes:\n  - name: a\n    secret: {defaultMode: 0644}\n  activeDeadlineSeconds: 1e3\n")
        .unwrap();
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["defaultMode"], 420);
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 1000);
    assert_eq!(read("---\nmetadata: {name: a}\n---\nkind: Service\n").unwrap()["metadata"]["name"], "a");
    assert_eq!(read("\n").unwrap(), read("{}").unwrap());
    assert!(read("metadata: {name: yes}").unwrap_err().message.contains("cannot unmarshal bool"));
}

#[test]
fn errors_of_types_that_read_themselves_come_first() {
    let head = "Pod in version \"v1\" cannot be handled as a Pod: ";
    for (text, error) in [
        (
            r#"{"metadata":{"name":1,"creationTimestamp":"10"}}"#,
            r#"parsing time "10" as "2006-01-02T15:04:05Z07:00": cannot parse "10" as "2006""#,
        ),
        (
            r#"{"metadata":{"creationTimestamp":7}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"spec":{"volumes":[{"secret":{"defaultMode":"x"}}]}}"#,
            "json: cannot unmarshal string into Go struct field SecretVolumeSource.spec.volumes.VolumeSource.secret.defaultMode \
             of type int32",
        ),
        (
            r#"{"metadata":{"creationTimestamp":"2024-02-30T00:00:00Z"}}"#,
            r#"parsing time "2024-02-30T00:00:00Z": day out of range"#,
        ),
    ] {
        refused(text, &format!("{head}{error}"));
    }
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let alias = format!("*a{},", i - 1).repeat(10);
        bomb += &format!("a{i}: &a{i} [{}]\n", alias.trim_end_matches(','));
    }
    assert_eq!(decode(Encoding::Yaml, bomb.as_bytes(), POD, Strictness::Warn).unwrap_err().code, 400);
    let deep = format!("{{\"spec\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(pod(&deep, Strictness::Warn).unwrap_err().code, 400);
    assert_eq!(decode(Encoding::Yaml, deep.as_bytes(), POD, Strictness::Warn).unwrap_err().code, 400);
    let long = vec![b' '; MAX_BODY_BYTES + 1];
    let status = decode(Encoding::Json, &long, POD, Strictness::Warn).unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (413, "Request entity too large: limit is 3145728"));
    let wide = format!("{{\"spec\":{{\"containers\":[{}{{}}]}}}}", "{},".repeat(300_000));
    assert_eq!(pod(&wide, Strictness::Warn).unwrap_err().code, 400);
}

#[test]
fn objects_of_custom_kinds_keep_what_they_have() {
    let text =
        r#"{"kind":"Foo","apiVersion":"example.com/v1","spec":{"b":1,"a":null},"metadata":{"name":"x","nope":1}}"#;
    let expected = Some(("example.com/v1", "Foo"));
    let decoded = decode(Encoding::Json, text.as_bytes(), expected, Strictness::Warn).unwrap();
    assert_eq!(decoded.warnings, ["unknown field \"metadata.nope\""]);
    let wanted = r#"{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"x"},"spec":{"a":null,"b":1}}"#;
    assert_eq!(decoded.value.to_string(), wanted);
}

/// Decoded, with structural defaults.
fn defaulted(api_version: &str, kind: &str, mut object: Value) -> Value {
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    let mut value = decode_value(object, None, Strictness::Strict).unwrap().value;
    apply_defaults(schema().type_of_api_version(api_version, kind).unwrap(), &mut value);
    let canonical = decode_value(value.clone(), None, Strictness::Strict).unwrap().value;
    assert_eq!(value.to_string(), canonical.to_string(), "defaults keep the canonical form");
    value
}

#[test]
fn structural_defaults_are_set_at_every_depth() {
    let ports = json!([{"port": 80}, {"port": 53, "protocol": "UDP"}]);
    let service = defaulted("v1", "Service", json!({"spec": {"ports": ports}}));
    assert_eq!(service["spec"]["ports"][0]["protocol"], "TCP");
    assert_eq!(service["spec"]["ports"][1]["protocol"], "UDP");
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert_eq!(service["spec"]["sessionAffinity"], "None");
    let container = json!({"name": "c", "livenessProbe": {"httpGet": {"port": 1}, "timeoutSeconds": 7}});
    let volumes = json!([{"name": "v", "secret": {"secretName": "s"}}, {"name": "h", "hostPath": {"path": "/"}}]);
    let pod_spec = json!({"containers": [container], "volumes": volumes});
    let deployment = defaulted("apps/v1", "Deployment", json!({"spec": {"template": {"spec": pod_spec}}}));
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["progressDeadlineSeconds"], 600);
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");
    let probe = json!({
        "httpGet": {"path": "/", "port": 1, "scheme": "HTTP"}, "timeoutSeconds": 7, "periodSeconds": 10,
        "successThreshold": 1, "failureThreshold": 3,
    });
    assert_eq!(spec["containers"][0]["livenessProbe"].to_string(), probe.to_string());
    assert_eq!(spec["volumes"][0]["secret"]["defaultMode"], 420);
    assert_eq!(spec["volumes"][1]["hostPath"]["type"], "");
    assert_eq!(spec["securityContext"], json!({}));
    assert_eq!(spec["terminationGracePeriodSeconds"], 30);
    assert_eq!(spec["enableServiceLinks"], Value::Null);
}

#[test]
fn defaults_of_one_kind_do_not_reach_another() {
    let job = defaulted("batch/v1", "Job", json!({"spec": {"template": {}}}));
    assert_eq!(job["spec"]["completionMode"], "NonIndexed");
    assert_eq!(job["spec"]["suspend"], false);
    let cron = defaulted("batch/v1", "CronJob", json!({"spec": {"schedule": "* * * * *"}}));
    assert_eq!(cron["spec"]["jobTemplate"]["spec"]["completionMode"], Value::Null);
    assert_eq!(cron["spec"]["successfulJobsHistoryLimit"], 3);
    let webhooks = json!([{"name": "w", "rules": [{"operations": ["*"]}]}]);
    let config =
        defaulted("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", json!({"webhooks": webhooks}));
    assert_eq!(config["webhooks"][0]["rules"][0]["scope"], "*");
    assert_eq!(config["webhooks"][0]["timeoutSeconds"], 10);
}

#[test]
fn strategies_find_what_their_defaults_ask_for() {
    let mut set = defaulted("apps/v1", "StatefulSet", json!({"spec": {"template": {}}}));
    cove_kube_api::kinds::by_kind(35, "apps", "v1", "StatefulSet").unwrap().strategy.default(&mut set);
    assert_eq!(set["spec"]["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    assert_eq!(set["spec"]["podManagementPolicy"], "OrderedReady");
}

#[test]
fn amounts_of_resources_are_rounded_up_to_thousandths() {
    let quota = defaulted("v1", "ResourceQuota", json!({"spec": {"hard": {"cpu": "0.0001", "memory": "1.5Gi"}}}));
    assert_eq!(quota["spec"]["hard"], json!({"cpu": "1m", "memory": "1536Mi"}));
}
