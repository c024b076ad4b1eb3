//! The mediator's certificate: read at the start, and again when its files change or on SIGHUP. A broken new one changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{ClientCertificates, ServerTls};
use crate::worker::{Stop, asked};

/// The certificate cannot be used. Says which setting it is about.
#[derive(Debug, thiserror::Error)]
#[error("server.tls.{key} {}: {reason}", path.display())]
pub struct TlsError {
    key: &'static str,
    path: PathBuf,
    reason: String,
}

/// The certificate as it is now, and its files.
pub struct Certificate {
    files: Files,
    current: watch::Sender<Arc<ServerConfig>>,
    /// What was read at the start.
    first: Option<[u8; 32]>,
}

impl Certificate {
    /// Reads it. None: TLS is not asked for.
    pub fn load(settings: &ServerTls) -> Result<Option<Self>, TlsError> {
        let Some(files) = Files::of(settings) else { return Ok(None) };
        let contents = files.read()?;
        let current = watch::Sender::new(Arc::new(files.config(&contents)?));
        Ok(Some(Self { files, current, first: Some(contents.digest()) }))
    }

    /// For the next connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.borrow().clone()
    }

    /// Takes over what changed, every `interval` and on SIGHUP, until asked to stop.
    pub async fn keep(&self, interval: Duration, mut stop: Stop) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut read = self.first;
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                _ = hangup.recv() => {}
                () = asked(&mut stop) => return Ok(()),
            }
            match self.reload(&mut read) {
                Ok(true) => tracing::info!("the server's certificate was read again and is used from now on"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the server's new certificate cannot be used; the old one stays"),
            }
        }
    }

    /// Whether there is something new. `read` is what was found last (none: nothing could be read), so that what is broken is told once.
    fn reload(&self, read: &mut Option<[u8; 32]>) -> Result<bool, TlsError> {
        let found = self.files.read();
        let digest = found.as_ref().ok().map(Contents::digest);
        if std::mem::replace(read, digest) == digest {
            return Ok(false);
        }
        self.current.send_replace(Arc::new(self.files.config(&found?)?));
        Ok(true)
    }
}

/// Where it is.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_certificates: ClientCertificates,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [&self.certificate, &self.key].into_iter().chain(&self.client_ca) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

fn wrong(key: &'static str, path: &Path, reason: impl ToString) -> TlsError {
    TlsError { key, path: path.to_owned(), reason: reason.to_string() }
}

impl Files {
    fn of(settings: &ServerTls) -> Option<Self> {
        let (certificate, key) = (settings.cert_file.clone()?, settings.key_file.clone()?);
        let (client_ca, client_certificates) = (settings.client_ca_file.clone(), settings.client_certificates);
        Some(Self { certificate, key, client_ca, client_certificates })
    }

    fn read(&self) -> Result<Contents, TlsError> {
        let read = |key, path: &Path| files::pem(path).map_err(|error| wrong(key, path, error));
        Ok(Contents {
            certificate: read("cert_file", &self.certificate)?,
            key: read("key_file", &self.key)?,
            client_ca: self.client_ca.as_deref().map(|path| read("client_ca_file", path)).transpose()?,
        })
    }

    fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates("cert_file", &self.certificate, &contents.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| wrong("key_file", &self.key, "holds no private key in PEM"))?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("cert_file", &self.certificate, error))?;
        let builder = match (&self.client_ca, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("client_ca_file", path, pem)? {
                    roots.add(certificate).map_err(|error| wrong("client_ca_file", path, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.client_certificates {
                    ClientCertificates::Optional => verifier.allow_unauthenticated(),
                    ClientCertificates::Required => verifier,
                };
                let verifier = verifier.build().map_err(|error| wrong("client_ca_file", path, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        // Also finds out whether the key is the certificate's.
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| wrong("cert_file", &self.certificate, error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(key: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(key, path, "holds no certificate in PEM")),
    }
}
