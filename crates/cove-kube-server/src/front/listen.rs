//! Sockets and TLS in front of [`handle`]: real runs only.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cove_kube_api::status::Status;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::front::handler::{self, Answer, Peer, handle};
use crate::limits;
use crate::pki::ClusterKeys;
use crate::server::ApiServer;

/// How long connections may go on after the end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What Go's server answers to a client that forgot TLS, and how it tells one.
const NO_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const MOST_PLAIN_BYTES: u64 = 64 * 1024;
const PLAIN_BEGINNINGS: &[&[u8]] = &[b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

/// The TLS side of a server: its certificate, and client certificates of the cluster's authority if shown.
pub fn tls(keys: &ClusterKeys) -> Result<Arc<ServerConfig>, Status> {
    let failed = |error: &dyn std::fmt::Display| Status::internal(format!("TLS: {error}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(keys.authority.certificate.as_bytes()) {
        roots.add(certificate.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|e| failed(&e))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(keys.server.certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(keys.server.key.as_bytes()).map_err(|e| failed(&e))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.map_err(|e| failed(&e))?, key)
        .map_err(|e| failed(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until the server shuts down, then gives connections [`DRAIN`] to end. Watches end at once.
pub async fn serve(server: Arc<ApiServer>, listener: TcpListener, tls: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = Arc::new(GracefulShutdown::new());
    let mut stop = server.stopping();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopping| *stopping) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => accept(&server, &acceptor, &graceful, stream),
            Err(error) => pause_after(&server, &error).await,
        }
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful) {
        server.rt.timeout(DRAIN, graceful.shutdown()).await;
    }
}

/// Out of file descriptors and the like: do not spin.
async fn pause_after(server: &ApiServer, error: &io::Error) {
    tracing::warn!("accepting a connection: {error}");
    server.rt.sleep(Duration::from_millis(50)).await;
}

fn accept(server: &Arc<ApiServer>, acceptor: &TlsAcceptor, graceful: &Arc<GracefulShutdown>, stream: TcpStream) {
    let (server, acceptor, watcher) = (server.clone(), acceptor.clone(), graceful.watcher());
    let rt = server.rt.clone();
    rt.spawn("kube connection", async move {
        let _ = stream.set_nodelay(true);
        let Some(Some(stream)) = server.rt.timeout(HANDSHAKE, shake_hands(&acceptor, stream)).await else { return };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = Arc::new(Peer { certificate: certificate.map(|der| Arc::from(der.as_ref())) });
        let begun = Arc::new(AtomicBool::new(false));
        let (rt, has_begun) = (server.rt.clone(), begun.clone());
        let service = service_fn(move |request| {
            begun.store(true, Ordering::Relaxed);
            let (server, peer) = (server.clone(), peer.clone());
            async move { Ok::<_, Infallible>(receive(&server, &peer, request).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .max_concurrent_streams(limits::H2_STREAMS)
            .initial_stream_window_size(limits::H2_STREAM_WINDOW)
            .initial_connection_window_size(limits::H2_CONNECTION_WINDOW);
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::REQUEST_READ);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let mut connection = std::pin::pin!(watcher.watch(connection));
        let ended = match rt.timeout(limits::REQUEST_READ, &mut connection).await {
            Some(ended) => ended,
            None if has_begun.load(Ordering::Relaxed) => connection.await,
            // hyper's own limit begins with the first line, so a client that never gets there is cut off here.
            None => return,
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    });
}

/// `None` if the client does not speak TLS, or speaks it wrongly.
async fn shake_hands(acceptor: &TlsAcceptor, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0; 5];
    let count = stream.peek(&mut first).await.ok()?;
    if !PLAIN_BEGINNINGS.contains(&&first[..count]) {
        return acceptor.accept(stream).await.ok();
    }
    stream.write_all(NO_TLS).await.ok()?;
    stream.shutdown().await.ok()?;
    // What is not read would take the answer along when the connection closes.
    let _ = tokio::io::copy(&mut stream.take(MOST_PLAIN_BYTES), &mut tokio::io::sink()).await;
    None
}

/// Reads the body, within its limit, and hands the request on.
async fn receive(server: &Arc<ApiServer>, peer: &Peer, request: http::Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    match server.rt.timeout(limits::REQUEST_READ, Limited::new(body, limits::BODY_BYTES).collect()).await {
        Some(Ok(body)) => handle(server, peer, http::Request::from_parts(head, body.to_bytes())).await,
        Some(Err(error)) if error.is::<LengthLimitError>() => handler::too_large(),
        Some(Err(error)) => handler::unreadable(&error.to_string()),
        None => handler::too_slow(),
    }
}
