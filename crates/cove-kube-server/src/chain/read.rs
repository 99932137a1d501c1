//! Get and list: revisions, selectors, and pages.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use cove_kube_api::door::{ListReply, Reply, Response};
use cove_kube_api::field_error::FieldError;
use cove_kube_api::object::Object;
use cove_kube_api::status::Status;
use cove_store::api::{Range, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::selector::{FieldSelector, LabelSelector};
use crate::chain::call::Call;
use crate::convert;
use crate::kind_rules::api_version;
use crate::server::ApiServer;
use crate::storage::{object_of, prefix, store_error};
use crate::value::meta;

/// What a list or watch lets through.
pub struct Filter {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
}

impl Filter {
    /// From a call's selectors.
    pub fn of(call: &Call) -> Result<Self, Status> {
        let options = &call.options;
        let labels = match options.label_selector.as_str() {
            "" => None,
            text => Some(LabelSelector::parse(text)?),
        };
        let fields = match options.field_selector.as_str() {
            "" => None,
            text => Some(FieldSelector::parse(call.kind, text)?),
        };
        Ok(Self { labels, fields })
    }

    /// The only name that may pass, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.fields.as_ref().and_then(|fields| fields.required("metadata.name"))
    }

    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }

    /// What the keys of everything that may pass begin with: a selector of one name reads one key.
    pub fn scope(&self, call: &Call) -> String {
        let under = prefix(call.storage, &call.namespace);
        match self.name() {
            Some(name) if !call.storage.namespaced || !call.namespace.is_empty() => under + name,
            _ => under,
        }
    }

    /// Whether an object (in the version asked for) passes.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = meta(object).get("labels").unwrap_or(&Value::Null);
        self.labels.as_ref().is_none_or(|selector| selector.matches(labels))
            && self.fields.as_ref().is_none_or(|selector| selector.matches(object))
    }
}

/// The continue token: upstream's form.
#[derive(Serialize, Deserialize)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";
const TOO_OLD_LIST: &str = "The resourceVersion for the provided list is too old.";
const TOO_OLD_CONTINUE: &str = "The provided continue parameter is too old to display a consistent list result. You can \
start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder \
of the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// Where a list starts and as of when.
struct Start {
    revision: Option<u64>,
    from: Option<String>,
    continued: bool,
}

/// Reads one object.
pub async fn get(server: &ApiServer, call: &Call) -> Result<Response, Status> {
    let stored = server.storage.get(&call.key()).await?.ok_or_else(|| call.not_found())?;
    Ok(Response::ok(Reply::Object(convert::from_storage(call.storage, call.kind, &stored.object))))
}

/// Reads many objects.
pub async fn list(server: &ApiServer, call: &Call) -> Result<Response, Status> {
    check_list_options(call)?;
    let filter = Filter::of(call)?;
    let under = filter.scope(call);
    let start = start_of(server, call, &under)?;
    let reply = collect(server, call, &filter, &under, start).await?;
    Ok(Response::ok(Reply::List(reply)))
}

async fn collect(
    server: &ApiServer,
    call: &Call,
    filter: &Filter,
    under: &str,
    start: Start,
) -> Result<ListReply, Status> {
    let limit = usize::try_from(call.options.limit).unwrap_or(0);
    let mut items: Vec<Arc<Object>> = Vec::new();
    let mut range = Range { prefix: under.into(), from: start.from.clone(), limit, revision: start.revision };
    loop {
        let page = server.storage.range(range.clone()).await;
        let page = page.map_err(|error| range_error(server, error, &start, under))?;
        let mut last_key = None;
        for (position, entry) in page.entries.iter().enumerate() {
            last_key = Some(entry.key.clone());
            let object = convert::from_storage(call.storage, call.kind, &object_of(entry));
            if filter.is_open() || filter.matches(object.value()) {
                items.push(object);
            }
            let left = page.entries.len() - position - 1 + page.remaining;
            if limit > 0 && items.len() == limit && left > 0 {
                return Ok(reply(call, items, page.revision, Some((&entry.key, under, left, filter))));
            }
        }
        match last_key {
            Some(key) if page.remaining > 0 => {
                range.from = Some(format!("{key}\0"));
                range.revision = Some(page.revision);
            }
            _ => return Ok(reply(call, items, page.revision, None)),
        }
    }
}

