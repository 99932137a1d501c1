//! One HTTP request from its head to its answer: identity, routing, the door, the answer's form.
//!
//! [`handle`] needs no socket: tests call it with a request in memory.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use cove_base::request_log::RequestLine;
use cove_kube_api::door::{Body, Encoding, KubeDoor, PatchKind, Reply, Request, Response, Target, UserInfo, Verb};
use cove_kube_api::status::Status;
use futures_util::{StreamExt as _, stream};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};

use crate::api::kinds::{self, Kind};
use crate::authentication::{self, Credential, impersonation};
use crate::authorization::{self, Attributes};
use crate::chain::call::{unknown_path, wrong_method};
use crate::front::negotiate::{self, Accepted, Shape, accept, content_type};
use crate::front::paths::{self, PathAnswer};
use crate::front::query::Query;
use crate::front::route::{self, Route};
use crate::front::shape::{Include, Shaper};
use crate::front::watching::Framed;
use crate::front::{discovery, encode, streams};
use crate::limits;
use crate::server::ApiServer;

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;
/// An answer.
pub type Answer = http::Response<AnswerBody>;

/// What TLS knows of the caller.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The client certificate (DER), if one was shown; the cluster's authority has signed it.
    pub certificate: Option<Arc<[u8]>>,
}

/// What became known of a request, for the log.
#[derive(Default)]
struct Noted {
    user: String,
    impersonated: Option<String>,
    verb: String,
    error: Option<String>,
}

