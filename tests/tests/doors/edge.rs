//! What only the edge has: a budget for each request, the drain, its own configuration, hosts that it may ask.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mediator_tests::running::{PATIENCE, eventually, notification, sample_claim, sample_feedback};
use reqwest::StatusCode;
use sandbox::Fault;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::answers::{claim_with, issues, read};
use crate::server::{CLAIM, DRAIN, FEEDBACK, On, World, command, spin, write_manifest};
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
    let world = World::start(on, &[("budget", "3s"), ("retry.first", "1h"), ("cht.timeout", "50s")]).await;
    world.sandbox.cht.fail_next(1, Fault::Hang(Duration::from_secs(300)));
    let begun = Instant::now();
    let answer = read(world.post(CLAIM, sample_claim()).await).await;
    assert_eq!(answer, (StatusCode::ACCEPTED, json!({"status": "accepted", "id": 1, "duplicate": false})));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(2900) && took < PATIENCE, "{took:?}");
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

    // Discarded as docs/edge.md says.
    let mut database = SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("its store");
    let discard = "UPDATE message SET state = 'discarded', settled_at = unixepoch() * 1000, reason = 'by …: …'
                   WHERE id = 1 AND state = 'dead'";
    sqlx::query(discard).execute(&mut database).await.expect("an update");
    assert_eq!(drained(&world).await, json!({"delivered": 0, "waiting": 1, "dead": 0}));
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
        ("mapping.patient.places", r#"[{"location_code": "R1D1M1V1", "place_id": "sandbox-village"}]"#),
    ];
    let world = World::start(on, &changes).await;
    let (status, body) = read(world.get("/health/ready").await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, json!({"status": "the edge is not configured: see its log"}), "for the operator, not for anybody");
    // Spin prints what it writes into its log, too: what counts is which lines there are.
    let told = eventually("the log has seven problems", || async {
        let log = world.log();
        let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.split_once("configuration: "));
        let told: BTreeSet<String> = lines.map(|(_, problem)| problem.to_owned()).collect();
        (told.len() >= 7).then_some(told)
    })
    .await;
    for beginning in [
        "cht_url:",
        "cht_password:",
        "inbound_username:",
        "budget:",
        "settings: tasks.policy:",
        "settings: retry.trip_after:",
        "settings: mapping.patient.places:",
    ] {
        assert_eq!(told.iter().filter(|told| told.starts_with(beginning)).count(), 1, "{beginning} {told:#?}");
    }
    assert_eq!(told.len(), 7, "{told:#?}");
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

/// The mapping traps while a message is delivered, and takes three requests along; then it is a dead letter, and others go on.
pub async fn a_message_that_ends_its_request_three_times_is_a_dead_letter(on: On) {
    let world = World::start_with(on, &[], |manifest| {
        manifest.replace("target/components/map_patient.wasm", &swapped::trapping().display().to_string())
    })
    .await;
    assert_eq!(world.post(CLAIM, sample_claim()).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    for time in 2..=3 {
        let messages = world.messages().await;
        assert_eq!(messages[0].state, "leased", "it was stored: {messages:?}");
        make_due(&world).await;
        assert_eq!(world.post(DRAIN, "").await.status(), StatusCode::INTERNAL_SERVER_ERROR, "request {time}");
    }
    make_due(&world).await;
    assert_eq!(drained(&world).await, json!({"delivered": 0, "waiting": 0, "dead": 1}));
    let messages = world.messages().await;
    assert_eq!(messages[0].state, "dead", "{messages:?}");
    assert!(messages[0].reason.contains("ended its request 3 times"), "{messages:?}");
    assert_eq!(read(world.post(FEEDBACK, sample_feedback()).await).await.0, StatusCode::ACCEPTED);
    assert_eq!(world.messages().await[1].state, "delivered", "{}", world.log());

    // Put back as docs/edge.md says, it gets its three requests anew.
    let mut database = SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("its store");
    let put_back = "UPDATE message SET state = 'pending', settled_at = NULL, due_at = 0, since = unixepoch() * 1000
                    WHERE id = 1 AND state = 'dead'";
    sqlx::query(put_back).execute(&mut database).await.expect("an update");
    assert_eq!(world.post(DRAIN, "").await.status(), StatusCode::INTERNAL_SERVER_ERROR, "it is tried");
    assert_eq!(world.messages().await[0].state, "leased");
}

pub async fn feedback_does_not_wait_for_a_cht_that_hangs(on: On) {
    let changes = [("budget", "4s"), ("drain_budget", "8s"), ("retry.first", "1h"), ("cht.timeout", "50s")];
    let world = World::start(on, &changes).await;
    world.post(CLAIM, sample_claim()).await;
    world.settled().await;
    world.sandbox.openimis.fail_next(DOWN, Fault::Status(503));
    assert_eq!(world.post(FEEDBACK, sample_feedback()).await.status(), 202);
    world.sandbox.openimis.fail_next(0, Fault::Reset);
    world.sandbox.cht.fail_next(DOWN, Fault::Hang(Duration::from_secs(300)));
    let claim = world.sandbox.openimis.enter_claim("HANG01");
    assert_eq!(world.post(CLAIM, notification(&world.sandbox, claim).await).await.status(), 202);
    assert!(world.sandbox.openimis.communications().is_empty(), "nothing but the claim was due");
    make_due(&world).await;
    assert_eq!(drained(&world).await, json!({"delivered": 1, "waiting": 1, "dead": 0}), "{}", world.log());
    let messages = world.messages().await;
    assert_eq!((messages[1].state.as_str(), messages[2].attempts), ("delivered", 2), "{messages:?}");
    assert_eq!(world.sandbox.openimis.communications().len(), 1);
}

/// Anybody may ask: many who do at once cost one write.
pub async fn whether_it_is_ready_is_written_four_times_a_second_at_most(on: On) {
    let world = World::start(on, &[]).await;
    let begun = Instant::now();
    assert_eq!(world.get("/health/ready").await.status(), StatusCode::OK);
    let mut database = SqliteConnection::connect(world.database().to_str().expect("a path")).await.expect("its store");
    let mut written = BTreeSet::new();
    for _ in 0..40 {
        assert_eq!(world.get("/health/ready").await.status(), StatusCode::OK);
        let probe = sqlx::query_scalar::<_, i64>("SELECT at FROM watermark WHERE name = 'probe'");
        written.insert(probe.fetch_one(&mut database).await.expect("a proof"));
    }
    let most = begun.elapsed().as_millis() / 250 + 1;
    assert!(written.len() as u128 <= most, "{written:?} in {:?}", begun.elapsed());
}

/// Without a state folder the runtime's database is in memory, a new one for each connection.
pub async fn nothing_is_acknowledged_where_nothing_can_be_kept(on: On) {
    let world = World::start_stateless(on).await;
    let (status, body) = read(world.get("/health/ready").await).await;
    assert_eq!((status, body), (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "the store cannot be written"})));
    for (path, body) in [(CLAIM, sample_claim()), (FEEDBACK, sample_feedback()), (DRAIN, String::new())] {
        let (status, outcome) = read(world.post(path, body).await).await;
        assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("transient")));
    }
    eventually("the log says why", || async { world.log().contains("database is in memory").then_some(()) }).await;
    assert!(world.sandbox.cht.requests().is_empty() && world.sandbox.openimis.requests().is_empty());
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

