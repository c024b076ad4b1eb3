//! `cht check`: what it says of a CHT that is set up as it should be, and of one that is not.

use flow::peers::cht_check::{Expected, Finding, Findings, Level};
use mediator_tests::running::{config, environment, program, sandbox, workspace};
use openimis_mediator::HostFlow;
use openimis_mediator::clock::SystemClock;
use openimis_mediator::http::ReqwestHttp;
use openimis_mediator::load_mappings;
use sandbox::{ChtVersion, Fault, Sandbox};
use serde_json::{Value, json};
use store::SqlStore;
use tempfile::TempDir;
use tokio::process::Command;

mod account;
mod settings;

async fn world() -> (Sandbox, TempDir) {
    (sandbox().await, tempfile::tempdir().expect("a folder"))
}

fn expected() -> Expected {
    Expected { feedback_users: vec!["interop-client".to_owned()], ..Expected::default() }
}

/// Checks the stand-in as it is now.
async fn check(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Findings {
    let changes = [&[("cht.match_by", r#"["openimis-id", "phone"]"#)], changes].concat();
    let config = config(sandbox, dir, &changes);
    let http = ReqwestHttp::new(None, 4).expect("a client");
    let store = SqlStore::open(&config.store).await.expect("a store");
    let mapper = load_mappings(&config).expect("mappings");
    let flow = HostFlow::new(http, store, SystemClock::default(), mapper, config.settings());
    flow.check_cht(&expected()).await
}

/// What is not as it should be: level and check.
fn wrong(findings: &Findings) -> Vec<(Level, &str)> {
    let wrong = findings.0.iter().filter(|finding| finding.level != Level::Ok);
    wrong.map(|finding| (finding.level, finding.check.as_str())).collect()
}

fn of<'f>(findings: &'f Findings, check: &str) -> &'f Finding {
    let found = findings.0.iter().find(|finding| finding.check == check);
    found.unwrap_or_else(|| panic!("nothing on {check}: {findings:#?}"))
}

/// The stand-in's settings with one value replaced, or removed by null.
fn changed(sandbox: &Sandbox, pointer: &str, value: Value) -> Value {
    let mut settings = sandbox.cht.settings();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let name = name.replace("~1", "/");
    let parent =
        settings.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")).as_object_mut().expect("an object");
    match value {
        Value::Null => drop(parent.remove(&name)),
        value => drop(parent.insert(name, value)),
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_as_it_should_be_has_no_finding_on_any_version() {
    for version in [ChtVersion::V4_10, ChtVersion::V4_18, ChtVersion::V5_2] {
        let (sandbox, dir) = world().await;
        sandbox.cht.set_version(version);
        let findings = check(&sandbox, &dir, &[]).await;
        // Those before 5.2 have an older calendar of Nepal.
        let old = [(Level::Warning, "calendar")];
        let expected = if version == ChtVersion::V5_2 { &[][..] } else { &old };
        assert_eq!(wrong(&findings), expected, "{version:?}: {findings:#?}");
        assert!(findings.0.len() > 20, "{findings:#?}");
        assert!(sandbox.cht.people().is_empty() && sandbox.cht.records().is_empty(), "it wrote something");
    }
    let (sandbox, dir) = world().await;
    sandbox.cht.set_version(ChtVersion::V4_18);
    let findings = check(&sandbox, &dir, &[("mapping.claim_response.calendar", "gregorian")]).await;
    assert!(findings.0.iter().all(|finding| finding.check != "calendar"), "{findings:#?}");
    let (sandbox, dir) = world().await;
    sandbox.cht.set_version(ChtVersion::WithoutPeople);
    let findings = check(&sandbox, &dir, &[]).await;
    assert_eq!(wrong(&findings), [(Level::Warning, "version"), (Level::Warning, "permission.create-people")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_we_ship_has_no_finding() {
    let text = |path: &str| -> String {
        std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let read =
        |path: &str| -> Value { serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}")) };
    // Put together as cht-conf does; what it compiles of the task rules is tried in cht/.
    let form = text("cht/forms/app/claims_feedback.xml");
    let mut nepal = read("cht/app_settings/base_settings.json");
    nepal["forms"] = read("cht/app_settings/forms.json");
    let rules = [text("cht/openimis/claims.js"), text("cht/openimis/tasks.js")].concat();
    nepal["tasks"] = json!({"rules": rules, "isDeclarative": true});
    let mut gregorian = nepal.clone();
    gregorian["forms"] = read("cht/gregorian/forms.json");
    for (settings, calendar) in [(nepal, "bikram-sambat"), (gregorian, "gregorian")] {
        let (sandbox, dir) = world().await;
        sandbox.cht.set_settings(settings);
        sandbox.cht.set_forms(vec![("claims_feedback".to_owned(), form.clone())]);
        let findings = check(&sandbox, &dir, &[("mapping.claim_response.calendar", calendar)]).await;
        let errors: Vec<_> = findings.0.iter().filter(|finding| finding.level != Level::Ok).collect();
        assert!(errors.is_empty(), "{calendar}: {errors:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_people_and_scripts_and_ends_by_what_it_found() {
    let (sandbox, dir) = world().await;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(["cht", "check"]).args(arguments).env_clear().envs(environment(&sandbox, &dir, &[]));
        let done = command.current_dir(&dir).output().await.expect("the program runs");
        (done.status.code(), String::from_utf8(done.stdout).expect("UTF-8"))
    };
    let (code, said) = run(&[]).await;
    assert!(code == Some(0) && said.contains("0 error(s), 0 warning(s)"), "{said}");
    sandbox.cht.set_settings(changed(&sandbox, "/transitions/mark_for_outbound", Value::Null));
    let (code, said) = run(&["--quiet"]).await;
    assert!(code == Some(1) && said.contains("mark_for_outbound") && !said.contains("the form is public"), "{said}");
    let (code, json) = run(&["--json"]).await;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json["errors"], &json["warnings"]), (Some(1), &json!(1), &json!(0)));
    let finding = json["findings"].as_array().expect("findings").iter().find(|finding| finding["level"] == "error");
    let finding = finding.expect("an error");
    assert!(finding["check"] == "transition.mark_for_outbound" && finding["todo"].is_string(), "{finding}");
    sandbox.cht.set_settings(changed(&sandbox, "/transitions/mark_for_outbound", json!(true)));
    sandbox.cht.set_settings(changed(&sandbox, "/forms/OP/fields/patient_id/length", json!([5, 13])));
    assert_eq!(run(&[]).await.0, Some(0), "a warning is no error");
    assert_eq!(run(&["--strict"]).await.0, Some(1));
}
