//! The rest-json protocol: the operation is told by method and path, inputs come from labels, query and body.

use cove_base::percent;
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::model::{Kind, Location, Model, OperationModel, Reference};
use crate::protocol::http::HttpRequest;
use crate::protocol::{json, scalar};

/// The operation of a request. Labels are matched on the raw path: an encoded slash belongs to its label.
pub fn operation<'a>(model: &'a Model, request: &HttpRequest) -> Option<&'a OperationModel> {
    let fits = |o: &&OperationModel| o.method == request.method.as_str() && labels(&o.uri, &request.path).is_some();
    // A literal segment beats a label (`/addons/supported-versions`).
    model.operations().filter(fits).min_by_key(|o| o.uri.matches('{').count())
}

/// Whether any operation has this path, whatever its method.
pub fn knows_path(model: &Model, path: &str) -> bool {
    model.operations().any(|o| labels(&o.uri, path).is_some())
}

fn labels(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let (mut wanted, mut given) = (segments(template), segments(path));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some(want), Some(give)) => match want.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(_) if give.is_empty() => return None,
                Some(label) => found.push((label.to_string(), percent::decode(give))),
                None if want == give => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('/').trim_end_matches('/').split('/')
}

/// Reads an input.
pub fn read(model: &Model, operation: &OperationModel, request: &HttpRequest) -> Result<Value, Fault> {
    let mut input = json::read_body(model, operation.input, &request.body)?;
    let labels = labels(&operation.uri, &request.path).unwrap_or_default();
    let query = percent::pairs(&request.query);
    for member in operation.input.map(|i| model.members(i)).unwrap_or_default() {
        let name = member.reference.location_name.as_deref().unwrap_or(&member.name);
        let texts = match member.reference.location {
            Location::Uri => values(&labels, name),
            Location::Querystring => values(&query, name),
            Location::Header => Some(request.header(name)).filter(|v| !v.is_empty()).into_iter().collect(),
            _ => continue,
        };
        if let Some(value) = from_texts(model, &member.reference, &texts, name)? {
            input.insert(member.name.clone(), value);
        }
    }
    Ok(input.into())
}

fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
}

fn from_texts(model: &Model, reference: &Reference, texts: &[&str], name: &str) -> Result<Option<Value>, Fault> {
    let kind = &model.shape(reference.shape).kind;
    let read = |kind: &Kind, text: &str| {
        scalar::read(kind, text).ok_or_else(|| {
            Fault::client("SerializationException", format!("Value '{text}' of parameter '{name}' has the wrong type"))
        })
    };
    match (kind, texts) {
        (_, []) => Ok(None),
        (Kind::List(item), texts) => {
            let item = &model.shape(item.shape).kind;
            texts.iter().map(|text| read(item, text)).collect::<Result<Vec<_>, _>>().map(|items| Some(items.into()))
        }
        (kind, [.., text]) => read(kind, text).map(Some),
    }
}

/// The body of a fault: the message and further members of its shape.
pub fn fault_body(model: Option<&Model>, fault: &Fault) -> String {
    let mut body: Map<String, Value> = Map::new();
    // Authorization and signature refusals come from the layer before the service, which spells it with a capital.
    let known = model.is_some_and(|m| m.error(&fault.code).is_some()) && fault.code != "AccessDeniedException";
    body.insert(if known { "message" } else { "Message" }.into(), fault.message.clone().into());
    body.extend(fault.members.iter().map(|(k, v)| (k.clone(), v.clone())));
    Value::Object(body).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::model;
    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use serde_json::json;

    fn request(method: Method, path: &str, query: &str, body: &'static str) -> HttpRequest {
        HttpRequest {
            method,
            path: path.into(),
            query: query.into(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn labels_are_decoded_after_routing() {
        let eks = model("eks").expect("a model");
        let path = "/clusters/c1/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%2Fb";
        let request = request(Method::GET, path, "", "");
        let operation = operation(eks, &request).expect("an operation");
        assert_eq!(operation.name, "DescribeAccessEntry");
        let input = read(eks, operation, &request).expect("an input");
        assert_eq!(input, json!({"clusterName": "c1", "principalArn": "arn:aws:iam::1:role/a/b"}));
    }

    #[test]
    fn query_and_body_are_typed() {
        let eks = model("eks").expect("a model");
        let list = request(Method::GET, "/clusters", "maxResults=3&include=a&include=b", "");
        let operation_of = |r: &HttpRequest| operation(eks, r).expect("an operation");
        let input = read(eks, operation_of(&list), &list).expect("an input");
        assert_eq!(input, json!({"maxResults": 3, "include": ["a", "b"]}));
        let wrong = request(Method::POST, "/clusters", "", r#"{"name": 7, "other": 1}"#);
        let fault = read(eks, operation_of(&wrong), &wrong).expect_err("a fault");
        assert_eq!(fault.to_string(), "SerializationException: NUMBER_VALUE can not be converted to a String");
        let versions = request(Method::GET, "/addons/supported-versions", "", "");
        assert_eq!(operation_of(&versions).name, "DescribeAddonVersions");
    }
}
