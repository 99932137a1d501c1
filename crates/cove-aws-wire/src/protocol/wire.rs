//! One way in and two out for every protocol: input, output, fault.

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::model::{Model, OperationModel, Protocol};
use crate::protocol::form::Node;
use crate::protocol::http::{HttpReply, HttpRequest};
use crate::protocol::{ec2, json as json_body, query, rest_json, xml};

const XML: &str = "text/xml;charset=UTF-8";
const JSON: &str = "application/json";

/// Form fields that are not part of an operation's input.
const ENVELOPE: &[&str] = &["Action", "Version"];

/// Reads an operation's input out of a request.
pub fn parse(model: &Model, operation: &OperationModel, request: &HttpRequest) -> Result<Value, Fault> {
    match model.protocol {
        Protocol::Query => query::read_input(&query::QUERY, model, operation.input, &mut form(request)?),
        Protocol::Ec2 => ec2::read(model, operation, form(request)?),
        Protocol::RestJson => rest_json::read(model, operation, request),
        Protocol::Json => json_body::read_body(model, operation.input, &request.body).map(Value::Object),
    }
}

fn form(request: &HttpRequest) -> Result<Node, Fault> {
    let is_input = |name: &str| !ENVELOPE.contains(&name) && !name.to_ascii_lowercase().starts_with("x-amz-");
    Node::of(request.form().into_iter().filter(|(name, _)| is_input(name)))
}

/// Writes an output.
pub fn reply(
    model: &Model,
    operation: &OperationModel,
    request: &HttpRequest,
    request_id: &str,
    output: &Value,
) -> HttpReply {
    let reply = match model.protocol {
        Protocol::Query if wants_json(request) => query_json(model, operation, request_id, output),
        Protocol::Query => HttpReply::new(operation.status, XML, query_xml(model, operation, request_id, output)),
        Protocol::Ec2 => HttpReply::new(operation.status, XML, ec2_xml(model, operation, request_id, output)),
        Protocol::RestJson => {
            HttpReply::new(operation.status, JSON, json_body::write_output(model, operation.output, output).to_string())
        }
        Protocol::Json => {
            let body = json_body::write_output(model, operation.output, output).to_string();
            HttpReply::new(operation.status, json_body::CONTENT_TYPE, body)
        }
    };
    reply.with("x-amzn-requestid", request_id)
}

/// Query services answer in JSON when asked to; the verifier of EKS tokens asks so.
fn wants_json(request: &HttpRequest) -> bool {
    request.header("accept").split(',').any(|kind| kind.split(';').next().is_some_and(|k| k.trim() == JSON))
}

fn query_json(model: &Model, operation: &OperationModel, request_id: &str, output: &Value) -> HttpReply {
    let result = json_body::write_output(model, operation.output, output);
    let mut members = Map::new();
    members.insert(result_name(operation), result);
    members.insert("ResponseMetadata".into(), json!({ "RequestId": request_id }));
    let body = json!({ (format!("{}Response", operation.name)): members });
    HttpReply::new(operation.status, JSON, body.to_string())
}

fn result_name(operation: &OperationModel) -> String {
    operation.result_wrapper.clone().unwrap_or_else(|| format!("{}Result", operation.name))
}

fn query_xml(model: &Model, operation: &OperationModel, request_id: &str, output: &Value) -> String {
    let name = &operation.name;
    let mut out = format!("<{name}Response xmlns=\"{}\">", model.namespace);
    if let Some(shape) = operation.output {
        xml::wrap(&result_name(operation), &mut out, |out| xml::members(model, shape, output, out));
    }
    xml::wrap("ResponseMetadata", &mut out, |out| xml::text("RequestId", request_id, out));
    out + &format!("</{name}Response>")
}

fn ec2_xml(model: &Model, operation: &OperationModel, request_id: &str, output: &Value) -> String {
    let name = &operation.name;
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let mut out = format!("{declaration}<{name}Response xmlns=\"{}/\">", model.namespace.trim_end_matches('/'));
    xml::text("requestId", request_id, &mut out);
    match operation.output {
        Some(shape) => xml::members(model, shape, output, &mut out),
        None => xml::text("return", "true", &mut out),
    }
    out + &format!("</{name}Response>")
}

/// Writes a fault. Without a model (no service could be told) the protocol decides alone.
pub fn reply_fault(
    protocol: Protocol,
    model: Option<&Model>,
    request: &HttpRequest,
    request_id: &str,
    fault: &Fault,
) -> HttpReply {
    let reply = match protocol {
        Protocol::Query if wants_json(request) => HttpReply::new(fault.status, JSON, fault_json(fault, request_id)),
        Protocol::Query => HttpReply::new(fault.status, XML, fault_xml(model, fault, request_id)),
        Protocol::Ec2 => HttpReply::new(fault.status, XML, fault_ec2(fault, request_id)),
        Protocol::RestJson => HttpReply::new(fault.status, JSON, rest_json::fault_body(model, fault))
            .with("x-amzn-errortype", fault.code.as_str()),
        Protocol::Json => {
            let mut body = json!({ "__type": fault.code, "message": fault.message });
            if let Value::Object(body) = &mut body {
                body.extend(fault.members.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            HttpReply::new(fault.status, json_body::CONTENT_TYPE, body.to_string())
        }
    };
    reply.with("x-amzn-requestid", request_id)
}

fn side(fault: &Fault) -> &'static str {
    if fault.status < 500 { "Sender" } else { "Receiver" }
}

fn fault_json(fault: &Fault, request_id: &str) -> String {
    let error = json!({ "Code": fault.code, "Message": fault.message, "Type": side(fault) });
    json!({ "Error": error, "RequestId": request_id }).to_string()
}

fn fault_xml(model: Option<&Model>, fault: &Fault, request_id: &str) -> String {
    let namespace = model.map_or("", |m| m.namespace.as_str());
    let mut out = format!("<ErrorResponse xmlns=\"{namespace}\">");
    xml::wrap("Error", &mut out, |out| {
        xml::text("Type", side(fault), out);
        xml::text("Code", &fault.code, out);
        xml::text("Message", &fault.message, out);
    });
    xml::text("RequestId", request_id, &mut out);
    out + "</ErrorResponse>"
}

fn fault_ec2(fault: &Fault, request_id: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>");
    xml::wrap("Errors", &mut out, |out| {
        xml::wrap("Error", out, |out| {
            xml::text("Code", &fault.code, out);
            xml::text("Message", &fault.message, out);
        });
    });
    xml::text("RequestID", request_id, &mut out);
    out + "</Response>"
}
