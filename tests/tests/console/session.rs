//! Sessions, with a clock of our own; and clients who sign in by certificate.

use std::net::IpAddr;
use std::sync::Arc;

use auth::limits::Limits;
use auth::{Caller, Listener};
use auth::{Client as Known, Clients, credential::Fingerprint};
use console::session::{Personal, Sessions};
use flow::MessageId;
use jiff::{SignedDuration, Timestamp};
use mediator_tests::running::Mediator;
use openimis_mediator::config::Config;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::Identity;

use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn sessions() -> Sessions {
    Sessions::new(SignedDuration::from_mins(30), SignedDuration::from_hours(12))
}

async fn client() -> Arc<Known> {
    let toml = format!("clients = {}", clients());
    let config = Config { clients: toml::from_str::<Wanted>(&toml).expect("clients").clients, ..Config::default() };
    let caller = Caller { listener: Listener::Admin, address: IpAddr::from([127, 0, 0, 1]), certificate: None };
    let limits = Limits::new(config.server.requests_per_second, config.server.failed_logins_per_minute);
    Clients::new(&config.auth())
        .expect("clients")
        .sign_in("sita".into(), PASSWORD.into(), &caller, &limits)
        .await
        .expect("a client")
}

#[derive(serde::Deserialize)]
struct Wanted {
    clients: Vec<openimis_mediator::config::Client>,
}

#[tokio::test]
async fn a_session_ends_half_an_hour_after_the_last_click_and_after_twelve_hours_in_any_case() {
    let (sessions, client) = (sessions(), client().await);
    let id = sessions.begin(client.clone(), None, at(0)).expect("a session");
    assert!(sessions.find(&id, None, at(29), false).is_some());
    assert!(sessions.find(&id, None, at(30), false).is_none(), "a page that refreshes itself is no click");
    assert!(sessions.find(&id, None, at(1), true).is_none(), "what has ended stays so");

    let id = sessions.begin(client, None, at(0)).expect("a session");
    for click in (0..720).step_by(20) {
        assert!(sessions.find(&id, None, at(click), true).is_some(), "minute {click}");
    }
    assert!(sessions.find(&id, None, at(720), true).is_none());
}