/// Answers a request.
pub async fn handle(server: &Arc<ApiServer>, peer: &Peer, request: http::Request<Bytes>) -> Answer {
    let began = server.rt.now();
    let id = audit_id(server, request.headers());
    let path = request.uri().path().to_string();
    let user_agent = header(request.headers(), USER_AGENT.as_str()).to_string();
    let encoding = error_encoding(header(request.headers(), ACCEPT.as_str()));
    let mut noted = Noted { verb: request.method().as_str().to_lowercase(), ..Noted::default() };
    let mut answer = match dispatch(server, peer, &request, &mut noted).await {
        Ok(answer) => answer,
        Err(status) => {
            noted.error = Some(status.message.clone());
            failure(encoding, &status)
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("audit-id", value);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    server.config.request_log.record(RequestLine {
        door: "kubernetes",
        time: began,
        duration: server.rt.now().since(began),
        request_id: id,
        principal: noted.user,
        acted_as: noted.impersonated,
        operation: noted.verb,
        path,
        status: answer.status().as_u16(),
        user_agent,
        error: noted.error,
        ..RequestLine::default()
    });
    answer
}

fn audit_id(server: &ApiServer, headers: &HeaderMap) -> String {
    let given = header(headers, "audit-id");
    if !given.is_empty() && given.len() <= 64 && given.bytes().all(|b| b.is_ascii_graphic()) {
        return given.to_string();
    }
    server.rt.seed().uuid("audit-id", server.next_request())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn error_encoding(accepted: &str) -> Encoding {
    accept(accepted, |_| true).map_or(Encoding::Json, |accepted| accepted.encoding)
}

async fn dispatch(
    server: &Arc<ApiServer>,
    peer: &Peer,
    request: &http::Request<Bytes>,
    noted: &mut Noted,
) -> Result<Answer, Status> {
    let path = request.uri().path();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let caller = identify(server, peer, request.headers(), path).await?;
    noted.user = caller.username.clone();
    let user = impersonation::apply(server, caller, request.headers()).await?;
    if user.username != noted.user {
        noted.impersonated = Some(user.username.clone());
    }
    match route::route(path) {
        Route::Resource(target) => {
            let verb = route::verb(request.method(), path, &target, &query).ok_or_else(wrong_method)?;
            noted.verb = verb.as_str().into();
            if streams::is_stream(&target) {
                let bytes = streams::stream(server, user, verb, target, &query).await?;
                let frames = bytes.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
                return Ok(with_type(200, "text/plain", StreamBody::new(frames).boxed_unsync()));
            }
            resource(server, request, user, verb, target, &query).await
        }
        Route::Discovery { core, group, version } => {
            authorize_path(server, request, user).await?;
            discover(server, request, core, group.as_deref(), version.as_deref())
        }
        Route::Path => {
            authorize_path(server, request, user).await?;
            let accepted = header(request.headers(), ACCEPT.as_str());
            match paths::answer(server, path, &query, accepted)? {
                Some(PathAnswer::Json(value)) => {
                    Ok(bytes(200, "application/json", encode::value(Encoding::Json, &value)))
                }
                Some(PathAnswer::Bytes(media, body)) => Ok(cached(request, media, body)),
                Some(PathAnswer::Text(text)) => Ok(bytes(200, "text/plain; charset=utf-8", Bytes::from(text))),
                None => Ok(page_not_found()),
            }
        }
    }
}

async fn identify(server: &ApiServer, peer: &Peer, headers: &HeaderMap, path: &str) -> Result<UserInfo, Status> {
    let authorization = header(headers, AUTHORIZATION.as_str());
    let token = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if let Some((_, token)) = token {
        return authentication::authenticate(server, Credential::Token(token.trim())).await;
    }
    if let Some(certificate) = &peer.certificate {
        return authentication::authenticate(server, Credential::Certificate(certificate)).await;
    }
    let open = paths::HEALTH.iter().any(|root| path == *root || path.starts_with(&format!("{root}/")));
    if open { Ok(authentication::anonymous()) } else { Err(Status::unauthorized()) }
}

async fn authorize_path(server: &ApiServer, request: &http::Request<Bytes>, user: UserInfo) -> Result<(), Status> {
    let verb = match *request.method() {
        http::Method::POST => "post".to_string(),
        ref other => other.as_str().to_lowercase(),
    };
    let attributes = Attributes { user, verb, path: request.uri().path().into(), ..Attributes::default() };
    authorization::require(server, &attributes).await?;
    if matches!(*request.method(), http::Method::GET | http::Method::HEAD) { Ok(()) } else { Err(wrong_method()) }
}

fn discover(
    server: &ApiServer,
    request: &http::Request<Bytes>,
    core: bool,
    group: Option<&str>,
    version: Option<&str>,
) -> Result<Answer, Status> {
    let minor = server.config.minor;
    let root = group.is_none();
    let accepted = accept(header(request.headers(), ACCEPT.as_str()), |accepted| match accepted.shape {
        Shape::Plain => true,
        Shape::Discovery(_) => root,
        _ => false,
    })?;
    if let Shape::Discovery(version) = accepted.shape {
        let document = encode::value(accepted.encoding, &discovery::aggregated(minor, core, version));
        let media =
            format!("{};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList", content_type(accepted.encoding));
        return Ok(cached(request, &media, document));
    }
    let value = match (group, version) {
        (None, _) if core => discovery::versions(&server.config.advertised()),
        (None, _) => discovery::groups(minor),
        (Some(group), None) => discovery::group(minor, group)?,
        (Some(group), Some(version)) => discovery::resources(minor, group, version)?,
    };
    Ok(cached(request, content_type(accepted.encoding), encode::value(accepted.encoding, &value)))
}

async fn resource(
    server: &Arc<ApiServer>,
    request: &http::Request<Bytes>,
    user: UserInfo,
    verb: Verb,
    target: Target,
    query: &Query,
) -> Result<Answer, Status> {
    let kind = kinds::by_resource(server.config.minor, &target.group, &target.version, &target.resource);
    let (mut options, mut target) = (query.options(options_name(verb))?, target);
    if verb == Verb::Watch && !target.name.is_empty() {
        // The deprecated path of a watch of one object.
        options.field_selector = format!("metadata.name={}", std::mem::take(&mut target.name));
    }
    let accepted = accepted_for(request, verb, kind)?;
    let body = body_of(request, verb, query)?;
    let subresource = target.subresource.clone();
    let call = Request { user, verb, target, options, body };
    let response = server.call(call).await?;
    let include = Include::parse(query.get("includeObject"))?;
    let kind = kind.ok_or_else(unknown_path)?;
    let printed = kind.subresource(&subresource).map_or(kind.kind, |sub| sub.kind);
    let shaper = Shaper { kind, printed, include, now: server.rt.now(), columns_sent: false };
    answer(response, accepted, shaper)
}

fn options_name(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GetOptions",
        Verb::List | Verb::Watch => "ListOptions",
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
    }
}

/// Tables are JSON or YAML, have columns only for kinds of the table, and answer reads as well as writes.
fn accepted_for(request: &http::Request<Bytes>, verb: Verb, kind: Option<&Kind>) -> Result<Accepted, Status> {
    let lists = matches!(verb, Verb::List | Verb::DeleteCollection);
    accept(header(request.headers(), ACCEPT.as_str()), |accepted| match accepted.shape {
        Shape::Plain => verb != Verb::Watch || accepted.encoding != Encoding::Yaml,
        Shape::Table(_) => {
            accepted.encoding != Encoding::Protobuf && kind.is_some_and(|kind| !kind.list_kind.is_empty())
        }
        Shape::Partial { list, .. } => list == lists || verb == Verb::Watch,
        Shape::Discovery(_) => false,
    })
}

fn body_of(request: &http::Request<Bytes>, verb: Verb, query: &Query) -> Result<Body, Status> {
    let bytes = request.body().clone();
    let media = header(request.headers(), CONTENT_TYPE.as_str());
    match verb {
        Verb::Get | Verb::List | Verb::Watch => Ok(Body::None),
        Verb::Create | Verb::Update => Ok(Body::Bytes(negotiate::body_encoding(media)?, bytes)),
        Verb::Patch => patch_kind(media).map(|kind| Body::PatchBytes(kind, bytes)),
        Verb::Delete | Verb::DeleteCollection if bytes.is_empty() => {
            Ok(query.delete_options()?.map_or(Body::None, Body::Value))
        }
        Verb::Delete | Verb::DeleteCollection => Ok(Body::Bytes(negotiate::body_encoding(media)?, bytes)),
    }
}

fn patch_kind(media: &str) -> Result<PatchKind, Status> {
    match media.split(';').next().unwrap_or("").trim() {
        "application/json-patch+json" => Ok(PatchKind::Json),
        "application/merge-patch+json" => Ok(PatchKind::Merge),
        "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
        "application/apply-patch+yaml" | "application/apply-patch+cbor" => Ok(PatchKind::Apply),
        _ => {
            let mut status = Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            status.details = Some(Box::default());
            Err(status)
        }
    }
}

fn answer(response: Response, accepted: Accepted, mut shaper: Shaper) -> Result<Answer, Status> {
    let code = if response.created { 201 } else { 200 };
    let media = content_type(accepted.encoding);
    let mut answer = match response.reply {
        Reply::Object(object) => {
            let body = match accepted.shape {
                Shape::Plain => encode::object(accepted.encoding, &object),
                shape => encode::value(accepted.encoding, &shaper.object(shape, &object)?),
            };
            bytes(code, media, body)
        }
        Reply::List(list) => {
            let body = match accepted.shape {
                Shape::Plain => encode::list(accepted.encoding, &list),
                shape => encode::value(accepted.encoding, &shaper.list(shape, &list)?),
            };
            bytes(code, media, body)
        }
        Reply::Success(status) => bytes(code, media, encode::value(accepted.encoding, &status)),
        Reply::Watch(stream) => {
            shaper.columns_sent = false;
            let kind = shaper.kind;
            watching(Framed { stream, accepted, shaper, kind, ended: false })
        }
    };
    for text in &response.warnings {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append("warning", value);
        }
    }
    Ok(answer)
}

fn watching(framed: Framed) -> Answer {
    let media = match framed.accepted.encoding {
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    let frames = stream::unfold(framed, |mut framed| async move {
        let frame = framed.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(frame)), framed))
    });
    with_type(200, media, StreamBody::new(frames).boxed_unsync())
}

