//! A small HTTP/1.1 client of both doors: one kept connection, plain with AWS signatures or TLS with a token.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use cove_aws_wire::credentials::Credentials;
use cove_aws_wire::protocol::http::HttpRequest;
use cove_aws_wire::sigv4;
use cove_base::Runtime;
use cove_base::runtime::AbortOnDrop;
use cove_base::tokio_runtime::wall_clock;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection to a door on loopback.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    _driver: AbortOnDrop,
}

impl Connection {
    /// To the AWS door.
    pub async fn plain(rt: &Runtime, port: u16) -> Result<Self> {
        Self::over(rt, connect(port).await?, port).await
    }

    /// To the Kubernetes door of a cluster, whose certificate must be of this authority.
    pub async fn tls(rt: &Runtime, port: u16, ca_pem: &str) -> Result<Self> {
        let name = ServerName::IpAddress(std::net::IpAddr::from(Ipv4Addr::LOCALHOST).into());
        let stream = TlsConnector::from(trusting(ca_pem)?).connect(name, connect(port).await?).await?;
        Self::over(rt, stream, port).await
    }

    async fn over(
        rt: &Runtime,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        port: u16,
    ) -> Result<Self> {
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        let driver = rt.spawn("bench connection", async move {
            if let Err(error) = driver.await {
                tracing::debug!("a connection of the bench: {error}");
            }
        });
        Ok(Self { sender, host: format!("127.0.0.1:{port}"), _driver: driver.abort_on_drop() })
    }

    /// A request with its answer: status and body.
    async fn send(&mut self, request: HttpRequest) -> Result<(u16, Bytes)> {
        let uri = request.path + &request.query;
        let mut sent = Request::builder().method(request.method).uri(uri).body(Full::new(request.body))?;
        *sent.headers_mut() = request.headers;
        // The connection takes a request only after the answer before has been read to its end.
        self.sender.ready().await?;
        let answer = self.sender.send_request(sent).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    fn request(&self, method: Method, path: &str, content_type: &'static str, body: Bytes) -> Result<HttpRequest> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(&self.host)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(HttpRequest { method, path: path.into(), query: String::new(), headers, body })
    }

    /// A signed AWS request; another status than 200 is an error.
    async fn signed(&mut self, mut request: HttpRequest, by: &Credentials, at: (&str, &str)) -> Result<Bytes> {
        for (name, value) in sigv4::sign(&request, by, at.0, at.1, wall_clock()) {
            request.headers.insert(name, HeaderValue::from_str(&value)?);
        }
        fine(self.send(request).await?)
    }

    /// `sts get-caller-identity`: the caller's ARN.
    pub async fn caller_identity(&mut self, by: &Credentials, region: &str) -> Result<String> {
        let body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let request = self.request(Method::POST, "/", "application/x-www-form-urlencoded", body)?;
        let answer = self.signed(request, by, (region, "sts")).await?;
        let text = String::from_utf8_lossy(&answer);
        let arn = text.split_once("<Arn>").and_then(|(_, rest)| rest.split_once("</Arn>"));
        arn.map(|(arn, _)| arn.to_string()).context("an answer without an ARN")
    }

    /// A call of EKS: GET without a body, POST with one.
    pub async fn eks(&mut self, by: &Credentials, region: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.map(|value| value.to_string().into()).unwrap_or_default();
        let request = self.request(method, path, "application/json", body)?;
        Ok(serde_json::from_slice(&self.signed(request, by, (region, "eks")).await?)?)
    }

    /// A call of Kubernetes: GET without a body, POST with one; without a token an anonymous one.
    pub async fn kubernetes(&mut self, token: Option<&str>, path: &str, body: Option<&Value>) -> Result<Bytes> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let body = body.map(|value| value.to_string().into()).unwrap_or_default();
        let mut request = self.request(method, path, "application/json", body)?;
        if let Some(token) = token {
            request.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        fine(self.send(request).await?)
    }
}

fn fine((status, body): (u16, Bytes)) -> Result<Bytes> {
    if matches!(status, 200 | 201) {
        return Ok(body);
    }
    Err(anyhow!("status {status}: {}", String::from_utf8_lossy(&body)))
}

async fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn trusting(ca_pem: &str) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.map_err(|e| anyhow!("{e}"))?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