fn reply(call: &Call, items: Vec<Arc<Object>>, revision: u64, more: Option<(&str, &str, usize, &Filter)>) -> ListReply {
    let (continue_token, remaining) = match more {
        Some((last, under, left, filter)) => {
            let token = token(i64::try_from(revision).unwrap_or(i64::MAX), &format!("{last}\0"), under);
            (token, filter.is_open().then_some(left as u64))
        }
        None => (String::new(), None),
    };
    ListReply {
        api_version: api_version(call.kind.group, call.kind.version),
        kind: call.kind.list_kind.into(),
        items,
        revision: revision.max(1),
        continue_token,
        remaining,
    }
}

fn token(rv: i64, from: &str, under: &str) -> String {
    let start = from.strip_prefix(under).unwrap_or(from).to_string();
    let token = Token { v: TOKEN_VERSION.into(), rv, start };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn parse_token(text: &str) -> Result<Token, Status> {
    let wrong = |why: String| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let trimmed = text.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(trimmed).or_else(|_| STANDARD_NO_PAD.decode(trimmed));
    let bytes = bytes.map_err(|e| wrong(e.to_string()))?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    if token.v != TOKEN_VERSION {
        return Err(wrong(format!("server does not recognize this encoded version {:?}", token.v)));
    }
    if token.start.is_empty() || token.start.split('/').any(|part| part == "..") {
        return Err(wrong("encoded start key empty or invalid".into()));
    }
    Ok(token)
}

fn start_of(server: &ApiServer, call: &Call, under: &str) -> Result<Start, Status> {
    let options = &call.options;
    if !options.continue_token.is_empty() {
        if !matches!(options.resource_version.as_str(), "" | "0") {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let token = parse_token(&options.continue_token)?;
        let from = Some(format!("{under}{}", token.start));
        return Ok(Start { revision: u64::try_from(token.rv).ok(), from, continued: true });
    }
    let wanted = parse_revision(&options.resource_version)
        .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
    let exact = options.resource_version_match == "Exact"
        || (options.resource_version_match.is_empty() && options.limit > 0 && wanted > 0);
    too_large(server, wanted)?;
    Ok(Start { revision: (exact && wanted > 0).then_some(wanted), from: None, continued: false })
}

/// The number in a `resourceVersion`, 0 for none.
pub fn parse_revision(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let why = if digits { "value out of range" } else { "invalid syntax" };
    let number = if digits { text.parse().ok() } else { None };
    number
        .ok_or_else(|| format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}"))
}

/// 504 for a revision that has not happened yet.
pub fn too_large(server: &ApiServer, wanted: u64) -> Result<(), Status> {
    let current = server.storage.revision();
    if wanted <= current {
        return Ok(());
    }
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    let mut status = Status::new(504, "Timeout", message);
    status = status.cause("ResourceVersionTooLarge", "Too large resource version", "");
    status.details.get_or_insert_default().retry_after_seconds = 1;
    Err(status)
}

fn range_error(server: &ApiServer, error: StoreError, start: &Start, under: &str) -> Status {
    match error {
        StoreError::Compacted { .. } if start.continued => {
            let from = start.from.clone().unwrap_or_default();
            let fresh = token(-1, &from, under);
            Status { continue_token: fresh, ..Status::expired(TOO_OLD_CONTINUE) }
        }
        StoreError::Compacted { .. } => Status::expired(TOO_OLD_LIST),
        StoreError::Future { requested, .. } => match too_large(server, requested) {
            Err(status) => status,
            Ok(()) => Status::internal("the revision has just come into being"),
        },
        other => store_error(other),
    }
}

fn check_list_options(call: &Call) -> Result<(), Status> {
    let options = &call.options;
    let matching = options.resource_version_match.as_str();
    let mut errors = Vec::new();
    if !matching.is_empty() {
        if options.resource_version.is_empty() {
            let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden("resourceVersionMatch", text));
        }
        if !options.continue_token.is_empty() {
            let text = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden("resourceVersionMatch", text));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let supported = ["Exact", "NotOlderThan"];
            errors.push(FieldError::not_supported("resourceVersionMatch", matching, &supported));
        }
        if matching == "Exact" && options.resource_version == "0" {
            let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden("resourceVersionMatch", text));
        }
    }
    if options.send_initial_events.is_some() {
        let text = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden("sendInitialEvents", text));
    }
    invalid_list_options(errors)
}

/// 422 about `ListOptions`, if there is anything wrong with them.
pub fn invalid_list_options(errors: Vec<FieldError>) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", &errors)) }
}