fn with_type(code: u16, media: &str, body: AnswerBody) -> Answer {
    let mut answer = http::Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(media) = HeaderValue::from_str(media) {
        answer.headers_mut().insert(CONTENT_TYPE, media);
    }
    answer
}

fn bytes(code: u16, media: &str, body: Bytes) -> Answer {
    with_type(code, media, Full::new(body).boxed_unsync())
}

/// A document with an entity tag; 304 if the client has it already.
fn cached(request: &http::Request<Bytes>, media: &str, body: Bytes) -> Answer {
    let tag = discovery::etag(&body);
    let known = header(request.headers(), IF_NONE_MATCH.as_str()) == tag;
    let mut answer = if known { bytes(304, media, Bytes::new()) } else { bytes(200, media, body) };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer.headers_mut().insert("vary", HeaderValue::from_static("Accept"));
    answer
}

fn page_not_found() -> Answer {
    bytes(404, "text/plain; charset=utf-8", Bytes::from_static(b"404 page not found\n"))
}

/// A body over the limit.
pub fn too_large() -> Answer {
    let text = format!("Request entity too large: limit is {}", limits::BODY_BYTES);
    failure(Encoding::Json, &Status::new(413, "RequestEntityTooLarge", text))
}

/// A body that ended early.
pub fn unreadable(why: &str) -> Answer {
    failure(Encoding::Json, &Status::bad_request(format!("the request's body cannot be read: {why}")))
}

/// A body that did not arrive in time.
pub fn too_slow() -> Answer {
    let text = "the request's body did not arrive in time";
    failure(Encoding::Json, &Status::new(408, "Timeout", text))
}

fn failure(encoding: Encoding, status: &Status) -> Answer {
    let mut answer = bytes(status.code, content_type(encoding), encode::status(encoding, status));
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}
