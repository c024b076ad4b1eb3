//! A component that misbehaves in a running mediator: its message is parked with the reason, others go on, the service stays up.

use std::process::Stdio;
use std::time::{Duration, Instant};

use flow::ports::Clock;
use mediator_tests::running::{
    Mediator, PATIENCE, Process, config, environment, post, program, reason, sandbox, settled, states, story,
};
use sandbox::Sandbox;
use serde_json::{Value, json};
use store::SqlStore;
use tempfile::TempDir;
use tokio::process::Command;

use crate::written::{feedback_component, folder, foreign, with_feedback};

const FEEDBACK: &str = "/mediator/claims-feedback";

/// A feedback mapping that gives back what it gets. `!` in a document makes it misbehave, in a way that the next letter tells.
fn moody(obeys: bool) -> Vec<u8> {
    let on = |letter: char, what: &str| {
        format!("(if (i32.eq (local.get $letter) (i32.const {})) (then {what}))", u32::from(letter))
    };
    let moods = [
        on('l', "(loop $forever (br $forever))"),
        on('m', "(loop $more (drop (memory.grow (i32.const 1))) (br $more))"),
        on('g', "(drop (memory.grow (i32.const 256)))"), // 16 MiB, and then an answer
        on('t', "(unreachable)"),
        on('d', "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        on(
            's',
            "(return (call $map (local.get 0) (local.get 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        on('n', "(return (i32.const -4))"), // a result that lies outside the memory
    ];
    let moods = if obeys { moods.concat() } else { String::new() };
    feedback_component(&format!(
        r"(local $at i32) (local $end i32) (local $letter i32)
        (local.set $at (local.get 0))
        (local.set $end (i32.add (local.get 0) (local.get 1)))
        (loop $next
            (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33)) (then
                (local.set $letter (i32.load8_u offset=1 (local.get $at)))
                {moods}))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1))
        (i32.store (i32.const 12) (local.get 0)) (i32.store (i32.const 16) (local.get 1))
        (i32.const 0)"
    ))
}

/// What such a mapping is given: the Communication that openIMIS is to get, with a mood in a note.
fn communication(sandbox: &Sandbox, mood: &str) -> String {
    let claim = sandbox.openimis.enter_claim("MOODY").to_string();
    let expected = mediator_tests::fixtures::text("feedback/documented/expected.json");
    let mut communication = serde_json::from_str::<Value>(&expected).expect("JSON")["body"].take();
    communication["about"][0]["reference"] = json!(format!("Claim/{claim}"));
    communication["note"] = json!([{"text": mood}]);
    communication.to_string()
}

async fn started(component: &[u8], changes: &[(&str, &str)]) -> (Mediator, Sandbox, TempDir, TempDir) {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let components = with_feedback(component);
    let mediator = Mediator::start(moody_config(&sandbox, &dir, &components, changes)).await;
    (mediator, sandbox, dir, components)
}

