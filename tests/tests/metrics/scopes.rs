//! Who may read the metrics.

use auth::credential::hash_password;
use mediator_tests::running::{Mediator, PATIENCE, config, sandbox};
use openimis_mediator::config::Config;
use reqwest::StatusCode;

use super::{admin_url, scrape};

const PASSWORD: &str = "of a scraper";

fn client(name: &str, scopes: &str) -> String {
    let hash = hash_password(&PASSWORD.into()).expect("a hash");
    format!(r#"{{name = "{name}", username = "{name}", password_hash = "{hash}", scopes = [{scopes}]}}"#)
}

async fn status(mediator: &Mediator, user: &str, path: &str) -> StatusCode {
    let url = format!("{}{path}", admin_url(mediator).await);
    let asked = mediator.client.get(url).basic_auth(user, Some(PASSWORD));
    asked.send().await.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_scope_reads_them_and_nothing_else() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let clients = format!("[{}, {}]", client("prometheus", r#""metrics""#), client("sita", r#""admin""#));
    let changes = [("clients", clients.as_str()), ("admin.listen", "127.0.0.1:0")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    assert_eq!(scrape(&mediator).await.status(), StatusCode::UNAUTHORIZED);
    for (user, path, expected) in [
        ("prometheus", "/metrics", StatusCode::OK),
        ("prometheus", "/admin/counts", StatusCode::FORBIDDEN),
        ("sita", "/metrics", StatusCode::FORBIDDEN),
        ("sita", "/admin/counts", StatusCode::OK),
        ("nobody", "/metrics", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(status(&mediator, user, path).await, expected, "{user} at {path}");
    }
    let at_the_door = mediator.client.get(format!("{}/metrics", mediator.url)).send().await.expect("an answer");
    assert_eq!(at_the_door.status(), StatusCode::NOT_FOUND, "not where everybody may call");
    let url = format!("{}/metrics", admin_url(&mediator).await);
    let posted = mediator.client.post(url).basic_auth("prometheus", Some(PASSWORD)).send().await.expect("an answer");
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_scope_is_enough_for_the_listener_to_be_there() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let clients = format!("[{}]", client("prometheus", r#""metrics""#));
    let changes = [("clients", clients.as_str()), ("admin.listen", "127.0.0.1:0")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    assert_eq!(status(&mediator, "prometheus", "/metrics").await, StatusCode::OK);
    assert_eq!(status(&mediator, "prometheus", "/admin/counts").await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_public_anybody_reads_them_and_the_admin_api_stays_shut() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let changes = [("metrics.public", "true"), ("admin.listen", "127.0.0.1:0")];
    let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
    assert_eq!(scrape(&mediator).await.status(), StatusCode::OK);
    assert_eq!(status(&mediator, "anybody", "/admin/counts").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_either_there_is_no_listener() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let mediator = Mediator::start(config(&sandbox, &dir, &[("admin.listen", "127.0.0.1:0")])).await;
    // It is opened before the first request is answered, if at all.
    let live = mediator.client.get(format!("{}/health/live", mediator.url)).timeout(PATIENCE);
    assert_eq!(live.send().await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(mediator.host.doors.admin_address.get(), None);
}

/// A scraper posts nothing: it does not take the place of the client that openIMIS and CHT need.
#[test]
fn a_scraper_alone_is_no_client_for_the_doors() {
    let text = format!(
        r#"clients = [{}]
        openimis = {{ url = "https://imis.example.org", username = "m", password = "m" }}
        cht = {{ url = "https://cht.example.org", username = "m", password = "m" }}"#,
        client("prometheus", r#""metrics""#)
    );
    let error = Config::from_toml(&text, &Default::default()).expect_err("nobody may post");
    assert!(error.0.iter().any(|problem| problem.starts_with("inbound.username: is missing")), "{error}");
}
