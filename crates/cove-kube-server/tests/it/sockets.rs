//! The listener: TLS with ALPN, a client certificate, HTTP/2 and HTTP/1.1, and an end that ends watches.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use cove_base::seed::Seed;
use cove_base::tokio_runtime::TokioDriver;
use cove_kube_server::bootstrap::bootstrap;
use cove_kube_server::config::Config;
use cove_kube_server::front::listen;
use cove_kube_server::pki::{self, ClusterKeys, Pair};
use cove_kube_server::server::ApiServer;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

async fn connect(port: u16, keys: &ClusterKeys, client: &Pair, protocol: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(keys.authority.certificate.as_bytes()).unwrap()).unwrap();
    let certificate = CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn get(port: u16, path: &str) -> http::Request<Empty<Bytes>> {
    let uri = format!("https://127.0.0.1:{port}{path}");
    http::Request::builder().uri(uri).header("host", format!("127.0.0.1:{port}")).body(Empty::new()).unwrap()
}

async fn serving() -> (Arc<ApiServer>, ClusterKeys, u16, tokio::sync::oneshot::Receiver<()>) {
    let rt = TokioDriver::runtime(Seed::new(3));
    let space = cove_store::memory().space("cluster").await.unwrap();
    let names = pki::server_names(&[]);
    let keys = ClusterKeys::open(&space, &names, rt.now(), pki::signing_key).await.unwrap();
    let server = ApiServer::new(rt.clone(), space, Config::new(35));
    bootstrap(&server).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (done, ended) = tokio::sync::oneshot::channel();
    let (served, tls) = (server.clone(), listen::tls(&keys).unwrap());
    rt.spawn("server", async move {
        listen::serve(served, listener, tls).await;
        let _ = done.send(());
    });
    (server, keys, port, ended)
}

#[test]
fn two_protocols_and_an_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, keys, port, ended) = serving().await;
        let client = pki::client(&keys.authority, "admin", "system:masters", server.runtime().now()).unwrap();
        let stream = connect(port, &keys, &client, b"http/1.1").await;
        let (mut old, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        server.runtime().spawn("http/1.1", async move { drop(connection.await) });
        let answer = old.send_request(get(port, "/api/v1/namespaces/default")).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_11));

        let stream = connect(port, &keys, &client, b"h2").await;
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut new, connection) = shaken.unwrap();
        server.runtime().spawn("h2", async move { drop(connection.await) });
        let watch = new.send_request(get(port, "/api/v1/namespaces?watch=1&resourceVersion=1")).await.unwrap();
        assert_eq!((watch.status().as_u16(), watch.version()), (200, http::Version::HTTP_2));
        let mut events = watch.into_body();
        let first = events.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Namespace\""), "{first:?}");

        server.shut_down();
        while let Some(Ok(_)) = events.frame().await {}
        drop((old, new));
        ended.await.unwrap();
    });
}
