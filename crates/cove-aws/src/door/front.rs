//! The HTTP front of the AWS door: one port for every service, plain HTTP and TLS told apart by the first byte.
//!
//! The region starts it with [`Front::serve`]. Whatever goes wrong is answered in the form of the protocol that the
//! request speaks; only requests that end here have no place in a virtual run.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cove_aws_wire::credentials::KeyLookup;
use cove_aws_wire::door::{AwsDoor, AwsRequest, Caller};
use cove_aws_wire::fault::Fault;
use cove_aws_wire::model::{Entry, OperationModel};
use cove_aws_wire::protocol::{HttpReply, HttpRequest, parse, reply, reply_fault};
use cove_aws_wire::route::{Route, route};
use cove_aws_wire::sigv4::{self, Presented, SignatureError};
use cove_base::Runtime;
use cove_base::request_log::{RequestLine, RequestLog};
use cove_base::tokio_runtime::wall_clock;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::door::front_auth::{Origin, anonymous, authenticate};

/// The largest body that is read; AWS's limits on what these services take are far below.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// How long a client may take to begin, and to shake hands.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// How long a client may take for the head of its first request, for each later one, and for a body.
const WHOLE_REQUEST: Duration = Duration::from_secs(30);
/// Between two tries to accept a connection when there is no room for one.
const PAUSE: Duration = Duration::from_millis(50);
/// How long running requests may take to end when the front stops.
const LONGEST_GOODBYE: Duration = Duration::from_secs(25);
const TLS_HANDSHAKE: u8 = 0x16;
const HEALTH: &str = "/_cove/health";

/// What the front works with.
pub struct Front {
    /// The clock's tasks and the seed of request ids.
    pub rt: Runtime,
    /// What does the calls.
    pub door: Arc<dyn AwsDoor>,
    /// What knows the access keys.
    pub keys: Arc<dyn KeyLookup>,
    /// The region of unsigned requests.
    pub default_region: String,
    /// For connections that begin with a TLS handshake; without it they are closed.
    pub tls: Option<TlsAcceptor>,
    /// Where the request lines go.
    pub log: Arc<dyn RequestLog>,
    /// Counts requests; starts at zero.
    pub requests: AtomicU64,
}

/// Runs hyper's own tasks on the region's runtime.
#[derive(Clone)]
struct OnRuntime(Runtime);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for OnRuntime {
    fn execute(&self, task: F) {
        self.0.spawn("aws door: http/2 stream", task);
    }
}

