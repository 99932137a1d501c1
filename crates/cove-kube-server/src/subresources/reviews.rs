//! Reviews: who is this, and what may they do? Answered at once, never stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use cove_kube_api::door::{Body, Reply, Response, UserInfo};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use serde_json::{Map, Value, json};

use crate::authentication::{self, Credential, tokens};
use crate::authorization::rbac::Rule;
use crate::authorization::{self, Attributes, Decision};
use crate::chain::body;
use crate::chain::call::{Call, wrong_method};
use crate::server::ApiServer;
use crate::value::{at, is_empty, text, texts};

/// Answers a review of any kind.
pub async fn review(server: &ApiServer, call: &mut Call, request: &Body) -> Result<Response, Status> {
    let how = body::strictness(call)?;
    let decoded = body::read(request, call.kind.group, call.kind.version, call.kind.kind, how)?;
    call.warnings.extend(decoded.warnings);
    let mut review = decoded.value;
    let status = match call.kind.kind {
        "TokenReview" => token(server, &review).await?,
        "SubjectAccessReview" => access(server, call, &mut review, None).await?,
        "LocalSubjectAccessReview" => {
            check_local(call, &review)?;
            access(server, call, &mut review, None).await?
        }
        "SelfSubjectAccessReview" => access(server, call, &mut review, Some(call.user.clone())).await?,
        "SelfSubjectRulesReview" => rules(server, call, &review).await?,
        "SelfSubjectReview" => json!({"userInfo": user_value(&call.user)}),
        _ => return Err(wrong_method()),
    };
    if let Value::Object(map) = &mut review {
        map.insert("status".into(), status);
    }
    let reply = Reply::Object(Arc::new(Object::transient(review)));
    Ok(Response { reply, created: true, warnings: std::mem::take(&mut call.warnings) })
}

/// A user as reviews show it.
pub fn user_value(user: &UserInfo) -> Value {
    let mut value = Map::new();
    value.insert("username".into(), user.username.clone().into());
    if !user.uid.is_empty() {
        value.insert("uid".into(), user.uid.clone().into());
    }
    if !user.groups.is_empty() {
        value.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        value.insert("extra".into(), json!(user.extra));
    }
    Value::Object(value)
}

async fn token(server: &ApiServer, review: &Value) -> Result<Value, Status> {
    let token = text(review, &["spec", "token"]);
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let asked: Vec<String> = texts(review, &["spec", "audiences"]).into_iter().map(String::from).collect();
    let wanted = if asked.is_empty() { server.config.audiences.clone() } else { asked };
    let answer = |user: &UserInfo, audiences: &[String]| {
        Ok(json!({"authenticated": true, "user": user_value(user), "audiences": audiences}))
    };
    match tokens::authenticate(server, token, &wanted).await {
        Ok(Some((user, audiences))) => return answer(&user, &audiences),
        Err(why) => return Ok(json!({"user": {}, "error": format!("[invalid bearer token, {why}]")})),
        Ok(None) => {}
    }
    match authentication::authenticate(server, Credential::Token(token)).await {
        Ok(user) => answer(&user, &wanted),
        Err(_) => Ok(json!({"user": {}, "error": "invalid bearer token"})),
    }
}

fn check_local(call: &Call, review: &Value) -> Result<(), Status> {
    let namespace = text(review, &["spec", "resourceAttributes", "namespace"]);
    if namespace == call.namespace {
        return Ok(());
    }
    let text = format!("spec.resourceAttributes.namespace must match namespace: {}", call.namespace);
    Err(Status::bad_request(text))
}

/// Decides a SubjectAccessReview; `who` is set for a review of oneself.
async fn access(server: &ApiServer, call: &Call, review: &mut Value, who: Option<UserInfo>) -> Result<Value, Status> {
    let errors = access_errors(review, who.is_some());
    if !errors.is_empty() {
        return Err(Status::invalid(call.kind.group, call.kind.kind, "", &errors));
    }
    let spec = at(review, &["spec"]);
    let attributes = attributes_of(spec, who.unwrap_or_else(|| user_of(spec)));
    let (allowed, denied, reason) = match authorization::decide(server, &attributes).await? {
        Decision::Allow(reason) => (true, false, reason),
        Decision::Deny(reason) => (false, true, reason),
        Decision::NoOpinion(reason) => (false, false, reason),
    };
    let mut status = json!({"allowed": allowed});
    if denied {
        status["denied"] = true.into();
    }
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    Ok(status)
}

