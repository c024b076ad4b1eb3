//! `health`: asks the mediator of this configuration how it is, for supervisors that can only start a program.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use mapping::encoding::unmarked;
use openimis_mediator::config::{ClientCertificates, ServerTls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Source;

/// Longest wait for all of it: shorter than what supervisors usually wait.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Args)]
pub struct Health {
    /// Only whether the process is there, not whether it can store what comes in
    #[arg(long)]
    live: bool,
}

impl Health {
    pub async fn run(self, source: &Source) -> anyhow::Result<ExitCode> {
        let config = source.partial_config()?;
        let address = reachable(config.listen);
        let path = if self.live { "/health/live" } else { "/health/ready" };
        let asked = async {
            let stream = TcpStream::connect(address).await.with_context(|| format!("nobody listens on {address}"))?;
            match &config.server.tls.cert_file {
                None => ask(stream, path).await,
                Some(_) => ask_with_tls(stream, path, &config.server.tls).await,
            }
        };
        let (status, body) = tokio::time::timeout(LIMIT, asked).await.context("no answer within 5 seconds")??;
        out!("{body}");
        Ok(if status == 200 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// An address that stands for all of the machine's own is asked on the nearest one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// One request by hand: it needs no library, and its answer is a line.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> anyhow::Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.take(64 << 10).read_to_end(&mut answer).await {
        // TLS that ends without saying so, after the whole answer.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        read => drop(read?),
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim().to_owned();
    match status {
        Some(status) => Ok((status, body)),
        None => bail!("what listens there does not speak HTTP"),
    }
}

async fn ask_with_tls(stream: TcpStream, path: &str, tls: &ServerTls) -> anyhow::Result<(u16, String)> {
    let file = tls.cert_file.as_deref().context("server.tls.cert_file is missing")?;
    let pem = files::read(file, files::LARGE).with_context(|| file.display().to_string())?;
    let own = CertificateDer::from_pem_slice(unmarked(&pem)).with_context(|| file.display().to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TheOwn { own: own.into_owned(), provider }))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost")?;
    let asked = async {
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        ask(stream, path).await
    };
    match asked.await {
        // It serves, and tells only those who have a certificate how it is.
        Err(_) if tls.client_certificates == ClientCertificates::Required => {
            Ok((200, "it listens; without a client certificate it does not tell more".to_owned()))
        }
        answer => answer,
    }
}

/// Takes the certificate of the configuration, whatever names it is for, and no other: this machine asks itself.
#[derive(Debug)]
struct TheOwn {
    own: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TheOwn {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.own {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("another certificate than that of server.tls.cert_file".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
