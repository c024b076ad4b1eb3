//! `deploy/`: what cannot be started here is at least read: every file is valid, and says of the program what is true.

mod backup;
mod container;
mod health;
mod manifests;
mod settings;

use std::path::{Path, PathBuf};

use mediator_tests::running::{skipped, workspace};
use serde_json::Value;

/// A file of `deploy/`.
fn deploy(name: &str) -> PathBuf {
    workspace().join("deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).unwrap_or_else(|error| panic!("deploy/{name}: {error}"))
}

/// The documents of a YAML file.
fn yaml(name: &str) -> Vec<Value> {
    let text = text(name);
    let parts =
        text.split("\n---\n").filter(|part| part.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
    parts.map(|part| serde_saphyr::from_str(part).unwrap_or_else(|error| panic!("deploy/{name}: {error}"))).collect()
}

/// The elements of a list; none if there is no list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// An instruction of the Containerfile and what follows it, lines that go on put together.
fn containerfile() -> Vec<(String, String)> {
    let text = text("Containerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').expect("an instruction and its arguments");
            (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// The instructions of the last stage.
fn last_stage() -> Vec<(String, String)> {
    let all = containerfile();
    let begin = all.iter().rposition(|(name, _)| name == "FROM").expect("a stage");
    all[begin..].to_vec()
}

fn instruction<'a>(stage: &'a [(String, String)], name: &str) -> &'a str {
    let found = stage.iter().find(|(of, _)| of == name);
    &found.unwrap_or_else(|| panic!("the Containerfile has no {name}")).1
}

/// The environment that the image sets.
fn image_environment() -> std::collections::BTreeMap<String, String> {
    let stage = last_stage();
    let pairs = instruction(&stage, "ENV").split(' ').map(|pair| pair.split_once('=').expect("a name and a value"));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The program within the image.
fn image_program() -> String {
    let stage = last_stage();
    let entry: Vec<String> = serde_json::from_str(instruction(&stage, "ENTRYPOINT")).expect("a list of texts");
    assert_eq!(entry.len(), 1, "{entry:?}");
    entry.into_iter().next().expect("a program")
}

#[test]
fn the_manifests_are_valid() {
    let python = workspace().join("target/deploy-tools/bin/python");
    if !python.is_file() {
        return skipped(
            "tests/tests/deploy (schemas of Kubernetes, Compose and the configuration)",
            "its tools are not installed: they need Python 3.11 with venv, and PyPI",
        );
    }
    let done = std::process::Command::new(python).arg(workspace().join("tests/deploy/validate.py")).output();
    let done = done.expect("Python runs");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("looked at"), "{out}{err}");
}

#[test]
fn the_unit_is_valid() {
    let unit = deploy("systemd/openimis-mediator.service");
    let dir = tempfile::tempdir().expect("a folder");
    let copy = dir.path().join("openimis-mediator.service");
    // The check looks whether the program is there.
    let text = std::fs::read_to_string(unit).expect("the unit");
    let text = text.replace("/opt/openimis-mediator/openimis-mediator", "/bin/true");
    std::fs::write(&copy, text).expect("a copy");
    let ran = std::process::Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output();
    let Ok(ran) = ran else {
        return skipped("tests/tests/deploy (the systemd unit)", "systemd-analyze is not here");
    };
    let told = String::from_utf8_lossy(&ran.stderr);
    let told: Vec<&str> = told.lines().filter(|line| line.contains("openimis-mediator.service")).collect();
    assert!(ran.status.success() && told.is_empty(), "{told:#?}");
}

#[test]
fn the_image_runs_as_nobody_in_particular() {
    let stage = last_stage();
    let (user, group) = instruction(&stage, "USER").split_once(':').expect("a user and a group");
    assert!(user.parse::<u32>().is_ok_and(|user| user > 0) && group.parse::<u32>().is_ok_and(|group| group > 0));
}

#[test]
fn the_image_asks_itself_for_its_health_and_keeps_its_messages_on_the_volume() {
    let stage = last_stage();
    let (_, command) = instruction(&stage, "HEALTHCHECK").split_once("CMD ").expect("a command");
    let command: Vec<String> = serde_json::from_str(command).expect("a list of texts");
    assert_eq!(command, [image_program(), "health".to_owned()]);
    let volumes: Vec<String> = serde_json::from_str(instruction(&stage, "VOLUME")).expect("a list of texts");
    let store = image_environment().remove("OPENIMIS_MEDIATOR__STORE__PATH").expect("a place for messages");
    assert!(Path::new(&store).starts_with(&volumes[0]), "{store} is not in {volumes:?}");
    // The folder exists in the image and belongs to the user: a volume takes that over.
    let user = instruction(&stage, "USER");
    let made = format!("--chown={user} /empty {}", volumes[0]);
    assert!(stage.iter().any(|(name, rest)| name == "COPY" && rest.ends_with(&made)), "{made}");
}

#[test]
fn the_image_is_built_of_what_there_is() {
    let usage = std::fs::read_to_string(workspace().join("xtask/src/main.rs")).expect("xtask");
    let stages = containerfile();
    let run = stages.iter().find(|(name, rest)| name == "RUN" && rest.contains("xtask")).expect("a build");
    let command = run.1.split_whitespace().skip_while(|word| *word != "xtask").nth(1).expect("a command of xtask");
    assert!(usage.contains(&format!("Some(\"{command}\")")), "xtask has no {command}");
    // What the build reads is not kept from it.
    let ignored = std::fs::read_to_string(workspace().join(".dockerignore")).expect("a .dockerignore");
    for needed in
        ["crates", "components", "examples", "host", "npm", "tests", "wit", "xtask", "Cargo.lock", "LICENSE", "NOTICE"]
    {
        assert!(workspace().join(needed).exists() && ignored.lines().all(|line| line != needed), "{needed}");
    }
}
