//! What people do: the commands, the admin API; and what the running mediator does by itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use auth::credential::hash_password;
use mediator_tests::running::{Mediator, config, environment, eventually, program};
use reqwest::{Method, StatusCode};
use sandbox::Fault;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{World, open, run};

async fn command(arguments: &[&str], env: &BTreeMap<String, String>, dir: &Path) -> (bool, String, String) {
    let mut command = Command::new(program());
    let done = command.arg("facilities").args(arguments).env_clear().envs(env).current_dir(dir).output().await;
    let done = done.expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.success(), text(&done.stdout), text(&done.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_bring_over_list_retry_and_decide() {
    let world = World::new().await;
    let url = world.registry.url();
    let env = environment(&world.sandbox, &world.dir, &world.changes(&url, &[]));
    let facilities = async |arguments: &[&str]| command(arguments, &env, world.dir.path()).await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.put_facility("hp-2", "Far Health Post", "nowhere");
    world.registry.put_facility("hp-3", "Rapta Health Centre", "rapta");

    let (_, dry, _) = facilities(&["sync", "--dry-run"]).await;
    assert!(dry.contains("create             HP-1") && dry.contains("1 would be created"), "{dry}");
    assert_eq!(world.sandbox.openimis.health_facilities().len(), 1);

    let (ok, done, _) = facilities(&["sync"]).await;
    assert!(!ok, "one failed");
    let summary = "3 facilities read: 1 created, 0 updated, 0 unchanged, 1 failed, 1 possible duplicates";
    assert!(done.contains(summary), "{done}");

    let (_, failed, _) = facilities(&["list", "--failed"]).await;
    assert!(failed.contains("Far Health Post") && failed.contains("no openIMIS district"), "{failed}");
    assert!(!failed.contains("Rapta Health Centre"), "{failed}");
    let (_, line, _) = facilities(&["list", "--state", "possible-duplicate", "--json"]).await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    let id = line["id"].to_string();
    let (ok, told, error) = facilities(&["decide", &id, "--same", "HF001"]).await;
    assert!(ok && told.contains("1 tried: 0 created, 1 updated"), "{told}{error}");
    let (ok, _, error) = facilities(&["decide", &id, "--another"]).await;
    assert!(!ok && error.contains("nothing to decide"), "{error}");

    let (_, line, _) = facilities(&["list", "--failed", "--json"]).await;
    let failed: Value = serde_json::from_str(&line).expect("JSON");
    let (ok, told, _) = facilities(&["retry", &failed["id"].to_string()]).await;
    assert!(!ok && told.contains("1 tried") && told.contains("1 failed"), "{told}");
    let (_, shown, _) = facilities(&["show", &failed["id"].to_string(), "--body"]).await;
    assert!(shown.contains("tried in vain  2") && shown.contains("Location/hp-2"), "{shown}");
    let (ok, _, error) = facilities(&["retry", "999"]).await;
    assert!(!ok && error.contains("there is no facility 999"), "{error}");
    let (_, runs, _) = facilities(&["runs"]).await;
    assert!(runs.contains("done") && runs.contains("command line"), "{runs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_stopped_it_and_goes_on_when_called_again() {
    let world = World::new().await;
    let url = world.registry.url();
    let env = environment(&world.sandbox, &world.dir, &world.changes(&url, &[]));
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    world.registry.fail_next(1, Fault::Status(503));
    let (ok, _, error) = command(&["sync"], &env, world.dir.path()).await;
    assert!(!ok && error.contains("stopped half-way: the registry answered 503"), "{error}");
    let (ok, done, _) = command(&["sync"], &env, world.dir.path()).await;
    assert!(ok && done.contains("1 created"), "{done}");
    let without = environment(&world.sandbox, &world.dir, &[]);
    let (ok, _, error) = command(&["sync"], &without, world.dir.path()).await;
    assert!(!ok && error.contains("facilities.url is not set"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mediator_takes_up_a_run_that_was_left_and_keeps_its_schedule() {
    let world = World::new().await;
    world.registry.put_facility("hp-1", "North Health Post", "rapta");
    let host = world.host(&[]).await;
    world.registry.fail_next(1, Fault::Status(503));
    run(&host, false, false).await.0.expect_err("the registry fails");
    drop(host);
    let url = world.registry.url();
    let mediator = Mediator::start(config(&world.sandbox, &world.dir, &world.changes(&url, &[]))).await;
    eventually("the run is over", || async {
        let runs = mediator.store().facility_runs(10).await.expect("the store");
        (runs.len() == 1 && runs[0].state == "done").then_some(())
    })
    .await;
    assert!(world.node("HP-1").is_some());
    mediator.stop().await;

    // A time that has passed since the last run: it is made up for. The run of a minute ago is made one of a year ago.
    let store = sqlx::AnyPool::connect(&format!("sqlite://{}", world.dir.path().join("mediator.db").display())).await;
    let old = sqlx::query("UPDATE facility_run SET started_at = started_at - 31536000000");
    old.execute(&store.expect("the store")).await.expect("a statement");
    world.registry.put_facility("hp-2", "South Health Post", "rapta");
    let nightly =
        world.changes(&url, &[("facilities.schedule", "30 2 * * *"), ("facilities.time_zone", "Asia/Kathmandu")]);
    let mediator = Mediator::start(config(&world.sandbox, &world.dir, &nightly)).await;
    eventually("the facility is there", || async { world.node("HP-2") }).await;
    let runs = eventually("the run is over", || async {
        let runs = mediator.store().facility_runs(10).await.expect("the store");
        (runs[0].state == "done").then_some(runs)
    })
    .await;
    assert_eq!((runs.len(), runs[0].actor.as_str()), (2, "schedule"));
    mediator.stop().await;
}

fn clients() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| hash_password(&"a password".into()).expect("a hash"));
    let client = |name: &str, scope: &str| {
        format!(r#"{{name = "{name}", username = "{name}", password_hash = "{hash}", scopes = ["{scope}"]}}"#)
    };
    format!("[{}, {}]", client("sita", "admin"), client("clerk", "feedback"))
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_list_retry_and_decide_by_the_api_and_nobody_else() {
    let world = World::new().await;
    let (url, clients) = (world.registry.url(), clients());
    let changes = world.changes(&url, &[("clients", &clients), ("admin.listen", "127.0.0.1:0")]);
    let mediator = Mediator::start(config(&world.sandbox, &world.dir, &changes)).await;
    let address = eventually("the API is served", || async { mediator.host.doors.admin_address.get() }).await;
    let ask = async |method: Method, path: &str, who: &str, body: Option<Value>| {
        let request = mediator.client.request(method, format!("http://{address}/admin/facilities{path}"));
        let request = request.basic_auth(who, Some("a password"));
        let answer = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = answer.send().await.expect("an answer");
        (answer.status(), answer.json::<Value>().await.expect("JSON"))
    };
    assert_eq!(ask(Method::GET, "", "clerk", None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(Method::POST, "/sync", "clerk", Some(json!({}))).await.0, StatusCode::FORBIDDEN);

    world.registry.put_facility("hp-1", "Far Health Post", "nowhere");
    world.registry.put_facility("hp-2", "Rapta Health Centre", "rapta");
    let (status, told) = ask(Method::POST, "/sync", "sita", Some(json!({"full": true}))).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let listed = eventually("the run is over", || async {
        let listed = ask(Method::GET, "", "sita", None).await.1["facilities"].as_array().cloned().unwrap_or_default();
        (listed.len() == 2).then_some(listed)
    })
    .await;
    let of = |state: &str| listed.iter().find(|line| line["state"] == state).expect("a facility")["id"].clone();
    let (failed, doubtful) = (of("failed"), of("possible-duplicate"));
    let (_, shown) = ask(Method::GET, &format!("/{failed}"), "sita", None).await;
    assert_eq!(shown["outcome"]["resourceType"], "OperationOutcome", "{shown}");
    assert_eq!(shown["outcome"]["issue"][0]["code"], "not-found", "{shown}");
    assert_eq!(shown["document"]["resourceType"], "Bundle", "{shown}");

    let (status, told) = ask(Method::POST, &format!("/{failed}/retry"), "sita", Some(json!({}))).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &json!("due")));
    eventually("it was tried again", || async {
        let (_, shown) = ask(Method::GET, &format!("/{failed}"), "sita", None).await;
        (shown["state"] == "failed" && shown["attempts"] == 2).then_some(())
    })
    .await;
    for unclear in [json!({}), json!({"same": "HF001", "another": true}), json!({"same": "much too long"})] {
        let (status, told) = ask(Method::POST, &format!("/{doubtful}/decide"), "sita", Some(unclear)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    }
    let decided = json!({"another": true});
    assert_eq!(
        ask(Method::POST, &format!("/{doubtful}/decide"), "sita", Some(decided.clone())).await.0,
        StatusCode::OK
    );
    assert_eq!(ask(Method::POST, &format!("/{failed}/decide"), "sita", Some(decided)).await.0, StatusCode::CONFLICT);
    eventually("it is created", || async { world.node("HP-2") }).await;
    let (_, runs) = ask(Method::GET, "/runs", "sita", None).await;
    assert_eq!(runs["runs"][0]["whole"], true, "{runs}");
    // openIMIS has it a moment before the mediator has noted it.
    eventually("it is noted", || async { (open(mediator.store()).await.len() == 1).then_some(()) }).await;
    mediator.stop().await;
}
