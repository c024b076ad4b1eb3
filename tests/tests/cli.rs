//! The program on the command line: what it prints, where to, and how it ends.

use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use mediator_tests::fixtures;
use mediator_tests::running::{
    Mediator, Process, components_dir, config, environment, eventually, messages, notification, post, program,
    sample_claim, sample_feedback, sandbox, settled, states, store_path,
};
use openimis_mediator::sandbox::{Fault, Sandbox};
use openimis_mediator::config::StoreSettings;
use openimis_mediator::store::SqlStore;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";

type Env = BTreeMap<String, String>;

/// How a run ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ended with {:?}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.out, self.err)
    }
}

/// Runs the program in a folder, with nothing in its environment but `env`.
async fn run(args: &[&str], stdin: &str, env: &Env, dir: &TempDir) -> Ran {
    let mut command = Command::new(program());
    command.args(args).env_clear().envs(env).current_dir(dir).kill_on_drop(true);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("its standard input");
    let (_, output) = tokio::join!(
        async move {
            drop(input.write_all(stdin.as_bytes()).await); // it need not read it
        },
        child.wait_with_output()
    );
    let Output { status, stdout, stderr } = output.expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// What `map` needs: the components only.
fn components() -> Env {
    Env::from([("OPENIMIS_MEDIATOR__COMPONENTS__DIR".to_owned(), components_dir().display().to_string())])
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn fixture(path: &str) -> String {
    std::fs::read_to_string(fixtures::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn expected(case: &str) -> Value {
    let shown: Value = serde_json::from_str(&fixture(&format!("{case}/expected.json"))).expect("JSON");
    shown["body"].clone()
}

#[tokio::test]
async fn each_mapping_reads_a_file_or_standard_input_and_prints_json() {
    let dir = folder();
    let mut env = components();
    for (key, value) in
        [("PLACES", r#"[{location_code = "R1D1", place_id = "district-clinic"}]"#), ("DEFAULT_PLACE", "national")]
    {
        env.insert(format!("OPENIMIS_MEDIATOR__MAPPING__PATIENT__{key}"), value.to_owned());
    }
    for (mapping, case, more) in [
        ("claim-response", "claim-response/documented-sample", vec![]),
        ("feedback", "feedback/documented", vec![]),
        ("patient", "patient/recorded", vec!["--location", "R1D1M1V1", "--location", "R1D1"]),
    ] {
        let path = fixtures::root().join(case).join("input.json");
        let input = std::fs::read_to_string(&path).expect("the fixture");
        let (path, expected) = (path.display().to_string(), expected(case));
        let standard_input = if mapping == "patient" { vec![] } else { vec!["-"] }; // nothing said is the same
        for (source, stdin) in [(vec![path.as_str()], ""), (standard_input, input.as_str())] {
            let args = [vec!["map", mapping], source, more.clone()].concat();
            let ran = run(&args, stdin, &env, &dir).await;
            assert_eq!((ran.code, ran.json()), (Some(0), expected.clone()), "{args:?} {ran}");
            assert_eq!(
                ran.err.contains("warning conflict"),
                mapping == "claim-response",
                "warnings go to stderr: {ran}"
            );
        }
    }
}

#[tokio::test]
async fn a_claim_is_mapped_with_the_contact_and_the_date_that_are_given() {
    let args = ["map", "claim-response", "--contact", "12345", "--claim-date", "2025-08-24"];
    let ran = run(&args, &sample_claim(), &components(), &folder()).await;
    let record = ran.json();
    assert_eq!((ran.code, &record["patient_id"], &record["op_day"]), (Some(0), &json!("12345"), &json!("8")), "{ran}");
}

#[tokio::test]
async fn what_cannot_be_mapped_is_printed_as_an_operation_outcome_with_exit_code_1() {
    let broken = json!({"resourceType": "ClaimResponse", "created": "yesterday"}).to_string();
    for (input, least) in [(broken.as_str(), 4), ("{", 1), ("", 1), (r#"{"resourceType": "Patient"}"#, 1)] {
        let ran = run(&["map", "claim-response"], input, &components(), &folder()).await;
        let outcome = ran.json();
        assert_eq!((ran.code, &outcome["resourceType"]), (Some(1), &json!("OperationOutcome")), "{ran}");
        let issues = outcome["issue"].as_array().expect("issues");
        assert!(issues.len() >= least, "all issues: {ran}");
        assert!(
            issues.iter().all(|issue| ["severity", "code", "diagnostics"].iter().all(|key| issue[key].is_string())),
            "{ran}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_on_stderr_with_exit_code_1() {
    let dir = folder();
    std::fs::write(dir.path().join("latin1.json"), b"{\"name\": \"\xe9\"}").expect("a file");
    for (args, told) in [
        (["map", "feedback", "no-such-file.json"], "no-such-file.json"),
        (["map", "feedback", "latin1.json"], "UTF-8"),
        (["map", "feedback", "."], "irectory"),
    ] {
        let ran = run(&args, "", &components(), &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains(told), "{args:?} {ran}");
    }
    let ran = run(&["map", "claims"], "", &components(), &dir).await;
    assert!(ran.code == Some(2) && ran.err.contains("claim-response"), "the mappings that there are: {ran}");
}

#[tokio::test]
async fn ndjson_gives_a_line_for_a_line_and_a_summary() {
    let dir = folder();
    let good = |rating: &str| {
        let feedback: Value =
            serde_json::from_str(&sample_feedback().replace("\"4\"", &format!("\"{rating}\""))).expect("JSON");
        feedback.to_string()
    };
    let text = format!("{}\n\n{}\nnot json\n{}\r\n{}", good("1"), good("9"), good("2"), good("3"));
    let file = dir.path().join("feedback.ndjson");
    std::fs::write(&file, &text).expect("a file");
    let from_file = run(&["map", "feedback", "feedback.ndjson"], "", &components(), &dir).await;
    let from_stdin = run(&["map", "feedback", "--ndjson"], &text, &components(), &dir).await;
    for ran in [from_file, from_stdin] {
        let lines = ran.lines();
        let kinds: Vec<&str> = lines.iter().filter_map(|line| line["resourceType"].as_str()).collect();
        assert_eq!(
            kinds,
            ["Communication", "OperationOutcome", "OperationOutcome", "Communication", "Communication"],
            "{ran}"
        );
        assert_eq!(lines[3]["payload"][4]["contentString"], "2", "in the order of the input");
        assert!(ran.err.contains("3 mapped (0 with warnings), 2 could not be mapped"), "{ran}");
        assert_eq!(ran.code, Some(1));
    }
    let ran = run(&["map", "feedback", "--ndjson"], &format!("{}\n", good("1")), &components(), &dir).await;
    assert!(ran.code == Some(0) && ran.err.contains("1 mapped (0 with warnings), 0 could not be mapped"), "{ran}");
}

#[tokio::test]
async fn a_thousand_documents_are_mapped_in_bulk() {
    let sample: Value = serde_json::from_str(&sample_feedback()).expect("JSON");
    let text = format!("{sample}\n").repeat(1000);
    let begun = Instant::now();
    let ran = run(&["map", "feedback", "--ndjson"], &text, &components(), &folder()).await;
    assert!(ran.code == Some(0) && ran.err.contains("1000 mapped"), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1000);
    println!("1000 documents in {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn config_check_tells_every_problem_or_what_was_understood() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[("tasks.policy", "selected")]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    for told in [sandbox.cht.url(), sandbox.openimis.url(), store_path(&dir).display().to_string(), "Selected".into()] {
        assert!(ran.out.contains(&told), "{told}: {ran}");
    }
    assert!(!ran.out.contains("password") && !store_path(&dir).exists(), "{ran}");

    std::fs::write(dir.path().join("mediator.toml"), "listne = 1\ncht.url = 'ftp://x'\ncht.password = ['tops3cret']")
        .expect("a file");
    let env = Env::from([("OPENIMIS_MEDIATOR__COMPONENTS__DIR".to_owned(), "/no/such/place".to_owned())]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert_eq!(ran.code, Some(1), "{ran}");
    for told in ["listne", "cht.url", "cht.password", "inbound.username", "openimis.url"] {
        assert!(ran.out.contains(&format!("- {told}: ")), "{told}: {ran}");
    }
    assert!(!ran.out.contains("tops3cret") && !ran.err.contains("tops3cret"), "{ran}");

    std::fs::write(dir.path().join("mediator.toml"), "").expect("a file");
    let env = environment(&sandbox, &dir, &[("components.dir", "/no/such/place")]);
    let ran = run(&["config", "check"], "", &env, &dir).await;
    assert!(ran.code == Some(1) && ran.out.contains("components: /no/such/place"), "{ran}");
    let missing = run(&["--config", "no.toml", "config", "check"], "", &env, &dir).await;
    assert!(missing.code == Some(1) && missing.out.contains("no.toml"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_with_a_wrong_configuration_tells_every_problem_and_makes_no_file() {
    let dir = folder();
    let env = Env::from([("CHT_URL".to_owned(), "ftp://x".to_owned())]);
    let ran = run(&["serve"], "", &env, &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty(), "{ran}");
    for told in ["cht.url", "openimis.url", "inbound.password"] {
        assert!(ran.err.contains(&format!("- {told}: ")), "{told}: {ran}");
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}

/// A store with a delivered claim, its delivered feedback, and a dead letter, left by a mediator that has stopped.
async fn some_messages() -> (Sandbox, TempDir, Env) {
    let (sandbox, dir) = (sandbox().await, folder());
    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    mediator.post(CLAIM, sample_claim()).await;
    mediator.post(FEEDBACK, sample_feedback()).await;
    mediator.post(FEEDBACK, sample_feedback().replace("ba81", "ba82").replace("report-1", "report-2")).await;
    assert_eq!(states(&mediator.settled().await), ["delivered", "delivered", "dead"]);
    mediator.stop().await;
    let env = environment(&sandbox, &dir, &[]);
    (sandbox, dir, env)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_and_shown_with_their_trail() {
    let (_sandbox, dir, env) = some_messages().await;
    let list = async |args: &[&str]| run(&[&["messages", "list"], args].concat(), "", &env, &dir).await;
    let table = list(&[]).await;
    assert_eq!(table.code, Some(0), "{table}");
    let rows: Vec<&str> = table.out.lines().filter(|line| line.contains("d3256498-")).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0].contains("dead") && rows[2].contains("CHT979"), "newest first: {table}");
    assert!(
        table.out.contains("in all: ") && table.out.contains("2 delivered") && table.out.contains("1 dead"),
        "{table}"
    );

    for (args, ids) in [
        (&["--json"][..], vec![3, 2, 1]),
        (&["--json", "--state", "dead"], vec![3]),
        (&["--json", "--kind", "feedback"], vec![3, 2]),
        (&["--json", "--claim", "CHT979", "--kind", "claim-response"], vec![1]),
        (&["--json", "--claim", "D3256498-AD16-4482-A2D2-4A6D9C78BA82"], vec![3]),
        (&["--json", "--limit", "1"], vec![3]),
        (&["--json", "--state", "leased"], vec![]),
    ] {
        let ran = list(args).await;
        let found: Vec<i64> = ran.lines().iter().map(|line| line["id"].as_i64().expect("a number")).collect();
        assert_eq!((ran.code, found), (Some(0), ids), "{args:?} {ran}");
    }
    let wrong = list(&["--state", "lost"]).await;
    assert!(wrong.code == Some(2) && wrong.err.contains("pending, leased, delivered, skipped, dead"), "{wrong}");

    let show = async |args: &[&str]| run(&[&["messages", "show"], args].concat(), "", &env, &dir).await;
    let dead = show(&["3"]).await;
    for told in [
        "dead",
        "Claim does not exist",
        "trail",
        "received",
        "POST /api/api_fhir_r4/Communication/ [500]",
        "dead letter",
    ] {
        assert!(dead.out.contains(told), "{told}: {dead}");
    }
    assert!(!dead.out.contains("care_rendered"), "no document unless asked for: {dead}");
    let whole = show(&["1", "--body"]).await;
    assert!(whole.out.contains(&sample_claim()) && whole.out.contains("\"op_claim_id\":\"CHT979\""), "{whole}");
    assert!(whole.out.contains("other messages of this claim"), "{whole}");
    let json = show(&["3", "--json"]).await.json();
    assert_eq!((&json["state"], &json["trail"][0]["event"]), (&json!("dead"), &json!("received")));
    let none = show(&["4711"]).await;
    assert!(none.code == Some(1) && none.err.contains("there is no message 4711"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_taken_by_a_running_mediator_within_seconds() {
    let (sandbox, dir) = (sandbox().await, folder());
    let wrong_form = environment(&sandbox, &dir, &[("mapping.claim_response.form", "XX")]);
    let process = Process::serve(&wrong_form, &dir).await;
    post(&reqwest::Client::new(), &format!("{}{CLAIM}", process.url), sample_claim()).await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["dead"]);
    process.terminate().await;

    let env = environment(&sandbox, &dir, &[]);
    let _process = Process::serve(&env, &dir).await;
    let ran = run(&["messages", "retry", "1"], "", &env, &dir).await;
    assert!(ran.code == Some(0) && ran.out.contains("message 1"), "{ran}");
    eventually("it was delivered", || async { (states(&messages(&store).await) == ["delivered"]).then_some(()) }).await;
    assert_eq!(sandbox.cht.records().len(), 1);
    for (id, told) in [("1", "delivered"), ("4711", "no message 4711")] {
        let ran = run(&["messages", "retry", id], "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.err.contains(told), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_told_and_not_made() {
    let dir = folder();
    for args in [&["messages", "list"][..], &["messages", "show", "1"], &["messages", "retry", "1"]] {
        let ran = run(args, "", &Env::new(), &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty(), "{args:?} {ran}");
        assert!(
            ran.err.contains("mediator.db") && ran.err.contains("store.path"),
            "what is missing and which key names it: {ran}"
        );
    }
    assert_eq!(std::fs::read_dir(&dir).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_is_listed_created_and_deleted() {
    let (sandbox, dir) = (sandbox().await, folder());
    let callback = "http://mediator.example.org/mediator/claim-response";
    let env = environment(&sandbox, &dir, &[("subscription.callback", callback)]);
    let subscription = async |command: &str| run(&["subscription", command], "", &env, &dir).await;
    let empty = subscription("list").await;
    assert!(empty.code == Some(0) && empty.out.contains("0 subscription(s)"), "{empty}");
    let created = subscription("create").await;
    assert!(created.code == Some(0) && created.out.starts_with("created "), "{created}");
    let id = sandbox.openimis.subscriptions()[0]["id"].as_str().expect("an id").to_owned();
    assert!(created.out.contains(&id), "{created}");
    let again = subscription("create").await;
    assert!(again.code == Some(0) && again.out.contains("was in place"), "{again}");
    let listed = subscription("list").await;
    for told in [id.as_str(), callback, "active", "Claim", "1 subscription(s)"] {
        assert!(listed.out.contains(told), "{told}: {listed}");
    }
    assert!(!listed.out.contains("Basic"), "credentials are not shown: {listed}");
    let deleted = subscription("delete").await;
    assert!(deleted.code == Some(0) && deleted.out.starts_with("deleted 1 "), "{deleted}");
    assert!(sandbox.openimis.subscriptions().is_empty());
    let none = subscription("delete").await;
    assert!(none.code == Some(0) && none.out.starts_with("deleted 0 "), "{none}");

    sandbox.openimis.fail_next(usize::MAX, Fault::Reset);
    for command in ["list", "create", "delete"] {
        let down = subscription(command).await;
        assert!(down.code == Some(1) && down.err.contains("openIMIS"), "{command} {down}");
    }
    let env = environment(&sandbox, &dir, &[]);
    for command in ["create", "delete"] {
        let ran = run(&["subscription", command], "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.err.contains("subscription.callback"), "{command} {ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mediator_on_the_same_store_is_refused() {
    let (sandbox, dir) = (sandbox().await, folder());
    let env = environment(&sandbox, &dir, &[]);
    let process = Process::serve(&env, &dir).await;
    let second = run(&["serve"], "", &env, &dir).await;
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.err.contains("in use by another mediator") && second.err.contains("mediator.db"), "{second}");
    let answer = post(&reqwest::Client::new(), &format!("{}{CLAIM}", process.url), sample_claim()).await;
    assert_eq!(answer.status(), 202, "the first one goes on");
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["delivered"]);
    process.kill().await;
    let process = Process::serve(&env, &dir).await; // a killed one leaves no lock behind
    assert!(process.terminate().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_told() {
    let (sandbox, dir) = (sandbox().await, folder());
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let ran = run(&["serve"], "", &environment(&sandbox, &dir, &[("listen", &address)]), &dir).await;
    assert!(ran.code == Some(1) && ran.err.contains(&format!("cannot listen on {address}")), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_in_order_though_clients_and_peers_keep_it_waiting() {
    let (sandbox, dir) = (sandbox().await, folder());
    let changes = [("worker.drain", "1s"), ("poll.enabled", "true"), ("openimis.timeout", "20s")];
    let process = Process::serve(&environment(&sandbox, &dir, &changes), &dir).await;
    let address = process.url.trim_start_matches("http://").to_owned();
    let silent = TcpStream::connect(&address).await.expect("a connection");
    let mut halfway = TcpStream::connect(&address).await.expect("a connection");
    halfway
        .write_all(b"POST /mediator/claim-response HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n")
        .await
        .expect("a beginning");
    let client = reqwest::Client::new();
    let claim = notification(&sandbox, sandbox.openimis.enter_claim("BEFORE")).await;
    assert_eq!(post(&client, &format!("{}{CLAIM}", process.url), claim).await.status(), 202);
    // Its polls and its delivery wait for openIMIS.
    sandbox.openimis.fail_next(usize::MAX, Fault::Hang(Duration::from_secs(60)));
    assert_eq!(post(&client, &format!("{}{FEEDBACK}", process.url), sample_feedback()).await.status(), 202);
    let begun = Instant::now();
    let (status, log) = process.terminate().await;
    assert!(status.success() && log.contains("stopped"), "{status} {log}");
    assert!(begun.elapsed().as_secs() < 10, "it took {:?}", begun.elapsed());
    drop((silent, halfway));
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(messages(&store).await.len(), 2);
}

#[tokio::test]
async fn the_help_names_every_command() {
    let ran = run(&["--help"], "", &Env::new(), &folder()).await;
    for command in ["serve", "map", "subscription", "config", "messages", "--config"] {
        assert!(ran.code == Some(0) && ran.out.contains(command), "{command}: {ran}");
    }
    let version = run(&["--version"], "", &Env::new(), &folder()).await;
    assert!(version.out.starts_with("openimis-mediator 0."), "{version}");
}
