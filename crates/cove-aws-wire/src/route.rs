//! Which service and operation an HTTP request is for (facts: clients.md 5.2).

use crate::fault::Fault;
use crate::model::{Entry, OperationModel, Protocol, entries};
use crate::protocol::http::HttpRequest;
use crate::protocol::rest_json;

/// Signing names of services that answer in XML although their requests are no forms.
const REST_XML: &[&str] = &["s3", "route53", "cloudfront"];

/// What a request is for.
pub struct Route {
    /// The service, if Cove has a model of it.
    pub entry: Option<&'static Entry>,
    /// How to answer.
    pub protocol: Protocol,
    /// The operation, or why there is none.
    pub operation: Result<&'static OperationModel, Fault>,
}

/// Finds service and operation. `signing_name` is the service in the credential scope, if the request is signed.
pub fn route(request: &HttpRequest, signing_name: Option<&str>) -> Route {
    let form = if request.header("x-amz-target").is_empty() { request.form() } else { Vec::new() };
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let (action, version) = (field("Action"), field("Version"));
    let found = match signing_name {
        Some(name) => entries().iter().find(|e| e.signing_name == name),
        None => by_shape(request, action, version),
    };
    let Some(entry) = found else { return unknown_service(request, signing_name, action) };
    let operation = match entry.protocol {
        Protocol::Query | Protocol::Ec2 => by_action(entry, action, version),
        Protocol::RestJson => by_path(entry, request),
        Protocol::Json => by_target(entry, request.header("x-amz-target")),
    };
    Route { entry: Some(entry), protocol: entry.protocol, operation }
}

/// Without a signature: the target header, the version of a form, or the path.
fn by_shape(request: &HttpRequest, action: &str, version: &str) -> Option<&'static Entry> {
    let target = request.header("x-amz-target").split('.').next().unwrap_or_default();
    if !target.is_empty() {
        let is_json = |e: &&Entry| e.protocol == Protocol::Json;
        return entries().iter().filter(is_json).find(|e| e.model().target_prefix == target);
    }
    if !action.is_empty() || !version.is_empty() {
        return entries().iter().find(|e| e.api_version == version);
    }
    let is_rest = |e: &&Entry| e.protocol == Protocol::RestJson;
    entries().iter().filter(is_rest).find(|e| rest_json::knows_path(e.model(), &request.path))
}

fn unknown_service(request: &HttpRequest, signing_name: Option<&str>, action: &str) -> Route {
    let protocol = match signing_name {
        _ if !request.header("x-amz-target").is_empty() => Protocol::Json,
        Some(name) if REST_XML.contains(&name) => Protocol::Query,
        _ if !action.is_empty() || request.is_form() => Protocol::Query,
        _ => Protocol::RestJson,
    };
    let fault = match signing_name {
        Some(name) => not_implemented(&format!("the service {name}")),
        None if protocol == Protocol::Query => invalid_action(action, ""),
        None => unknown_operation(404),
    };
    Route { entry: None, protocol, operation: Err(fault) }
}

fn by_action(entry: &'static Entry, action: &str, version: &str) -> Result<&'static OperationModel, Fault> {
    if action.is_empty() {
        return Err(Fault::client("MissingAction", "The request must contain the parameter Action"));
    }
    // EC2 goes on answering its older versions; the others have had one for many years.
    let version_fits = entry.protocol == Protocol::Ec2 || version.is_empty() || version == entry.api_version;
    match entry.model().operation(action).filter(|_| version_fits) {
        Some(operation) => Ok(operation),
        None if entry.protocol == Protocol::Ec2 => {
            Err(Fault::client("InvalidAction", format!("The action {action} is not valid for this web service.")))
        }
        None => Err(invalid_action(action, version)),
    }
}

fn invalid_action(action: &str, version: &str) -> Fault {
    let version = if version.is_empty() { "NO_VERSION_SPECIFIED" } else { version };
    Fault::client("InvalidAction", format!("Could not find operation {action} for version {version}"))
}

fn by_path(entry: &'static Entry, request: &HttpRequest) -> Result<&'static OperationModel, Fault> {
    match rest_json::operation(entry.model(), request) {
        Some(operation) => Ok(operation),
        None if rest_json::knows_path(entry.model(), &request.path) => Err(unknown_operation(405)),
        None => Err(unknown_operation(404)),
    }
}

fn by_target(entry: &'static Entry, target: &str) -> Result<&'static OperationModel, Fault> {
    let name = target.split_once('.').map(|(_, name)| name).unwrap_or_default();
    entry.model().operation(name).ok_or_else(|| unknown_operation(400))
}

fn unknown_operation(status: u16) -> Fault {
    Fault::new(status, "UnknownOperationException", "The requested operation does not exist")
}

/// The refusal of what AWS has and Cove lacks, in a form that ends clients at the first attempt.
pub fn not_implemented(what: &str) -> Fault {
    Fault::new(501, "NotImplemented", format!("Cove does not implement {what} (yet): COVERAGE.md lists what works"))
}
