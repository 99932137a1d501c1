//! Sockets and TLS in front of [`handle`]: real runs only.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cove_kube_api::status::Status;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::front::handler::{self, Answer, Peer, handle};
use crate::limits;
use crate::pki::ClusterKeys;
use crate::server::ApiServer;

/// How long connections may go on after the end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

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
        let stream = match server.rt.timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Some(Ok(stream)) => stream,
            _ => return,
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let peer = Arc::new(Peer { certificate: certificate.map(|der| Arc::from(der.as_ref())) });
        let service = service_fn(move |request| {
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
        builder.http1().timer(TokioTimer::new());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!("a connection ended: {error}");
        }
    });
}

/// Reads the body, within its limit, and hands the request on.
async fn receive(server: &Arc<ApiServer>, peer: &Peer, request: http::Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    match Limited::new(body, limits::BODY_BYTES).collect().await {
        Ok(body) => handle(server, peer, http::Request::from_parts(head, body.to_bytes())).await,
        Err(_) => handler::too_large(),
    }
}