fn access_errors(review: &Value, own: bool) -> Vec<FieldError> {
    let (resource, path) =
        (at(review, &["spec", "resourceAttributes"]), at(review, &["spec", "nonResourceAttributes"]));
    let mut errors = Vec::new();
    match (resource.is_null(), path.is_null()) {
        (false, false) => errors.push(FieldError::invalid_raw(
            "spec.nonResourceAttributes",
            path,
            "cannot be specified in combination with resourceAttributes",
        )),
        (true, true) => errors.push(FieldError::invalid_raw(
            "spec.resourceAttributes",
            resource,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    if !own && is_empty(at(review, &["spec", "user"])) && is_empty(at(review, &["spec", "groups"])) {
        errors.push(FieldError::invalid("spec.user", "", "at least one of user or group must be specified"));
    }
    errors
}

fn user_of(spec: &Value) -> UserInfo {
    let mut extra = BTreeMap::new();
    for (key, values) in at(spec, &["extra"]).as_object().into_iter().flatten() {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from);
        extra.insert(key.to_lowercase(), values.collect());
    }
    UserInfo {
        username: text(spec, &["user"]).into(),
        uid: text(spec, &["uid"]).into(),
        groups: texts(spec, &["groups"]).into_iter().map(String::from).collect(),
        extra,
    }
}

fn attributes_of(spec: &Value, user: UserInfo) -> Attributes {
    let path = at(spec, &["nonResourceAttributes"]);
    if !path.is_null() {
        let part = |member: &str| text(path, &[member]).to_string();
        return Attributes { user, verb: part("verb"), path: part("path"), ..Attributes::default() };
    }
    let part = |member: &str| text(spec, &["resourceAttributes", member]).to_string();
    Attributes {
        user,
        verb: part("verb"),
        is_resource: true,
        group: part("group"),
        version: part("version"),
        resource: part("resource"),
        subresource: part("subresource"),
        namespace: part("namespace"),
        name: part("name"),
        path: String::new(),
        field_selector: text(spec, &["resourceAttributes", "fieldSelector", "rawSelector"]).into(),
    }
}

/// What RBAC gives the caller in a namespace.
async fn rules(server: &ApiServer, call: &Call, review: &Value) -> Result<Value, Status> {
    let namespace = text(review, &["spec", "namespace"]);
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let policy = server.authorization.rbac().policy(server).await?;
    let mut found: Vec<Rule> = Vec::new();
    let mut missing = policy.visit(&call.user, namespace, |granted| {
        found.push(granted.rule.clone());
        true
    });
    if call.user.groups.iter().any(|group| group == authorization::MASTERS) {
        let all = || vec!["*".to_string()];
        found.push(Rule { verbs: all(), groups: all(), resources: all(), ..Rule::default() });
        found.push(Rule { verbs: all(), paths: all(), ..Rule::default() });
    }
    let resource = |rule: &Rule| {
        let mut value = json!({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources});
        if !rule.names.is_empty() {
            value["resourceNames"] = json!(rule.names);
        }
        value
    };
    let path = |rule: &Rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.paths});
    let resources: Vec<Value> = found.iter().filter(|rule| rule.paths.is_empty()).map(resource).collect();
    let paths: Vec<Value> = found.iter().filter(|rule| !rule.paths.is_empty()).map(path).collect();
    if !server.config.authorizers.is_empty() {
        // What upstream says of the webhook that stands behind EKS's own authorizer.
        missing.insert(0, "webhook authorizer does not support user rule resolution".into());
    }
    let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": !missing.is_empty()});
    if !missing.is_empty() {
        status["evaluationError"] = missing.join(", ").into();
    }
    Ok(status)
}
