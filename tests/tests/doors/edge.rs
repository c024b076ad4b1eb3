//! What only the edge has: a budget for each request, the drain, its own configuration, hosts that it may ask.

use std::time::{Duration, Instant};

use mediator_tests::running::{notification, sample_claim, sample_feedback};
use openimis_mediator::sandbox::Fault;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::answers::{claim_with, issues, read};
use crate::server::{CLAIM, DRAIN, FEEDBACK, On, World};
use crate::swapped;

const DOWN: usize = usize::MAX;

async fn drained(world: &World) -> Value {
    let (status, body) = read(world.post(DRAIN, "").await).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// Makes everything that waits due.
async fn make_due(world: &World) {
    let mut database = SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("its store");
    sqlx::query("UPDATE message SET due_at = 0").execute(&mut database).await.expect("an update");
}

pub async fn a_request_is_answered_within_its_budget_and_the_drain_delivers(on: On) {
    // Retries are far off: what is delivered below is what was asked for.
    let world = World::start(on, &[("budget", "700ms"), ("retry.first", "1h"), ("cht.timeout", "30s")]).await;
    world.sandbox.cht.fail_next(1, Fault::Hang(Duration::from_secs(20)));
    let begun = Instant::now();
    let answer = read(world.post(CLAIM, sample_claim()).await).await;
    assert_eq!(answer, (StatusCode::ACCEPTED, json!({"status": "accepted", "id": 1, "duplicate": false})));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(3), "{took:?}");
    let messages = world.messages().await;
    assert_eq!((messages[0].state.as_str(), messages[0].attempts), ("pending", 1), "{messages:?}");
    assert_eq!(drained(&world).await, json!({"delivered": 0, "waiting": 1, "dead": 0}), "it is not due");
    make_due(&world).await;
    assert_eq!(drained(&world).await, json!({"delivered": 1, "waiting": 0, "dead": 0}), "{}", world.log());
    assert_eq!(world.sandbox.cht.records().len(), 1);
}

pub async fn the_next_request_delivers_what_waits(on: On) {
    let world = World::start(on, &[("retry.first", "1h")]).await;
    world.sandbox.cht.fail_next(DOWN, Fault::Reset);
    for code in ["NEXT01", "NEXT02", "NEXT03"] {
        let claim = world.sandbox.openimis.enter_claim(code);
        assert_eq!(world.post(CLAIM, notification(&world.sandbox, claim).await).await.status(), 202);
    }
    world.sandbox.cht.fail_next(0, Fault::Reset);
    make_due(&world).await;
    assert!(world.sandbox.cht.records().is_empty());
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    assert_eq!(world.sandbox.cht.records().len(), 4, "{}", world.log());
    // One that comes again moves the queue, too.
    world.sandbox.openimis.fail_next(DOWN, Fault::Status(503));
    assert_eq!(world.post(FEEDBACK, sample_feedback()).await.status(), 202);
    world.sandbox.openimis.fail_next(0, Fault::Reset);
    make_due(&world).await;
    assert_eq!(read(world.post(CLAIM, sample_claim()).await).await.1["duplicate"], true);
    assert_eq!(world.sandbox.openimis.communications().len(), 1, "{}", world.log());
}

pub async fn the_drain_counts_and_asks_for_credentials(on: On) {
    let world = World::start(on, &[("retry.first", "1h")]).await;
    let unknown = world.client.post(format!("{}{DRAIN}", world.url)).send().await.expect("an answer");
    assert_eq!(read(unknown).await.0, StatusCode::UNAUTHORIZED);
    let (status, outcome) = read(world.get(DRAIN).await).await;
    assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("not-supported")));
    assert_eq!(drained(&world).await, json!({"delivered": 0, "waiting": 0, "dead": 0}));
    world.post(CLAIM, claim_with(json!({"patient": null}))).await;
    let claim = world.sandbox.openimis.enter_claim("COUNT1");
    let claim = notification(&world.sandbox, claim).await;
    world.sandbox.openimis.fail_next(1, Fault::Status(503));
    world.post(CLAIM, claim).await;
    assert_eq!(drained(&world).await, json!({"delivered": 0, "waiting": 1, "dead": 1}), "{}", world.log());
}

