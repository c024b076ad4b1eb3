//! Who is let in: clients with passwords and scopes of their own, beside the simple one.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use auth::credential::hash_password;
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, program, sample_claim, sample_feedback, sandbox,
};
use openimis_mediator::config::Config;
use reqwest::{Response, StatusCode};
use sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const CLAIMS_PASSWORD: &str = "only claims: with a colon";
const REPORTS_PASSWORD: &str = "नेपाल only feedback";

/// Two clients, each for one route.
fn clients() -> &'static str {
    static CLIENTS: OnceLock<String> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let hash = |password: &str| hash_password(&password.into()).expect("a hash");
        format!(
            r#"[{{name = "openimis", username = "claims", password_hash = "{}", scopes = ["claim-response"]}},
                {{name = "cht", username = "reports", password_hash = "{}", scopes = ["feedback"]}}]"#,
            hash(CLAIMS_PASSWORD),
            hash(REPORTS_PASSWORD)
        )
    })
}

async fn started(changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let changes: Vec<_> = [("clients", clients())].iter().chain(changes).copied().collect();
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    (mediator, sandbox, dir)
}

async fn post_as(mediator: &Mediator, path: &str, user: &str, password: &str) -> Response {
    let body = if path == CLAIM { sample_claim() } else { sample_feedback() };
    let request = mediator.client.post(format!("{}{path}", mediator.url)).basic_auth(user, Some(password));
    request.header("content-type", "application/json").body(body).send().await.expect("an answer")
}

