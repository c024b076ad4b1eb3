//! The mediator's own certificate, those of its clients, and that a new one needs no restart.

use std::path::{Path, PathBuf};

use auth::credential::Fingerprint;
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, PATIENCE, Process, config, environment, eventually, sample_claim,
    sample_feedback, sandbox,
};
use openimis_mediator::config::ServerTls;
use openimis_mediator::server::tls::Certificate as ServerCertificate;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Client, Identity, StatusCode};
use sandbox::Sandbox;
use tempfile::TempDir;
use tokio::process::Command;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

fn certificate(authority: &Authority, host: &str) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([host.to_owned()]).expect("a host name");
    (params.signed_by(&key, authority).expect("a certificate"), key)
}

/// Certificate files of a server.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn in_folder(dir: &Path) -> Self {
        Self { certificate: dir.join("server.crt"), key: dir.join("server.key") }
    }

    /// A certificate of an authority of its own; that is returned, for clients to trust.
    fn renew(&self) -> Authority {
        let authority = authority();
        let (certificate, key) = certificate(&authority, "127.0.0.1");
        std::fs::write(&self.certificate, certificate.pem()).expect("a file");
        std::fs::write(&self.key, key.serialize_pem()).expect("a file");
        authority
    }

    fn settings(&self) -> [(&str, &str); 2] {
        [
            ("server.tls.cert_file", self.certificate.to_str().expect("a path")),
            ("server.tls.key_file", self.key.to_str().expect("a path")),
        ]
    }
}

/// A client that trusts one authority only, and opens a new connection for each request.
fn client(trusted: &Authority, identity: Option<(&Certificate, &KeyPair)>) -> Client {
    let trusted = reqwest::Certificate::from_pem(trusted.pem().as_bytes()).expect("a certificate");
    let builder = Client::builder().no_proxy().tls_certs_only([trusted]).pool_max_idle_per_host(0);
    let identity = identity.map(|(certificate, key)| {
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Identity::from_pem(pem.as_bytes()).expect("an identity")
    });
    identity.into_iter().fold(builder, |builder, identity| builder.identity(identity)).build().expect("a client")
}

async fn live(client: &Client, url: &str) -> Result<StatusCode, reqwest::Error> {
    Ok(client.get(format!("{url}/health/live")).send().await?.status())
}