#[tokio::test]
async fn each_session_has_an_id_and_a_token_of_its_own_and_others_open_nothing() {
    let (sessions, client) = (sessions(), client().await);
    let [one, other] = [0, 0].map(|now| sessions.begin(client.clone(), None, at(now)).expect("a session"));
    assert!(one != other && one.len() == 64 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    let tokens = [&one, &other].map(|id| sessions.find(id, None, at(1), true).expect("a session").csrf);
    assert!(tokens[0] != tokens[1] && tokens[0] != one);
    for made_up in ["", "0", &one[1..], &one.to_uppercase().replace(char::is_numeric, "0")] {
        assert!(sessions.find(made_up, None, at(1), true).is_none(), "{made_up:?}");
    }
    sessions.end(&one);
    assert!(sessions.find(&one, None, at(1), true).is_none() && sessions.find(&other, None, at(1), true).is_some());
}

#[tokio::test]
async fn a_session_by_certificate_needs_the_certificate_with_every_request() {
    let (sessions, client) = (sessions(), client().await);
    let [own, other] = [b"one", b"two"].map(|certificate| Some(Fingerprint::of(certificate)));
    let id = sessions.begin(client, own, at(0)).expect("a session");
    assert!(sessions.find(&id, None, at(1), true).is_none());
    assert!(sessions.find(&id, other, at(1), true).is_none());
    assert!(sessions.find(&id, own, at(1), true).is_some());
}

#[tokio::test]
async fn what_was_asked_to_be_seen_is_hidden_again_by_itself_and_for_others_always() {
    let (sessions, client) = (sessions(), client().await);
    let [one, other] = [0, 0].map(|now| sessions.begin(client.clone(), None, at(now)).expect("a session"));
    let message = Personal::Message(MessageId(1));
    let sees = |id: &str, now| sessions.find(id, None, at(now), true).expect("a session").shown.contains_key(&message);
    sessions.show(&one, message, at(0));
    sessions.show(&one, Personal::Proposal(2), at(0));
    assert!(sees(&one, 9) && !sees(&other, 9), "ten minutes, for who asked");
    assert!(!sees(&one, 10));
    sessions.show(&one, message, at(10));
    sessions.hide(&one, message);
    assert!(!sees(&one, 11));
}

#[tokio::test]
async fn a_thousand_and_first_session_makes_the_idlest_one_go() {
    let (sessions, client) = (sessions(), client().await);
    let ids: Vec<String> = (0..1000).map(|_| sessions.begin(client.clone(), None, at(0)).expect("a session")).collect();
    for id in &ids[1..] {
        sessions.find(id, None, at(1), true).expect("a session");
    }
    let newest = sessions.begin(client, None, at(1)).expect("a session");
    assert!(sessions.find(&ids[0], None, at(1), true).is_none(), "nobody clicked in this one");
    assert!(sessions.find(&newest, None, at(1), true).is_some());
    assert!(ids[1..].iter().all(|id| sessions.find(id, None, at(1), true).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_certificate_needs_no_password_and_its_cookie_alone_is_worth_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let issue = || {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        (params.signed_by(&key, &authority).expect("a certificate"), key)
    };
    let ((server, server_key), (admin, admin_key)) = (issue(), issue());
    let file = |name: &str, pem: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    let fingerprint = Fingerprint::of(admin.der());
    let clients = format!(r#"[{{name = "hari", certificate_sha256 = "{fingerprint}", scopes = ["admin"]}}]"#);
    let (cert_file, key_file) = (file("s.crt", server.pem()), file("s.key", server_key.serialize_pem()));
    let changes = [
        ("clients", clients.as_str()),
        ("admin.listen", "127.0.0.1:0"),
        ("server.tls.cert_file", &cert_file),
        ("server.tls.key_file", &key_file),
        ("server.tls.client_ca_file", &file("ca.crt", authority.pem())),
    ];
    let sandbox = sandbox().await;
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    let address = eventually("the console is served", || async { mediator.host.doors.admin_address.get() }).await;
    let trusting = || {
        let trusted = reqwest::Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate");
        Client::builder().no_proxy().tls_certs_only([trusted]).redirect(Policy::none())
    };
    let identity = Identity::from_pem(format!("{}{}", admin.pem(), admin_key.serialize_pem()).as_bytes());
    let url = format!("https://{address}");
    let mut visitor = Visitor::to(&url, trusting().identity(identity.expect("an identity")));
    // A picture on somebody else's page: the certificate comes along, and makes no session.
    let picture = visitor.ask(Method::GET, "/console").header("sec-fetch-site", "cross-site");
    let seen = visitor.send(picture.header("sec-fetch-dest", "image")).await;
    assert_eq!((seen.status, visitor.set.len()), (StatusCode::SEE_OTHER, 0));
    let link = visitor.ask(Method::GET, "/console").header("sec-fetch-site", "cross-site");
    let page = visitor.send(link.header("sec-fetch-dest", "document")).await.text;
    assert!(page.contains("hari"), "{}", words(&page));
    assert!(visitor.set.iter().any(|line| line.starts_with("__Host-openimis-console=") && line.contains("Secure")));
    let token = hidden(&page, "csrf").expect("a token");

    let mut thief = Visitor::to(&url, trusting());
    thief.cookies = visitor.cookies.clone();
    assert_eq!(thief.get("/console").await.status, StatusCode::SEE_OTHER);
    assert_eq!(visitor.post("/console/sign-out", &[("csrf", &token)]).await.status, StatusCode::SEE_OTHER);
    let lines = mediator.store().audit(None, 10).await.expect("a store");
    let told: Vec<_> =
        lines.iter().map(|line| (line.actor.as_str(), line.action.as_str(), line.detail.as_str())).collect();
    assert_eq!(told, [("hari", "sign out", ""), ("hari", "sign in", "by certificate, from 127.0.0.1")]);
}
