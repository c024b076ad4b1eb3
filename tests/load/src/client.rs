//! One kept-alive HTTP/1.1 connection.

use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use axum::http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longer than the mediator lets itself take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to `host:port`; made anew after an error.
pub struct Client {
    authority: String,
    authorization: Option<String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// `url` is `http://host:port`; what follows is left out. Connects with the first request.
    pub fn new(url: &str, authorization: Option<String>) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("expected http://host:port; TLS is not measured here")?;
        let authority = rest.split('/').next().unwrap_or_default().to_owned();
        Ok(Self { authority, authorization, connection: None })
    }

    /// `host:port`.
    #[cfg(test)]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Sends, and reads the whole answer.
    pub async fn send(&mut self, method: Method, path: &str, body: String) -> anyhow::Result<(u16, Bytes)> {
        // Not put back if anything goes wrong: what comes over the line would belong to this request.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        request = request.header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            connection.ready().await?;
            let response = connection.send_request(request).await?;
            let status = response.status().as_u16();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.context("no answer within 60 s")??;
        self.connection = Some(connection).filter(|connection| !connection.is_closed());
        Ok(answer)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.authority).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end, and why, is seen by whoever sends.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
