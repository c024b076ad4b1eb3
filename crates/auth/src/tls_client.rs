//! The HTTP client for peers, collectors and key sets: TLS verified, no redirects followed.

use std::path::Path;
use std::time::Duration;

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

/// A client that verifies TLS with the system's certificate authorities and those in `ca_file` (PEM), and follows no redirects.
pub fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, HttpSetupError> {
    // Fails where a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("openimis-mediator/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let named =
            |error: &dyn std::fmt::Display| HttpSetupError::CaFile(path.display().to_string(), error.to_string());
        let pem = files::pem(path).map_err(|error| named(&error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| named(&error))?;
        if certificates.is_empty() {
            return Err(named(&"holds no PEM certificate"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| HttpSetupError::Tls(error.to_string()))
}

/// The innermost cause tells most ("Connection refused"); the address, which may hold personal data in its query, is left out.
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the time was up".to_owned();
    }
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    // An I/O error stands for the error it was made of, and gives that one's source as its own.
    let mut made_of = innermost;
    while let Some(inner) = made_of.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        made_of = inner;
    }
    let tls: Option<&rustls::Error> = made_of.downcast_ref();
    match tls.and_then(remedy) {
        Some(remedy) => format!("{innermost}: {remedy}"),
        None => innermost.to_string(),
    }
}

/// What to do about a peer that TLS does not let us speak to.
fn remedy(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError as Certificate;
    Some(match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer | Certificate::BadSignature => {
                "name the authority that signed the peer's certificate in tls.ca_file"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "correct the host in the peer's url, or renew its certificate"
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "renew the peer's certificate, or correct this machine's clock"
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "correct this machine's clock, or the peer's certificate"
            }
            _ => return None,
        },
        rustls::Error::InvalidMessage(_) => "the peer does not speak TLS there: check the port in its url",
        _ => return None,
    })
}