/// Spin composes by itself, and keeps the app's variables from a mapping. The harness would refuse this one: below.
#[tokio::test(flavor = "multi_thread")]
async fn under_spin_a_mapping_does_not_learn_passwords() {
    if spin().is_none() {
        return;
    }
    fn curious(manifest: &str) -> String {
        manifest.replace("target/components/map_feedback.wasm", &swapped::curious().display().to_string())
    }
    let password = [("openimis.password", "the-secret")];
    let asks = async |world: World| {
        let (_, body) = read(world.post(FEEDBACK, sample_feedback()).await).await;
        body["issue"][0]["diagnostics"].as_str().map(str::to_owned)
    };
    let said = asks(World::start_with(On::Spin, &password, curious).await).await;
    assert_eq!(said.as_deref(), Some("openimis_password"), "an error names the variable");
    // What docs/edge.md warns of; and the proof that the other way is no accident.
    let inheriting = World::start_with(On::Spin, &password, |manifest| {
        curious(manifest).replace("[component.edge]\n", "[component.edge]\ndependencies_inherit_configuration = true\n")
    });
    assert_eq!(asks(inheriting.await).await.as_deref(), Some("the-secret"));
}

/// Composed, its imports would come from the edge's host: the passwords among the variables, the network.
#[tokio::test]
async fn a_mapping_that_wants_more_than_types_is_not_composed() {
    let dir = tempfile::tempdir().expect("a folder");
    write_manifest(dir.path(), |manifest| {
        let of_passwords = r#""fermyon:spin/variables@2.0.0" (instance)"#;
        let of_a_function = r#""openimis-mediator:mapping/types@0.1.0" (instance (export "map" (func)))"#;
        let files =
            [("wants-variables", "map_feedback", of_passwords), ("wants-a-function", "map_patient", of_a_function)];
        files.into_iter().fold(manifest.to_owned(), |manifest, (name, mapping, import)| {
            let own = format!("target/components/{mapping}.wasm");
            manifest.replace(&own, &swapped::wanting(name, import).display().to_string())
        })
    });
    let both = std::fs::read_to_string(dir.path().join("spin.toml")).expect("the manifest");
    // One after the other: the first that is refused is the one that is told.
    for (name, import) in
        [("feedback", "fermyon:spin/variables@2.0.0"), ("patient", "openimis-mediator:mapping/types@0.1.0")]
    {
        let only =
            |line: &str| line.starts_with(name) || !(line.starts_with("feedback") || line.starts_with("patient"));
        let one: Vec<&str> = both.lines().filter(|line| only(line)).collect();
        std::fs::write(dir.path().join("spin.toml"), one.join("\n")).expect("a manifest");
        let mut harness = tokio::process::Command::from(command(On::Edge, dir.path()));
        harness.args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(dir.path()).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, harness.output()).await.expect("it does not serve");
        let told = String::from_utf8(ended.expect("it runs").stderr).expect("text");
        assert!(told.contains(&format!("it imports {import}; a mapping gets nothing but")), "{told}");
    }
}
