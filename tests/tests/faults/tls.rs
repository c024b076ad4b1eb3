//! A peer whose certificate is not right: nothing is sent, the message waits, and the reason tells what to do.

use std::sync::{Arc, Mutex};

use mediator_tests::raw_peer::listener;
use mediator_tests::running::{Mediator, config, sample_claim, sandbox, states, story};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::{CLAIM, reports, waits_with};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Authorities are known by their names: two of one name would be told apart by their signatures only.
fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A certificate of a host, valid in these years.
fn certificate(authority: &Authority, host: &str, from: i32, until: i32) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new([host.to_owned()]).expect("a host name");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    drop(rustls::crypto::ring::default_provider().install_default());
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.expect("a server's settings"))
}

/// What stands at the peer's address.
#[derive(Clone)]
enum Front {
    /// TLS with a certificate.
    Tls(Arc<ServerConfig>),
    /// Plain HTTP on the port for TLS.
    Plain,
}

/// A front before a stand-in, which can be replaced while it runs.
struct Fronted {
    url: String,
    front: Arc<Mutex<Front>>,
    /// What was sent in the clear: the first byte of each connection.
    first_bytes: Arc<Mutex<Vec<u8>>>,
    /// How often something was sent through it.
    passed: Arc<Mutex<usize>>,
}

impl Fronted {
    async fn before(target: &str) -> Self {
        let (listener, url) = listener().await;
        let address = target.trim_start_matches("http://").split('/').next().expect("an address").to_owned();
        let url = target.replace("http://", "https://").replace(&address, url.trim_start_matches("http://"));
        let url = url.replace("127.0.0.1", "localhost");
        let fronted = Self {
            url,
            front: Arc::new(Mutex::new(Front::Plain)),
            first_bytes: Arc::default(),
            passed: Arc::default(),
        };
        let (front, first_bytes, passed) = (fronted.front.clone(), fronted.first_bytes.clone(), fronted.passed.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let front = front.lock().expect("the front").clone();
                let (address, first_bytes, passed) = (address.clone(), first_bytes.clone(), passed.clone());
                tokio::spawn(async move {
                    let mut first = [0];
                    if stream.peek(&mut first).await.ok()? == 1 {
                        first_bytes.lock().expect("the bytes").push(first[0]);
                    }
                    let mut inner = TcpStream::connect(address).await.expect("the stand-in");
                    match front {
                        Front::Tls(config) => {
                            let mut stream = TlsAcceptor::from(config).accept(stream).await.ok()?;
                            *passed.lock().expect("the count") += 1;
                            copy_bidirectional(&mut stream, &mut inner).await.ok()
                        }
                        Front::Plain => copy_bidirectional(&mut stream, &mut inner).await.ok(),
                    }
                });
            }
        });
        fronted
    }

    fn set(&self, front: Front) {
        *self.front.lock().expect("the front") = front;
    }

    fn passed(&self) -> usize {
        *self.passed.lock().expect("the count")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_a_peer_whose_certificate_is_not_right() {
    let (ours, foreign) = (authority("ours"), authority("somebody else's"));
    let wrong = [
        (Front::Tls(certificate(&foreign, "localhost", 2020, 2090)), "UnknownIssuer", "tls.ca_file"),
        (Front::Tls(certificate(&ours, "cht.example.org", 2020, 2090)), "not valid for name", "cht.example.org"),
        (Front::Tls(certificate(&ours, "localhost", 2019, 2020)), "expired", "renew"),
        (Front::Tls(certificate(&ours, "localhost", 2089, 2090)), "not valid yet", "clock"),
        (Front::Plain, "corrupt message", "check the port"),
    ];
    for peer in ["cht.url", "openimis.url"] {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, ours.pem()).expect("a written file");
        let target = if peer == "cht.url" { sandbox.cht.url() } else { sandbox.openimis.url() };
        let fronted = Fronted::before(&target).await;
        fronted.set(wrong[0].0.clone());
        let ca_file = ca_file.display().to_string();
        let changes = [
            (peer, fronted.url.as_str()),
            ("tls.ca_file", &ca_file),
            ("retry.longest", "50ms"),
            ("retry.probe_longest", "50ms"),
        ];
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        mediator.post(CLAIM, sample_claim()).await;
        for (front, why, what_to_do) in &wrong {
            fronted.set(front.clone());
            let message = waits_with(&mediator, why).await;
            let reason = message.summary.reason.as_deref().unwrap_or_default();
            assert!(reason.contains(what_to_do), "{peer}: {reason}");
            assert!(message.summary.settled_at.is_none(), "{}", story([&message]));
        }
        assert_eq!(fronted.passed(), 0, "nothing passed the handshake");
        let reached = if peer == "cht.url" { sandbox.cht.requests() } else { sandbox.openimis.requests() };
        assert!(reached.is_empty(), "{reached:#?}");

        fronted.set(Front::Tls(certificate(&ours, "localhost", 2020, 2090)));
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), ["delivered"], "{}", story(&messages));
        assert_eq!(reports(&sandbox, "CHT979"), 1);
        assert!(fronted.passed() > 0);
        // 22: a TLS handshake. Plain HTTP would begin with a letter.
        let first_bytes = fronted.first_bytes.lock().expect("the bytes");
        assert!(first_bytes.len() > wrong.len() && first_bytes.iter().all(|byte| *byte == 22), "{first_bytes:?}");
    }
}

/// Without `tls.ca_file` an authority of our own is as good as none.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_the_settings_do_not_name_is_not_trusted() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let fronted = Fronted::before(&sandbox.cht.url()).await;
    fronted.set(Front::Tls(certificate(&authority("ours"), "localhost", 2020, 2090)));
    let mediator = Mediator::start(config(&sandbox, &dir, &[("cht.url", &fronted.url)])).await;
    mediator.post(CLAIM, sample_claim()).await;
    waits_with(&mediator, "tls.ca_file").await;
    assert_eq!((fronted.passed(), sandbox.cht.requests().len()), (0, 0));
}
