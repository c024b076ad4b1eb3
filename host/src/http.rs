//! Requests to the peers: TLS verified, no redirects followed, every wait bounded, answers bounded in size.

use std::path::Path;
use std::time::Duration;

use flow::ports::{Http, HttpError};

/// Longest answer that is read. openIMIS' largest pages stay below a tenth of it.
const ANSWER_LIMIT_BYTES: usize = 32 << 20;

/// reqwest, with connections kept between requests.
#[derive(Clone)]
pub struct ReqwestHttp {
    client: reqwest::Client,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The file of own certificate authorities.
    #[error("tls.ca_file {0}: {1}")]
    CaFile(String, String),
    /// The TLS library or the system's certificates.
    #[error("TLS: {0}")]
    Tls(String),
}

impl ReqwestHttp {
    /// Trusts the system's certificate authorities and those in `ca_file` (PEM).
    pub fn new(ca_file: Option<&Path>) -> Result<Self, HttpSetupError> {
        // Fails where a provider is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("openimis-mediator/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_file {
            let named =
                |error: &dyn std::fmt::Display| HttpSetupError::CaFile(path.display().to_string(), error.to_string());
            let pem = std::fs::read(path).map_err(|error| named(&error))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| named(&error))?;
            if certificates.is_empty() {
                return Err(named(&"holds no PEM certificate"));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| HttpSetupError::Tls(error.to_string()))?;
        Ok(Self { client })
    }
}

impl Http for ReqwestHttp {
    async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        timeout: Duration,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let (parts, body) = request.into_parts();
        let request =
            self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).timeout(timeout).body(body);
        let mut answer = request.send().await.map_err(told)?;
        let mut response = http::Response::new(Vec::new());
        *response.status_mut() = answer.status();
        std::mem::swap(response.headers_mut(), answer.headers_mut());
        while let Some(chunk) = answer.chunk().await.map_err(|error| HttpError::NoAnswer(reason(&error)))? {
            let body = response.body_mut();
            if body.len() + chunk.len() > ANSWER_LIMIT_BYTES {
                return Err(HttpError::NoAnswer(format!("the answer is longer than {ANSWER_LIMIT_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response)
    }
}

fn told(error: reqwest::Error) -> HttpError {
    let reason = reason(&error);
    if error.is_connect() || error.is_builder() { HttpError::NotSent(reason) } else { HttpError::NoAnswer(reason) }
}

/// The innermost cause tells most ("Connection refused"); the address, which may hold personal data in its query, is left out.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the time was up".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