async fn issue(answer: Response) -> (String, String) {
    let outcome: Value = answer.json().await.expect("JSON");
    let text = |key: &str| outcome["issue"][0][key].as_str().expect("text").to_owned();
    (text("code"), text("diagnostics"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_has_its_password_and_its_scopes() {
    let (mediator, _sandbox, _dir) = started(&[]).await;
    for (path, user, password, scope) in
        [(CLAIM, "reports", REPORTS_PASSWORD, "claim-response"), (FEEDBACK, "claims", CLAIMS_PASSWORD, "feedback")]
    {
        let refused = post_as(&mediator, path, user, password).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{user} at {path}");
        let (code, text) = issue(refused).await;
        assert!(code == "forbidden" && text.ends_with(scope), "{code}: {text}");
    }
    for (user, password) in [
        ("claims", REPORTS_PASSWORD),
        ("claims", "only claims"),
        ("claims", ""),
        ("openimis", CLAIMS_PASSWORD), // the name is not the user
        ("nobody", CLAIMS_PASSWORD),
        (INBOUND_USER, CLAIMS_PASSWORD),
        ("claims", INBOUND_PASSWORD),
    ] {
        let refused = post_as(&mediator, CLAIM, user, password).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{user}, {password}");
    }
    assert!(mediator.messages().await.is_empty(), "whoever was refused left nothing behind");

    for _ in 0..2 {
        assert_eq!(post_as(&mediator, CLAIM, "claims", CLAIMS_PASSWORD).await.status(), StatusCode::ACCEPTED);
        assert_eq!(post_as(&mediator, FEEDBACK, "reports", REPORTS_PASSWORD).await.status(), StatusCode::ACCEPTED);
        for path in [CLAIM, FEEDBACK] {
            let simple = post_as(&mediator, path, INBOUND_USER, INBOUND_PASSWORD).await;
            assert_eq!(simple.status(), StatusCode::ACCEPTED, "the simple client has both scopes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_too_many_wrong_passwords_no_more_are_tried_for_a_while() {
    let (mediator, _sandbox, _dir) = started(&[("server.failed_logins_per_minute", "4")]).await;
    assert_eq!(post_as(&mediator, CLAIM, "claims", CLAIMS_PASSWORD).await.status(), StatusCode::ACCEPTED);
    for attempt in 0..3 {
        let refused = post_as(&mediator, CLAIM, "claims", &format!("guess {attempt}")).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "attempt {attempt}");
    }
    // One of a client that was not seen before, a wrong one of the simple client, one of nobody: none is looked at.
    for (user, password) in [("reports", REPORTS_PASSWORD), (INBOUND_USER, "guess"), ("nobody", "guess")] {
        let refused = post_as(&mediator, CLAIM, user, password).await; // for "reports" a 403 at best: nothing is stored
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{user}");
        let wait = refused.headers()["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds");
        assert!((1..=15).contains(&wait), "four a minute is one in 15 s: {wait}");
        assert_eq!(issue(refused).await.0, "throttled");
    }
    // Who was let in before stays in: nobody can lock the others out from behind the same proxy.
    for _ in 0..10 {
        assert_eq!(post_as(&mediator, CLAIM, "claims", CLAIMS_PASSWORD).await.status(), StatusCode::ACCEPTED);
        assert_eq!(post_as(&mediator, CLAIM, INBOUND_USER, INBOUND_PASSWORD).await.status(), StatusCode::ACCEPTED);
    }
}

/// As after a start: many requests come before the first password was verified.
#[tokio::test(flavor = "multi_thread")]
async fn many_right_passwords_at_once_are_not_taken_for_guesses() {
    let (mediator, _sandbox, _dir) = started(&[("server.failed_logins_per_minute", "4")]).await;
    let answers = (0..60).map(|_| post_as(&mediator, CLAIM, "claims", CLAIMS_PASSWORD));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_nothing_with_remembered_credentials() {
    let (mediator, _sandbox, _dir) = started(&[]).await;
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 202), ("none", 202)] {
        let request = mediator.client.post(format!("{}{CLAIM}", mediator.url)).header("sec-fetch-site", site);
        let request = request.basic_auth("claims", Some(CLAIMS_PASSWORD)).header("content-type", "application/json");
        assert_eq!(request.body(sample_claim()).send().await.expect("an answer").status(), status, "{site}");
    }
}

/// argon2 takes twenty milliseconds and more; an answer without it takes one. What else the machine does only adds to that, so the
/// fastest of some rounds tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_user_cost_the_same_and_a_right_one_little() {
    let (mediator, _sandbox, _dir) = started(&[("server.failed_logins_per_minute", "1000")]).await;
    let callers = [("reports", "guess"), ("nobody", "guess"), (INBOUND_USER, "guess"), ("reports", REPORTS_PASSWORD)];
    let mut fastest = [Duration::MAX; 4];
    for _ in 0..200 {
        for ((user, password), fastest) in callers.iter().zip(&mut fastest) {
            let begun = Instant::now();
            post_as(&mediator, CLAIM, user, password).await; // 403 at best: nothing is stored
            *fastest = begun.elapsed().min(*fastest);
        }
        let [wrong, unknown, simple, right] = fastest;
        let alike = |other: Duration| other > wrong / 2 && other < wrong * 2;
        if alike(unknown) && alike(simple) && right < wrong / 4 {
            return;
        }
    }
    panic!("wrong password, unknown user, the simple client's wrong password, right password: {fastest:?}");
}

const PEERS: &str = r#"
    openimis = { url = "https://imis.example.org", username = "imis", password = "secret" }
    cht = { url = "https://cht.example.org", username = "cht", password = "secret" }"#;

fn problems(toml: &str) -> Vec<String> {
    let read = Config::from_toml(&format!("{PEERS}\n{toml}"), &BTreeMap::new());
    read.err().map(|error| error.0).unwrap_or_default()
}

const INBOUND: &str = r#"inbound = { username = "in", password = "secret" }"#;

#[test]
fn the_simple_client_can_be_left_out_where_others_post() {
    assert_eq!(problems(&format!("clients = {}", clients())), Vec::<String>::new());
    assert_eq!(problems("").len(), 2, "username and password");
    let admin_only =
        clients().replace(r#"["claim-response"]"#, r#"["admin"]"#).replace(r#"["feedback"]"#, r#"["admin"]"#);
    assert_eq!(problems(&format!("clients = {admin_only}")).len(), 2, "nobody could post");
    // As `MEDIATOR_PASSWORD=` leaves it.
    let told = problems("inbound = { username = 'in', password = '' }");
    assert!(told.len() == 1 && told[0].starts_with("inbound.password: "), "an empty password: {told:?}");
    let told = problems(&format!("inbound.username = 'in'\nclients = {}", clients()));
    assert!(told.len() == 1 && told[0].starts_with("inbound.password: "), "half a client: {told:?}");
    let callback = "subscription.callback = 'https://mediator.example.org/mediator/claim-response'";
    let told = problems(&format!("{callback}\nclients = {}", clients()));
    assert!(told.len() == 1 && told[0].starts_with("subscription.username: "), "{told:?}");
}

#[test]
fn every_mistake_about_clients_and_the_server_is_told_with_its_key() {
    let hash = hash_password(&"a password".into()).expect("a hash");
    let print = "ab".repeat(32);
    let told = problems(&format!(
        r#"
        {INBOUND}
        clients = [
            {{ name = "", username = "a", password_hash = "{hash}", scopes = ["admin"] }},
            {{ name = "one", username = "a:b", password_hash = "{hash}", scopes = ["admin"] }},
            {{ name = "two", username = "c", password_hash = "secret-plain", scopes = ["admin"] }},
            {{ name = "two", username = "in", password_hash = "{hash}", scopes = [] }},
            {{ name = "three", username = "d", scopes = ["feedback"] }},
            {{ name = "four", password_hash = "{hash}", scopes = ["feedback"] }},
            {{ name = "five", scopes = ["feedback"] }},
            {{ name = "six", certificate_sha256 = "abc", scopes = ["feedback"] }},
            {{ name = "seven", username = "e", certificate_sha256 = "{print}", scopes = ["feedback"] }},
            {{ name = "eight", username = "f", password_hash = "{}", scopes = ["feedback"] }},
        ]
        [server]
        max_connections = 0
        header_timeout = "0s"
        answer_timeout = "-1s"
        max_body_bytes = 10
        requests_per_second = 0
        failed_logins_per_minute = -1
        [server.tls]
        cert_file = "server.crt"
        client_certificates = "required"
        "#,
        hash.replace("argon2id", "argon2i")
    ));
    for expected in [
        "clients.0.name: is missing",
        "clients.1 (one).username: is empty or holds a colon",
        "clients.2 (two).password_hash: expected a hash",
        "clients.3 (two).name: another client",
        "clients.3 (two).username: another client",
        "clients.3 (two).scopes: is missing",
        "clients.4 (three).password_hash: is missing",
        "clients.5 (four).username: is missing",
        "clients.6 (five).username: is missing, or certificate_sha256",
        "clients.7 (six).certificate_sha256: expected 64",
        "clients.7 (six).certificate_sha256: needs server.tls.client_ca_file",
        "clients.8 (seven).certificate_sha256: set beside",
        "clients.9 (eight).password_hash: expected a whole hash of argon2id",
        "server.max_connections: ",
        "server.header_timeout: ",
        "server.answer_timeout: ",
        "server.max_body_bytes: ",
        "server.requests_per_second: ",
        "server.failed_logins_per_minute: ",
        "server.tls.key_file: is missing",
        "server.tls.client_ca_file: is missing",
    ] {
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected} is not among {told:#?}");
    }
    assert!(!told.concat().contains("secret") && !told.concat().contains(&hash), "{told:#?}");
}

#[test]
fn a_clients_hash_is_not_shown() {
    let text = format!("{INBOUND}\nclients = {}", clients());
    assert_eq!(problems(&text), Vec::<String>::new());
    let config = Config::from_toml(&format!("{PEERS}\n{text}"), &BTreeMap::new()).expect("a configuration");
    let shown = format!("{config:?}");
    assert!(shown.contains("clients: [Client {") && !shown.contains("argon2"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_password_prints_what_the_configuration_takes() {
    let hash = async |typed: &str| {
        let mut command = tokio::process::Command::new(program());
        command.args(["config", "hash-password"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("an input");
        stdin.write_all(typed.as_bytes()).await.expect("written");
        drop(stdin);
        child.wait_with_output().await.expect("an end")
    };
    let (one, other) = (hash("correct horse\n").await, hash("correct horse\n").await);
    assert!(one.status.success() && one.stdout != other.stdout, "each hash has a salt of its own");
    let printed = String::from_utf8(one.stdout).expect("text");
    let clients = format!(
        r#"[{{name = "c", username = "c", password_hash = "{}", scopes = ["claim-response"]}}]"#,
        printed.trim_end()
    );
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, &[("clients", &clients)])).await;
    assert_eq!(post_as(&mediator, CLAIM, "c", "correct horse").await.status(), StatusCode::ACCEPTED);
    assert_eq!(post_as(&mediator, CLAIM, "c", "correct horse\n").await.status(), StatusCode::UNAUTHORIZED);

    let short = hash("short\n").await;
    assert!(!short.status.success() && String::from_utf8_lossy(&short.stderr).contains("at least 8"));
}