fn moody_config(
    sandbox: &Sandbox,
    dir: &TempDir,
    components: &TempDir,
    changes: &[(&str, &str)],
) -> openimis_mediator::config::Config {
    let components = components.path().display().to_string();
    let changes: Vec<_> =
        // What these components do would be refused before.
        [("components.dir", components.as_str()), ("components.check", "false")]
            .into_iter()
            .chain(changes.iter().copied())
            .collect();
    config(sandbox, dir, &changes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_on_which_a_mapping_misbehaves_is_parked_and_the_others_go_on() {
    let limits = [("components.time_limit", "1s"), ("components.memory_limit_bytes", "8388608")];
    let (mediator, sandbox, dir, _components) = started(&moody(true), &limits).await;
    let moods = [
        ("!loop", "ran longer than allowed"),
        ("!memory", "wanted more memory than allowed"),
        ("!grow", "wanted more memory than allowed"),
        ("!trap", "unreachable"),
        ("!divide", "divide by zero"),
        ("!stack", "stack"),
        ("!nonsense", "out of bounds"),
    ];
    for (mood, _) in moods {
        for mood in [mood, "calm"] {
            let begun = Instant::now();
            let answer = mediator.post(FEEDBACK, communication(&sandbox, mood)).await;
            assert_eq!(answer.status(), 202, "a mapping that fails says nothing of the document: {mood}");
            let took = begun.elapsed();
            assert!(mood != "!loop" || took >= Duration::from_secs(1), "{took:?}");
        }
    }
    let messages = mediator.settled().await;
    for (pair, (mood, why)) in messages.chunks(2).zip(moods) {
        assert_eq!(states(pair), ["dead", "delivered"], "{mood}{}", story(pair));
        let told = reason(&pair[0]);
        assert!(told.starts_with("mapping feedback ") && told.contains(why), "{mood}: {told}");
        assert!(told.ends_with("repair or replace the component, then retry"), "{mood}: {told}");
        assert_eq!(pair[0].summary.attempts, 1, "{mood}");
    }
    assert_eq!(sandbox.openimis.communications().len(), moods.len());
    for health in ["live", "ready"] {
        let answer = mediator.client.get(format!("{}/health/{health}", mediator.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{health}");
    }
    mediator.stop().await;

    // With a repaired component every one of them can be delivered.
    let repaired = with_feedback(&moody(false));
    let mediator = Mediator::start(moody_config(&sandbox, &dir, &repaired, &limits)).await;
    for dead in messages.iter().step_by(2) {
        assert!(
            mediator.store().retry(dead.summary.id, "a test", mediator.host.flow.clock.now()).await.expect("the store")
        );
    }
    mediator.host.wake.notify_one();
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), vec!["delivered"; 2 * moods.len()], "{}", story(&messages));
    assert_eq!(sandbox.openimis.communications().len(), 2 * moods.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_memory_a_mapping_may_use_is_a_setting() {
    for (limit, state) in [("8388608", "dead"), ("33554432", "delivered")] {
        let (mediator, sandbox, _dir, _components) =
            started(&moody(true), &[("components.memory_limit_bytes", limit)]).await;
        mediator.post(FEEDBACK, communication(&sandbox, "!grow")).await;
        let messages = mediator.settled().await;
        assert_eq!(states(&messages), [state], "{limit}{}", story(&messages));
    }
}

/// Endless loops on every thread that serves: the health check, and what else comes in, must not wait until they are stopped.
#[tokio::test(flavor = "multi_thread")]
async fn endless_mappings_do_not_hold_up_the_doors() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let components = with_feedback(&moody(true));
    let path = components.path().display().to_string();
    let mut env = environment(
        &sandbox,
        &dir,
        &[("components.dir", &path), ("components.check", "false"), ("components.time_limit", "6s")],
    );
    env.insert("TOKIO_WORKER_THREADS".to_owned(), "2".to_owned());
    let process = Process::serve(&env, &dir).await;
    let client = reqwest::Client::new();
    let endless: Vec<_> = (0..4)
        .map(|_| {
            let (client, url, body) =
                (client.clone(), format!("{}{FEEDBACK}", process.url), communication(&sandbox, "!loop"));
            tokio::spawn(async move { post(&client, &url, body).await.status() })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while endless.iter().any(|task| !task.is_finished()) {
        let begun = Instant::now();
        let live = client.get(format!("{}/health/live", process.url)).send().await.expect("an answer");
        assert_eq!(live.status(), 200);
        slowest = slowest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for task in endless {
        assert_eq!(task.await.expect("an answer"), 202);
    }
    assert!(slowest < Duration::from_secs(5), "a health check took {slowest:?}"); // not until they are stopped
    let store = SqlStore::open(&config(&sandbox, &dir, &[]).store).await.expect("the store");
    let messages = settled(&store).await;
    assert_eq!(states(&messages), ["dead"; 4], "{}", story(&messages));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_refuses_a_folder_with_a_component_that_is_none() {
    let other_type = foreign(
        "package openimis-mediator:mapping@0.1.0; interface feedback { map-feedback: func(feedback: string); }
         world w { export feedback; }",
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
            (func (export "openimis-mediator:mapping/feedback@0.1.0#map-feedback") (param i32 i32)))"#,
    );
    let folders = [
        (with_feedback(&other_type), "map_feedback.wasm is not a mapping component: "),
        (with_feedback(b"Not found"), "map_feedback.wasm is not a mapping component: "),
        (folder(&[("map_feedback.wasm", &moody(true))]), "exports claim-response: run `cargo xtask build`"),
    ];
    for (components, why) in folders {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let env = environment(&sandbox, &dir, &[("components.dir", &components.path().display().to_string())]);
        let mut command = Command::new(program());
        command.arg("serve").env_clear().envs(env).current_dir(&dir).stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = ended.expect("it ends by itself").expect("the program starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{told}");
    }
}
