//! Registration, heartbeats and credentials: what the core is told, and what is done about its refusals.

use std::collections::BTreeMap;
use std::sync::Arc;

use mediator_tests::raw_peer::listener;
use mediator_tests::running::{Mediator, config, eventually, sample_claim, sandbox};
use openimis_mediator::config::Config;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sandbox::{Fault, OPENHIM_PASSWORD, OPENHIM_USER, OpenHimAuth};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::{CLAIM, FEEDBACK, URN, World, as_openhim, core, shown_to_admins, with_admin};

#[tokio::test(flavor = "multi_thread")]
async fn the_core_knows_the_mediator_its_channels_and_that_it_is_alive() {
    let world = World::start(&[("openhim.feedback_clients", r#"["cht", "openimis"]"#)]).await;
    world.known().await;
    let mediator = world.openhim.mediator(URN).expect("it is registered");
    assert_eq!(mediator["version"], env!("CARGO_PKG_VERSION"));
    let port: u16 = world.mediator.url.rsplit(':').next().expect("a port").parse().expect("a port");
    let channels = mediator["defaultChannelConfig"].as_array().expect("channels");
    for (channel, path, clients) in
        [(&channels[0], CLAIM, json!(["openimis"])), (&channels[1], FEEDBACK, json!(["cht", "openimis"]))]
    {
        assert_eq!(channel["urlPattern"], format!("^{path}$"));
        assert_eq!((&channel["allow"], &channel["methods"]), (&clients, &json!(["POST"])));
        assert_eq!((&channel["type"], &channel["authType"]), (&json!("http"), &json!("private")));
        let route = &channel["routes"][0];
        assert_eq!((&route["host"], &route["port"]), (&json!("127.0.0.1"), &json!(port)));
        assert_eq!((&route["secured"], &route["primary"]), (&json!(false), &json!(true)));
        assert_eq!(route["username"], "interop-client", "core passes no credentials on: the route has its own");
    }
    let endpoints = mediator["endpoints"].as_array().expect("endpoints");
    assert_eq!((&endpoints[0]["path"], &endpoints[1]["path"]), (&json!(CLAIM), &json!(FEEDBACK)));
    let beats = world.openhim.heartbeats(URN);
    eventually("another heartbeat", || async { (world.openhim.heartbeats(URN) > beats).then_some(()) }).await;
    let status = world.status();
    assert!(status.registered && status.last_heartbeat.is_some() && status.problem.is_none(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_is_away_is_found_when_it_comes_and_keeps_no_message_waiting() {
    let openhim = core(OpenHimAuth::Basic).await;
    openhim.fail_next(usize::MAX, Fault::Reset);
    let world = World::beside(openhim, &[]).await;
    world.problem("the core is away").await;
    assert_eq!(world.mediator.post(CLAIM, sample_claim()).await.status(), 202);
    world.mediator.settled().await;
    assert_eq!(world.sandbox.cht.records().len(), 1, "delivered as ever");
    world.openhim.fail_next(0, Fault::Reset);
    world.known().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_has_forgotten_the_mediator_is_told_again() {
    let world = World::start(&[]).await;
    world.known().await;
    world.openhim.forget();
    eventually("it is registered again", || async { world.openhim.mediator(URN) }).await;
    world.known().await;
    let registrations = world.openhim.requests().iter().filter(|(line, _)| line == "POST /mediators").count();
    assert_eq!(registrations, 2, "each time once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_to_do_and_is_not_hurried() {
    let wrong = World::start(&[("openhim.password", "wrong")]).await;
    let text = wrong.problem("openhim.password").await;
    assert!(text.contains("401") && text.contains("openhim.auth"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    assert!(!wrong.status().registered);

    let openhim = core(OpenHimAuth::Basic).await;
    openhim.demote(true);
    let demoted = World::beside(openhim, &[]).await;
    let text = demoted.problem("group admin").await;
    assert!(text.contains("addMediator denied"), "in the core's words, too: {text}");
    demoted.openhim.demote(false);
    demoted.known().await;

    let openhim = core(OpenHimAuth::Basic).await;
    openhim.fail_next(usize::MAX, Fault::Html);
    let page = World::beside(openhim, &[]).await;
    page.problem("openhim.url has to be that of the API").await;

    let openhim = core(OpenHimAuth::Basic).await;
    openhim.fail_next(usize::MAX, Fault::Status(400));
    let invalid = World::beside(openhim, &[]).await;
    let text = invalid.problem("(400)").await;
    assert!(text.contains("Injected by the sandbox"), "the core's reason: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_that_takes_tokens_only_gets_tokens() {
    let basic = World::beside(core(OpenHimAuth::Token).await, &[]).await;
    basic.problem(r#"openhim.auth = "token""#).await;

    let token = World::beside(core(OpenHimAuth::Token).await, &[("openhim.auth", "token")]).await;
    token.known().await;
    let asked = token.openhim.requests().iter().filter(|(line, _)| line.starts_with("GET /authenticate/")).count();
    assert_eq!(asked, 1, "the salt is remembered");

    let changes = [("openhim.auth", "token"), ("openhim.username", "nobody@example.org")];
    let nobody = World::beside(core(OpenHimAuth::Token).await, &changes).await;
    nobody.problem("openhim.username").await;
    let changes = [("openhim.auth", "token"), ("openhim.password", "wrong")];
    let wrong = World::beside(core(OpenHimAuth::Token).await, &changes).await;
    wrong.problem("refused the credentials").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_with_a_certificate_of_an_own_authority_is_trusted_through_its_file() {
    let openhim = core(OpenHimAuth::Basic).await;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a host name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    drop(rustls::crypto::ring::default_provider().install_default());
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(tls.expect("a server's settings")));
    let (listener, url) = listener().await;
    let behind = openhim.api().trim_start_matches("http://").trim_end_matches('/').to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let (Ok(mut stream), Ok(mut core)) = (acceptor.accept(stream).await, TcpStream::connect(behind).await)
                else {
                    return;
                };
                drop(copy_bidirectional(&mut stream, &mut core).await);
            });
        }
    });
    let url = url.replace("http://", "https://");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.crt");
    std::fs::write(&ca_file, authority.pem()).expect("a file");

    let stranger = World::beside(openhim, &[("openhim.url", &url)]).await;
    let text = stranger.problem("the core is away").await;
    assert!(text.contains("tls.ca_file"), "{text}");
    assert!(stranger.openhim.requests().is_empty(), "no credentials to a stranger");
    let World { mediator, openhim, sandbox, dir } = stranger;
    mediator.stop().await;

    let ca_file = ca_file.to_str().expect("a path");
    let trusting = World::on(openhim, sandbox, dir, &[("openhim.url", &url), ("tls.ca_file", ca_file)]).await;
    trusting.known().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_openhim_nothing_is_different_and_nothing_is_sent() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let admin = with_admin();
    let admin: Vec<(&str, &str)> = admin.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let mediator = Mediator::start(config(&sandbox, &dir, &admin)).await;
    assert_eq!(shown_to_admins(&mediator).await, json!({"configured": false}));
    let answer = mediator.post(CLAIM, sample_claim()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (202, &"application/json".parse().expect("a value"))
    );
    // Through a channel that somebody made by hand: OpenHIM's form all the same.
    let answer = as_openhim(&mediator, CLAIM, "6b00f59fbc94ec5852f61b6e", sample_claim()).await;
    assert_eq!(answer.headers()["content-type"], "application/json+openhim");
    mediator.settled().await;
}

#[test]
fn what_is_missing_for_openhim_is_told_with_its_key() {
    let told = |toml: &str, env: &[(&str, &str)]| {
        let minimal = r#"
            inbound = { username = "in", password = "x" }
            openimis = { url = "https://imis.example.org", username = "imis", password = "x" }
            cht = { url = "https://cht.example.org", username = "cht", password = "x" }
        "#;
        let env: BTreeMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_toml(&format!("{minimal}\n{toml}"), &env).map(|_| ()).map_err(|error| error.0)
    };
    let url = [("OPENHIM_API_URL", "https://core.example.org:8080")];
    let problems = told("", &url).expect_err("half of it");
    for key in ["openhim.username", "openhim.password", "openhim.endpoint"] {
        assert!(problems.iter().any(|problem| problem.starts_with(&format!("{key}: is missing"))), "{problems:?}");
    }
    let rest = [("OPENHIM_USERNAME", OPENHIM_USER), ("OPENHIM_PASSWORD", OPENHIM_PASSWORD)];
    let env: Vec<_> = url.iter().chain(&rest).copied().collect();
    assert_eq!(told("openhim.endpoint = 'http://mediator.example.org:8080'", &env), Ok(()));
    for (toml, key) in [
        ("openhim.endpoint = 'http://m.example.org/path'", "openhim.endpoint"),
        ("openhim.endpoint = 'ftp://m.example.org'", "openhim.endpoint"),
        ("openhim.url = 'https://user:tops3cret@core.example.org'", "openhim.url"),
        ("openhim.urn = 'mediator'", "openhim.urn"),
        ("openhim.urn = 'urn:a/b'", "openhim.urn"),
        ("openhim.heartbeat = '0s'", "openhim.heartbeat"),
        ("openhim.heartbeat = '2h'", "openhim.heartbeat"),
        ("openhim.timeout = '0s'", "openhim.timeout"),
        ("openhim.route_username = 'x'", "openhim.route_username"),
        ("openhim.claim_response_clients = ['']", "openhim.claim_response_clients"),
        ("openhim.auth = 'digest'", "openhim.auth"),
        ("openhim.report = true", "openhim.url"),
    ] {
        let problems = told(toml, &[]).expect_err(toml);
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{toml}: {problems:?}");
        assert!(!problems.concat().contains("tops3cret"), "{problems:?}");
    }
}
