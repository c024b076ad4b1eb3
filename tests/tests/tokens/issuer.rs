//! Where the keys are: a file or an address, which change, and which may be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mediator_tests::raw_peer::{Scripted, http};
use mediator_tests::running::{config, eventually, sandbox};
use openimis_mediator::Host;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::keys::{Signer, jwks};
use super::{World, but, claims, in_file, issue, world_of};

fn answer(set: &Value) -> String {
    http("200 OK", "content-type: application/json", &set.to_string())
}

fn away() -> String {
    http("503 Service Unavailable", "content-type: text/plain", "away")
}

/// A mediator that has the keys from this server.
async fn asking(server: &Scripted, changes: &[(&str, &str)]) -> World {
    World::trusting(&format!(r#"jwks_url = "{}/certs""#, server.url), changes).await
}

/// So that a test need not wait: whatever is asked for may be looked for at once.
const AT_ONCE: (&str, &str) = ("tokens.refresh_at_most_every", "1ms");

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_once_and_a_new_one_as_soon_as_a_token_names_it() {
    let (old, new) = (Signer::ec("old"), Signer::rsa("new"));
    let server = Scripted::answering(&[answer(&jwks(&[&old])), answer(&jwks(&[&new]))]).await;
    let world = asking(&server, &[AT_ONCE]).await;
    assert_eq!(server.connections(), 0, "an issuer that is away does not keep the mediator from starting");
    for _ in 0..5 {
        assert_eq!(world.status(&old.token(&claims())).await, StatusCode::ACCEPTED);
    }
    assert_eq!(server.seen().len(), 1);
    assert!(server.seen()[0].head.starts_with("GET /certs "), "{}", server.seen()[0].head);
    assert_eq!(world.status(&new.token(&claims())).await, StatusCode::ACCEPTED);
    assert_eq!(server.seen().len(), 2);
    assert_eq!(world.status(&old.token(&claims())).await, StatusCode::UNAUTHORIZED, "it is withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_nobody_has_do_not_make_the_mediator_hammer_their_issuer() {
    let own = Signer::ec("own");
    let server = Scripted::answering(&[answer(&jwks(&[&own]))]).await;
    let world = asking(&server, &[]).await;
    assert_eq!(world.status(&own.token(&claims())).await, StatusCode::ACCEPTED);
    let tokens =
        (0..40).map(|number| own.token_with(&but(own.header(), json!({"kid": format!("{number}")})), &claims()));
    let tokens: Vec<String> = tokens.collect();
    let answers = futures_util::future::join_all(tokens.iter().map(|token| world.status(token))).await;
    assert!(answers.iter().all(|status| *status == StatusCode::UNAUTHORIZED), "{answers:?}");
    assert_eq!(server.seen().len(), 1, "the half minute since the first time is not over");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_need_the_first_keys_have_them_from_one_request() {
    let own = Signer::ec("own");
    let server = Scripted::answering(&[answer(&jwks(&[&own]))]).await;
    let world = asking(&server, &[]).await;
    let token = own.token(&claims());
    let answers = futures_util::future::join_all((0..20).map(|_| world.status(&token))).await;
    assert!(answers.iter().all(|status| *status == StatusCode::ACCEPTED), "{answers:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_at_first_is_told_as_such_and_found_later() {
    let own = Signer::ec("own");
    let moved = http("302 Found", "location: /elsewhere", "");
    let long = http(
        "200 OK",
        "content-type: application/json",
        &format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300 << 10)),
    );
    let nonsense = http("200 OK", "content-type: text/html", "<html>");
    let private = json!({"keys": [but(own.jwk(), json!({"d": "AAAA"}))]});
    let useless = json!({"keys": [{"kty": "EC", "crv": "P-521", "x": "A", "y": "A"}]});
    let wrong = [away(), moved, long, nonsense, answer(&private), answer(&useless), answer(&json!([]))];
    let answers: Vec<String> = wrong.iter().cloned().chain([answer(&jwks(&[&own]))]).collect();
    let server = Scripted::answering(&answers).await;
    let world = asking(&server, &[AT_ONCE]).await;
    eventually("the issuer gives its keys", || async {
        let answer = world.post(&own.token(&claims())).await;
        if answer.status() == StatusCode::ACCEPTED {
            return Some(());
        }
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
        assert_eq!(issue(answer).await.0, "transient");
        None
    })
    .await;
    assert_eq!(server.seen().len(), answers.len(), "none of the wrong answers gave keys");
    let paths: Vec<String> = server.seen().iter().map(|request| request.line()).collect();
    assert!(paths.iter().all(|line| line == "GET /certs"), "no redirect is followed: {paths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_issuer_is_away_its_keys_are_used_on_but_not_for_ever() {
    let own = Signer::ec("own");
    for keep in ["24h", "3s"] {
        let server = Scripted::answering(&[answer(&jwks(&[&own])), away()]).await;
        let world = asking(&server, &[AT_ONCE, ("tokens.refresh", "1ms"), ("tokens.keep", keep)]).await;
        let token = own.token(&claims());
        assert_eq!(world.status(&token).await, StatusCode::ACCEPTED);
        if keep == "24h" {
            eventually("the issuer was asked in vain", || async {
                assert_eq!(world.status(&token).await, StatusCode::ACCEPTED);
                (server.seen().len() > 3).then_some(())
            })
            .await;
            assert_eq!(world.status(&token).await, StatusCode::ACCEPTED);
        } else {
            eventually("its keys are too old", || async {
                (world.status(&token).await == StatusCode::SERVICE_UNAVAILABLE).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_says_nothing_holds_nobody_up_for_long() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!(r#"jwks_url = "http://{}/certs""#, server.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = asked.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((stream, _)) = server.accept().await {
            counting.fetch_add(1, Ordering::SeqCst);
            silent.push(stream);
        }
    });
    let changes = [("tokens.timeout", "200ms"), ("tokens.refresh_at_most_every", "1h")];
    let world = World::trusting(&url, &changes).await;
    let token = Signer::ec("own").token(&claims());
    let answers = futures_util::future::join_all((0..20).map(|_| world.status(&token))).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "not each of them waits for itself");
    assert!(answers.iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_keys_is_read_again_and_may_vanish_for_a_while() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let world = world_of(&old).await;
    assert_eq!(world.status(&old.token(&claims())).await, StatusCode::ACCEPTED);
    in_file(&world.dir, "keys.json", &jwks(&[&old, &new]));
    let token = new.token(&claims());
    eventually("the new key is known", || async { (world.status(&token).await == StatusCode::ACCEPTED).then_some(()) })
        .await;
    std::fs::remove_file(world.dir.path().join("keys.json")).expect("removed");
    let unknown = Signer::ec("third").token(&claims());
    eventually("the file was looked for", || async {
        tokio::time::sleep(Duration::from_millis(1100)).await; // a file is not looked at twice in a second
        (world.status(&unknown).await == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    for signer in [&old, &new] {
        assert_eq!(world.status(&signer.token(&claims())).await, StatusCode::ACCEPTED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_before_a_set_of_keys_is_passed_over() {
    let own = Signer::ec("own");
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let file = dir.path().join("keys.json");
    std::fs::write(&file, format!("\u{feff}{}", jwks(&[&own]))).expect("a file");
    let issuers = format!(r#"[{{name = "id", issuer = "i", audience = "a", jwks_file = "{}"}}]"#, file.display());
    Host::build(config(&sandbox, &dir, &[("tokens.issuers", &issuers)])).await.map(drop).expect("it is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_keys_that_cannot_be_used_is_told_at_the_start() {
    let own = Signer::ec("own");
    let sandbox = sandbox().await;
    for (set, says) in [
        (Value::Null, "no list `keys`"),
        (json!({"keys": {}}), "no list `keys`"),
        (json!({"keys": []}), "no key that can be used"),
        (json!({"keys": [but(own.jwk(), json!({"d": "secret-part"}))]}), "private key"),
        (json!({"keys": [{"kty": "oct", "k": "secret-part"}]}), "private key or a secret"),
        (json!({"keys": vec![own.jwk(); 101]}), "more than 100"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let file = in_file(&dir, "keys.json", &set);
        let issuers = format!(r#"[{{name = "id", issuer = "i", audience = "a", jwks_file = "{file}"}}]"#);
        let Err(error) = Host::build(config(&sandbox, &dir, &[("tokens.issuers", &issuers)])).await else {
            panic!("{says}: taken")
        };
        let told = error.to_string();
        assert!(told.starts_with("tokens.issuers (id).jwks_file ") && told.contains(says), "{told}");
        assert!(!told.contains("secret-part"), "{told}");
    }
    for (text, says) in [
        (&b""[..], "is no JSON: expected a JSON document; found an empty text"),
        (b"\xff\xfe{\0}\0", "is no JSON: expected text in UTF-8; found UTF-16 (little endian)"),
        (b"{keys: []}", "is no JSON: not well-formed JSON (line 1, column 2): a key without double quotes"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("keys.json");
        std::fs::write(&file, text).expect("a file");
        let file = file.display();
        let issuers = format!(r#"[{{name = "id", issuer = "i", audience = "a", jwks_file = "{file}"}}]"#);
        let Err(error) = Host::build(config(&sandbox, &dir, &[("tokens.issuers", &issuers)])).await else {
            panic!("{says}: taken")
        };
        assert!(error.to_string().contains(says), "{error}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let clients = r#"[{name = "c", username = "c", password_hash = "HASH", scopes = ["feedback"], signature_jwks_file = "/nowhere"}]"#;
    let hash = auth::credential::hash_password(&"a password".into()).expect("a hash");
    let clients = clients.replace("HASH", &hash);
    let Err(error) = Host::build(config(&sandbox, &dir, &[("clients", &clients)])).await else { panic!("taken") };
    assert!(error.to_string().starts_with("clients (c).signature_jwks_file /nowhere: "), "{error}");
}