impl Front {
    /// Accepts connections until `stop` resolves, then lets running requests end.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.clone().start_connection(stream, peer, graceful.watcher()),
                // Out of file descriptors, or the peer is gone already: the next one may work.
                Err(error) => {
                    tracing::warn!("aws door: accept: {error}");
                    self.rt.sleep(PAUSE).await;
                }
            }
        }
        // Requests that are held for a waiter end by themselves; what is left then is cut off.
        if self.rt.timeout(LONGEST_GOODBYE, graceful.shutdown()).await.is_none() {
            tracing::debug!("aws door: connections were cut off");
        }
    }

    fn start_connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let rt = self.rt.clone();
        self.rt.clone().spawn("aws door: connection", async move {
            let mut first = [0; 1];
            let Some(Ok(1)) = rt.timeout(FIRST_BYTES, stream.peek(&mut first)).await else { return };
            let is_tls = first[0] == TLS_HANDSHAKE;
            let _ = stream.set_nodelay(true);
            let origin = Origin { source_ip: peer.ip(), secure: is_tls };
            match (is_tls, self.tls.clone()) {
                (false, _) => self.connection(stream, origin, watcher).await,
                (true, Some(tls)) => match rt.timeout(FIRST_BYTES, tls.accept(stream)).await {
                    Some(Ok(stream)) => self.connection(stream, origin, watcher).await,
                    Some(Err(error)) => tracing::debug!("aws door: TLS: {error}"),
                    None => {}
                },
                (true, None) => tracing::debug!("aws door: a TLS connection, but no certificate"),
            }
        });
    }

    async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: Origin,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let rt = self.rt.clone();
        let mut builder = auto::Builder::new(OnRuntime(rt.clone()));
        builder.http1().timer(TokioTimer::new()).header_read_timeout(WHOLE_REQUEST);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(WHOLE_REQUEST);
        let begun = Arc::new(AtomicBool::new(false));
        let has_begun = begun.clone();
        let service = service_fn(move |request| {
            begun.store(true, Ordering::Relaxed);
            let front = self.clone();
            async move { Ok::<_, std::convert::Infallible>(front.respond(request, origin).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut connection = std::pin::pin!(watcher.watch(connection));
        let ended = match rt.timeout(WHOLE_REQUEST, &mut connection).await {
            Some(ended) => ended,
            None if has_begun.load(Ordering::Relaxed) => connection.await,
            // hyper's own limit begins with the first line, so a client that never gets there is cut off here.
            None => return,
        };
        if let Err(error) = ended {
            tracing::debug!("aws door: connection: {error}");
        }
    }

    async fn respond(&self, request: Request<Incoming>, origin: Origin) -> Response<Full<Bytes>> {
        let reply = match self.whole(request).await {
            Ok(request) if request.path == HEALTH => health(),
            Ok(request) => self.answer(&request, origin).await,
            Err(reply) => *reply,
        };
        let mut builder = Response::builder().status(reply.status);
        for (name, value) in &reply.headers {
            builder = builder.header(*name, value);
        }
        builder.body(Full::new(Bytes::from(reply.body))).unwrap_or_else(|_| Response::new(Full::default()))
    }

    /// Reads the whole request. The error is a reply, in the form of the protocol that the head tells.
    async fn whole(&self, request: Request<Incoming>) -> Result<HttpRequest, Box<HttpReply>> {
        let (head, body) = request.into_parts();
        let request = without_body(head);
        let fault = match self.rt.timeout(WHOLE_REQUEST, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Some(Ok(collected)) => return Ok(HttpRequest { body: collected.to_bytes(), ..request }),
            Some(Err(error)) if error.is::<http_body_util::LengthLimitError>() => too_large(),
            Some(Err(error)) => Fault::client("IncompleteBody", format!("The request's body cannot be read: {error}")),
            None => Fault::new(408, "RequestTimeout", "The request's body did not arrive in time."),
        };
        let presented = sigv4::presented(&request);
        let route = route(&request, presented.as_ref().ok().map(|p| p.scope.service.as_str()));
        let request_id = self.request_id(wall_clock());
        let model = route.entry.map(Entry::model);
        Err(Box::new(reply_fault(route.protocol, model, &request, &request_id, &fault).with("connection", "close")))
    }

    fn request_id(&self, time: cove_base::Timestamp) -> String {
        let ordinal = self.requests.fetch_add(1, Ordering::Relaxed);
        self.rt.seed().uuid("aws request", (time.as_nanos() as u64).wrapping_add(ordinal))
    }

    /// Answers one whole request; also what tests call.
    pub async fn answer(&self, request: &HttpRequest, origin: Origin) -> HttpReply {
        let time = wall_clock();
        let request_id = self.request_id(time);
        let presented = sigv4::presented(request);
        let route = route(request, presented.as_ref().ok().map(|p| p.scope.service.as_str()));
        let mut call = Call { request, origin, request_id, caller: None, region: self.default_region.clone() };
        let result = self.call(&mut call, &route, presented).await;
        let reply = match &result {
            Ok((entry, operation, output)) => reply(entry.model(), operation, request, &call.request_id, output),
            Err(fault) => {
                let model = route.entry.map(Entry::model);
                reply_fault(route.protocol, model, request, &call.request_id, fault)
            }
        };
        self.log.record(line(&call, &route, &reply, result.err().map(|f| f.code), time));
        reply
    }

    async fn call(
        &self,
        call: &mut Call<'_>,
        route: &Route,
        presented: Result<Presented, SignatureError>,
    ) -> Result<(&'static Entry, &'static OperationModel, serde_json::Value), Fault> {
        let Some(entry) = route.entry else {
            return Err(route.operation.clone().err().unwrap_or_else(|| Fault::internal("a route without a service")));
        };
        let caller = self.caller(call, route, entry, presented).await.map_err(|e| e.fault(route.protocol))?;
        call.caller = Some(caller.clone());
        let operation = route.operation.clone()?;
        let input = parse(entry.model(), operation, call.request)?;
        let request = AwsRequest {
            caller,
            region: call.region.clone(),
            service: entry.name.into(),
            operation: operation.name.clone(),
            input,
            request_id: call.request_id.clone(),
        };
        Ok((entry, operation, self.door.call(request).await?))
    }

    async fn caller(
        &self,
        call: &mut Call<'_>,
        route: &Route,
        entry: &Entry,
        presented: Result<Presented, SignatureError>,
    ) -> Result<Caller, SignatureError> {
        let presented = match presented {
            Ok(presented) => presented,
            Err(SignatureError::Missing) if route.operation.as_ref().is_ok_and(|o| o.unsigned) => {
                return Ok(anonymous(call.request, call.origin));
            }
            Err(error) => return Err(error),
        };
        call.region.clone_from(&presented.scope.region);
        let keys = &*self.keys;
        authenticate(call.request, &presented, entry.signing_name, keys, call.origin, wall_clock()).await
    }
}

/// One request on its way.
struct Call<'a> {
    request: &'a HttpRequest,
    origin: Origin,
    request_id: String,
    caller: Option<Caller>,
    region: String,
}

fn line(
    call: &Call<'_>,
    route: &Route,
    reply: &HttpReply,
    error_code: Option<String>,
    time: cove_base::Timestamp,
) -> RequestLine {
    RequestLine {
        door: "aws",
        time,
        request_id: call.request_id.clone(),
        service: route.entry.map(|e| e.name.to_string()).unwrap_or_default(),
        operation: route.operation.as_ref().map(|o| o.name.clone()).unwrap_or_default(),
        region: call.region.clone(),
        principal: call.caller.as_ref().map(|c| c.principal.arn()).unwrap_or_default(),
        access_key_id: call.caller.as_ref().map(|c| c.access_key_id.clone()).unwrap_or_default(),
        source_ip: Some(call.origin.source_ip),
        user_agent: call.request.header("user-agent").into(),
        status: reply.status,
        error: error_code,
        duration: wall_clock().since(time),
        ..RequestLine::default()
    }
}

fn health() -> HttpReply {
    let body = serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    HttpReply::new(200, "application/json", body.to_string())
}

/// A request without its body.
fn without_body(mut head: http::request::Parts) -> HttpRequest {
    // Over HTTP/2 the host is part of the request line; signatures know it as a header.
    if !head.headers.contains_key(http::header::HOST)
        && let Some(authority) = head.uri.authority()
        && let Ok(value) = http::HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(http::header::HOST, value);
    }
    HttpRequest {
        method: head.method,
        path: head.uri.path().into(),
        query: head.uri.query().unwrap_or_default().into(),
        headers: head.headers,
        body: Bytes::new(),
    }
}

fn too_large() -> Fault {
    Fault::new(413, "RequestEntityTooLarge", format!("The request's body is larger than {MAX_BODY_BYTES} bytes."))
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
