//! `mapping new` and `mapping test`: what is written builds and passes, and what does not keep the contract is told, all of it at once.

#[allow(dead_code)]
#[path = "../components/written.rs"]
mod written;

mod javascript;
mod rules;
mod starter;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mediator_tests::running::{components_dir, program, workspace};

/// Where what these tests build stays from run to run: beside everything else that is built.
fn target(name: &str) -> PathBuf {
    components_dir().parent().expect("the target folder").join(name)
}

/// Seconds of compiling are kept from run to run where a component is large.
const CACHE: &str = "OPENIMIS_MEDIATOR__COMPONENTS__CACHE_DIR";

fn cache() -> PathBuf {
    let dir = target("compiled-components");
    std::fs::create_dir_all(&dir).expect("a folder"); // `mapping test` makes none
    dir
}

struct Ran {
    code: Option<i32>,
    told: String,
}

fn run(dir: &Path, args: &[&str]) -> Ran {
    run_with(dir, args, &cache())
}

fn run_with(dir: &Path, args: &[&str], cache: &Path) -> Ran {
    let Output { status, stdout, stderr } =
        Command::new(program()).args(args).current_dir(dir).env(CACHE, cache).output().expect("the program starts");
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Ran { code: status.code(), told }
}

fn built(name: &str) -> String {
    components_dir().join(name).display().to_string()
}

#[test]
fn the_built_in_mappings_keep_the_contract_and_give_their_own_answers() {
    for (file, mapping) in [
        ("map_claim_response.wasm", "claim-response"),
        ("map_feedback.wasm", "feedback"),
        ("map_patient.wasm", "patient"),
    ] {
        let cases = mediator_tests::fixtures::cases(mapping).len();
        let fixtures = mediator_tests::fixtures::root().display().to_string();
        let ran = run(workspace(), &["mapping", "test", &built(file), "--exact", "--fixtures", &fixtures]);
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        let told = format!("{cases} of its own, {cases} compared with the built-in mapping: 0 not kept");
        assert!(ran.told.contains(&told), "{} has not {told}", ran.told);
    }
}

#[test]
fn the_built_in_mappings_that_ask_for_look_ups_keep_the_contract_and_give_their_own_answers() {
    let root = mediator_tests::fixtures::root();
    for (file, folders) in [
        ("map_claim.wasm", &["claim", "claim-answer"][..]),
        ("map_eligibility.wasm", &["eligibility"]),
        ("map_facility.wasm", &["facility"]),
    ] {
        let cases: usize = folders.iter().map(|folder| mediator_tests::fixtures::cases(folder).len()).sum();
        let ran =
            run(workspace(), &["mapping", "test", &built(file), "--exact", "--fixtures", &root.display().to_string()]);
        assert_eq!(ran.code, Some(0), "{}", ran.told);
        assert!(ran.told.contains(&format!("{cases} of its own, ")), "{} has not {cases}", ran.told);
        assert!(ran.told.contains("compared with the built-in mapping: 0 not kept"), "{}", ran.told);
    }
}

#[test]
fn what_is_not_kept_is_told_all_at_once_with_a_difference() {
    let dir = tempfile::tempdir().expect("a folder");
    // Gives back what it gets, as document and as key.
    let echo = "(i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1))
        (i32.store (i32.const 12) (local.get 0)) (i32.store (i32.const 16) (local.get 1)) (i32.const 0)";
    std::fs::write(dir.path().join("echo.wasm"), written::feedback_component(echo)).expect("a file");
    let fixtures = mediator_tests::fixtures::root().display().to_string();
    let ran = run(dir.path(), &["mapping", "test", "echo.wasm", "--fixtures", &fixtures, "--output", "out.wasm"]);
    assert_eq!(ran.code, Some(1), "{}", ran.told);
    for told in [
        "feedback/(nothing): expected issues: this cannot be mapped",
        "feedback/documented: idempotency-key: expected feedback/report-1, found",
        "feedback/documented: not what is expected (- expected, + found)",
        "feedback/answers-missing: expected issues, found a document",
        "-     \"resourceType\": \"Communication\",",
    ] {
        assert!(ran.told.contains(told), "{told:?} is not told:\n{}", ran.told);
    }
    assert!(!dir.path().join("out.wasm").exists(), "a component that fails is not written");
}

#[test]
fn a_file_that_cannot_be_tried_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("text.wasm"), "Not found").expect("a file");
    std::fs::write(dir.path().join("module.wasm"), b"\0asm\x01\0\0\0").expect("a file");
    for (args, told) in [
        (&["text.wasm"][..], "text.wasm is not a mapping component"),
        (&["module.wasm"], "module.wasm is not a mapping component"),
        (&["gone.wasm"], "gone.wasm: No such file"),
        (&[&built("map_feedback.wasm"), "--fixtures", "nowhere"], "nowhere is not a folder"),
    ] {
        let ran = run(dir.path(), &[&["mapping", "test"], args].concat());
        assert_eq!(ran.code, Some(1), "{}", ran.told);
        assert!(ran.told.contains(told), "{}", ran.told);
    }
}

/// `serve` makes it, for the user that it runs as.
#[test]
fn a_command_that_only_looks_makes_no_folder_for_compiled_components_and_needs_none() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("file"), "not a folder").expect("a file");
    for cache in ["gone/compiled", "file"] {
        let cache = dir.path().join(cache);
        for args in [&["mapping", "test", &built("map_feedback.wasm")][..], &["config", "check"]] {
            let ran = run_with(dir.path(), args, &cache);
            assert!(!ran.told.contains("compiled components"), "{}", ran.told);
            assert!(ran.told.contains(": 0 not kept") || ran.told.contains("in the configuration"), "{}", ran.told);
        }
        assert!(!dir.path().join("gone").exists());
    }
}