/// A mediator with TLS; its address begins with https.
async fn started(changes: &[(&str, &str)]) -> (Mediator, Authority, Files, Sandbox, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let files = Files::in_folder(dir.path());
    let authority = files.renew();
    let changes: Vec<_> = files.settings().iter().chain(changes).copied().collect();
    let mut mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    mediator.url = mediator.url.replace("http://", "https://");
    (mediator, authority, files, sandbox, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_there_is_https_only() {
    let (mediator, authority, _files, _sandbox, _dir) = started(&[]).await;
    let client = client(&authority, None);
    let request = client.post(format!("{}{CLAIM}", mediator.url)).basic_auth(INBOUND_USER, Some(INBOUND_PASSWORD));
    let answer = request.header("content-type", "application/json").body(sample_claim()).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let plain = live(&Client::new(), &mediator.url.replace("https://", "http://")).await;
    assert!(plain.is_err(), "{plain:?}");
    let stranger = live(&self::client(&self::authority(), None), &mediator.url).await;
    assert!(stranger.is_err(), "the client trusts another authority: {stranger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_without_a_restart_and_open_connections_stay() {
    let (mediator, first, files, _sandbox, _dir) = started(&[("server.tls.check_interval", "50ms")]).await;
    let trusted = reqwest::Certificate::from_pem(first.pem().as_bytes()).expect("a certificate");
    let kept = Client::builder().no_proxy().tls_certs_only([trusted]).build().expect("a client");
    live(&kept, &mediator.url).await.expect("an answer on a connection that is kept");

    let second = files.renew();
    let newcomer = client(&second, None);
    eventually("the new certificate is shown", || async { live(&newcomer, &mediator.url).await.ok() }).await;
    assert!(live(&client(&first, None), &mediator.url).await.is_err(), "the old one is shown no more");
    live(&kept, &mediator.url).await.expect("the connection from before still works");
}

/// As an operator does it, with SIGHUP; the interval is too long to matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_certificate_changes_nothing_and_is_told() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let files = Files::in_folder(dir.path());
    let first = files.renew();
    let settings = files.settings();
    let changes = [settings[0], settings[1], ("server.tls.check_interval", "100h")];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    let url = process.url.replace("http://", "https://");
    live(&client(&first, None), &url).await.expect("an answer");

    std::fs::write(&files.certificate, "not a certificate").expect("a file");
    hang_up(&process).await;
    eventually("it is told", || async { process.log().contains("the old one stays").then_some(()) }).await;
    assert!(process.log().contains("server.tls.cert_file"), "{}", process.log());
    live(&client(&first, None), &url).await.expect("the old one is still shown");

    let second = files.renew();
    hang_up(&process).await;
    let newcomer = client(&second, None);
    eventually("the next one is taken", || async { live(&newcomer, &url).await.ok() }).await;
    let (status, log) = process.terminate().await;
    assert!(status.success(), "{log}");
}

async fn hang_up(process: &Process) {
    let sent = Command::new("kill").args(["-HUP", &process.id()]).status().await.expect("kill runs");
    assert!(sent.success(), "SIGHUP could not be sent");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_at_the_start_with_its_setting() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = Files::in_folder(dir.path());
    let told = |setting: &str| {
        let settings = ServerTls {
            cert_file: Some(files.certificate.clone()),
            key_file: Some(files.key.clone()),
            client_ca_file: (setting == "client_ca_file").then(|| dir.path().join("ca.crt")),
            ..ServerTls::default()
        };
        ServerCertificate::load(&settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(told("cert_file").starts_with("server.tls.cert_file "), "not there: {}", told("cert_file"));
    files.renew();
    assert_eq!(told("cert_file"), "");
    let key = std::fs::read(&files.key).expect("a key");
    std::fs::write(&files.key, "no key").expect("a file");
    assert!(told("key_file").starts_with("server.tls.key_file "), "{}", told("key_file"));
    let (_, other) = certificate(&authority(), "127.0.0.1");
    std::fs::write(&files.key, other.serialize_pem()).expect("a file");
    assert!(told("cert_file").starts_with("server.tls.cert_file "), "another key: {}", told("cert_file"));
    std::fs::write(&files.key, key).expect("a file");
    assert!(told("client_ca_file").starts_with("server.tls.client_ca_file "), "{}", told("client_ca_file"));
}

/// An authority for clients, one of them known, and a mediator that knows it.
struct Mutual {
    mediator: Mediator,
    server: Authority,
    clients: Authority,
    known: (Certificate, KeyPair),
    _kept: (Sandbox, [TempDir; 2]),
}

async fn with_client_certificates(required: bool) -> Mutual {
    let clients_authority = authority();
    let known = certificate(&clients_authority, "openhim.example.org");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("client-ca.crt");
    std::fs::write(&ca_file, clients_authority.pem()).expect("a file");
    // As openssl prints it.
    let fingerprint = Fingerprint::of(known.0.der()).to_string().to_uppercase();
    let pairs: Vec<String> =
        fingerprint.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    let clients =
        format!(r#"[{{name = "openhim", certificate_sha256 = "{}", scopes = ["claim-response"]}}]"#, pairs.join(":"));
    let changes = [
        ("server.tls.client_ca_file", ca_file.to_str().expect("a path")),
        ("server.tls.client_certificates", if required { "required" } else { "optional" }),
        ("clients", &clients),
    ];
    let (mediator, server, _, sandbox, dir) = started(&changes).await;
    Mutual { mediator, server, clients: clients_authority, known, _kept: (sandbox, [dir, folder]) }
}

async fn post(client: &Client, url: &str, password: Option<&str>) -> Result<StatusCode, reqwest::Error> {
    let body = if url.ends_with(CLAIM) { sample_claim() } else { sample_feedback() };
    let request = client.post(url).header("content-type", "application/json").body(body);
    let request =
        password.into_iter().fold(request, |request, password| request.basic_auth(INBOUND_USER, Some(password)));
    Ok(request.send().await?.status())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_recognised_by_its_certificate() {
    let Mutual { mediator, server: authority, clients: clients_authority, known: (certificate, key), _kept } =
        with_client_certificates(false).await;
    let (claim, feedback) = (format!("{}{CLAIM}", mediator.url), format!("{}{FEEDBACK}", mediator.url));
    let known = client(&authority, Some((&certificate, &key)));
    assert_eq!(post(&known, &claim, None).await.expect("an answer"), StatusCode::ACCEPTED);
    assert_eq!(post(&known, &feedback, None).await.expect("an answer"), StatusCode::FORBIDDEN, "not its scope");

    let bare = client(&authority, None);
    assert_eq!(post(&bare, &claim, None).await.expect("an answer"), StatusCode::UNAUTHORIZED);
    assert_eq!(post(&bare, &claim, Some(INBOUND_PASSWORD)).await.expect("an answer"), StatusCode::ACCEPTED);

    // Of the same authority, but nobody said what it may do.
    let (certificate, key) = self::certificate(&clients_authority, "other.example.org");
    let unknown = client(&authority, Some((&certificate, &key)));
    assert_eq!(post(&unknown, &claim, None).await.expect("an answer"), StatusCode::UNAUTHORIZED);
    assert_eq!(post(&unknown, &claim, Some(INBOUND_PASSWORD)).await.expect("an answer"), StatusCode::ACCEPTED);

    // Of another authority: there is not even a connection, whatever the password.
    let (certificate, key) = self::certificate(&self::authority(), "openhim.example.org");
    let foreign = client(&authority, Some((&certificate, &key)));
    let refused = post(&foreign, &claim, Some(INBOUND_PASSWORD)).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_certificates_are_required_nobody_comes_in_without() {
    let Mutual { mediator, server: authority, known: (certificate, key), _kept, .. } =
        with_client_certificates(true).await;
    let claim = format!("{}{CLAIM}", mediator.url);
    let refused = post(&client(&authority, None), &claim, Some(INBOUND_PASSWORD)).await;
    assert!(refused.is_err(), "{refused:?}");
    let known = client(&authority, Some((&certificate, &key)));
    assert_eq!(post(&known, &claim, None).await.expect("an answer"), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_cut_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mediator, _authority, _files, _sandbox, _dir) = started(&[("server.header_timeout", "300ms")]).await;
    let mut stream =
        tokio::net::TcpStream::connect(mediator.url.trim_start_matches("https://")).await.expect("a connection");
    stream.write_all(&[0x16, 3, 1]).await.expect("sent"); // a handshake begins so
    let mut received = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "it may go on for ever");
}