pub async fn every_problem_of_the_configuration_is_told_at_once(on: On) {
    // Spin itself refuses an app without a required variable: the ones below have values, only wrong ones.
    let changes = [
        ("cht.url", "ftp://cht.example.org"),
        ("cht.password", ""),
        ("inbound.username", ""),
        ("budget", "soon"),
        ("tasks.policy", "selected"),
        ("retry.trip_after", "0"),
    ];
    let world = World::start(on, &changes).await;
    let (status, body) = read(world.get("/health/ready").await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let told: Vec<&str> =
        body["problems"].as_array().expect("a list").iter().map(|problem| problem.as_str().expect("text")).collect();
    for beginning in [
        "cht_url:",
        "cht_password:",
        "inbound_username:",
        "budget:",
        "settings: tasks.policy:",
        "settings: retry.trip_after:",
    ] {
        assert_eq!(told.iter().filter(|told| told.starts_with(beginning)).count(), 1, "{beginning} {told:#?}");
    }
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(world.log().contains("budget: expected a time") || on == On::Spin, "{}", world.log());
    let (status, outcome) = read(world.post(CLAIM, sample_claim()).await).await;
    assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("transient")));
    assert_eq!(world.get("/health/live").await.status(), StatusCode::OK);
    assert!(world.messages().await.is_empty());
}

pub async fn hosts_that_the_manifest_does_not_name_are_out_of_reach(on: On) {
    let world = World::start_with(on, &[], |manifest| manifest.replace(", \"{{ cht_url }}\"]", "]")).await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    let messages = world.messages().await;
    assert_eq!(messages[0].state, "pending", "{messages:?}");
    assert!(messages[0].reason.contains("allowed_outbound_hosts"), "{messages:?}");
    assert!(world.sandbox.cht.requests().is_empty());
    assert!(!world.sandbox.openimis.requests().is_empty(), "it is allowed");
}

/// The mapping of another country: the same interface from another file.
pub async fn a_mapping_is_swapped_by_its_path(on: On) {
    let world = World::start_with(on, &[], |manifest| {
        manifest.replace("target/components/map_feedback.wasm", &swapped::file().display().to_string())
    })
    .await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202, "the others are as before");
    let (status, body) = read(world.post(FEEDBACK, sample_feedback()).await).await;
    assert_eq!((status, &body["issue"][0]["diagnostics"]), (StatusCode::ACCEPTED, &json!(swapped::SAYS)));
}

pub async fn documents_of_long_ago_are_forgotten_and_their_messages_are_not(on: On) {
    let world = World::start(on, &[]).await;
    world.post(CLAIM, sample_claim()).await;
    world.settled().await;
    let mut database = SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("its store");
    drained(&world).await;
    assert!(world.messages().await[0].received.is_some());
    sqlx::query("UPDATE message SET settled_at = 0").execute(&mut database).await.expect("an update");
    drained(&world).await;
    let messages = world.messages().await;
    assert_eq!((messages[0].state.as_str(), &messages[0].received), ("delivered", &None));
    assert_eq!(read(world.post(CLAIM, sample_claim()).await).await.1["duplicate"], true);
    assert_eq!(world.sandbox.cht.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_composed_file_needs_no_components_beside_it() {
    let world = World::start_composed().await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), 202);
    assert_eq!(world.sandbox.cht.records().len(), 1, "{}", world.log());
    assert_eq!(world.post(FEEDBACK, sample_feedback()).await.status(), 202);
    assert_eq!(world.sandbox.openimis.communications().len(), 1, "{}", world.log());
}
