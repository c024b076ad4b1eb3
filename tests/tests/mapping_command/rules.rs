//! Components that each break rules of the contract, and what is told of them. That two answers to one input are the same has none: an
//! instance of its own for each call leaves a component nothing to tell them apart by.

use super::{Ran, run, written};

/// Tries a component, written as text.
fn tried(component: &[u8]) -> Ran {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("broken.wasm"), component).expect("a file");
    let ran = run(dir.path(), &["mapping", "test", "broken.wasm"]);
    assert_eq!(ran.code, Some(1), "{}", ran.told);
    ran
}

/// A result with one issue, which lies at 64 and is fatal, of no element and without words until more is written there.
const ONE_ISSUE: &str = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const 1))";

/// A result with a body.
fn body(place: u32, length: u32, more: &str) -> String {
    format!(
        "(i32.store (i32.const 4) (i32.const {place})) (i32.store (i32.const 8) (i32.const {length})) {more} (i32.const 0)"
    )
}

#[test]
fn what_breaks_a_rule_is_told_by_the_rule() {
    // `[]` and `{}` at 200.
    let list = body(200, 2, "(i32.store (i32.const 200) (i32.const 0x5d5b))");
    // A key of 300 zero bytes; one warning, at 64, of severity error.
    let object = body(
        200,
        2,
        "(i32.store (i32.const 200) (i32.const 0x7d7b)) (i32.store (i32.const 12) (i32.const 1024)) (i32.store (i32.const 16) (i32.const 300))
         (i32.store (i32.const 20) (i32.const 64)) (i32.store (i32.const 24) (i32.const 1)) (i32.store8 (i32.const 64) (i32.const 1))",
    );
    let severity =
        |severity: u8| format!("{ONE_ISSUE} (i32.store8 (i32.const 64) (i32.const {severity})) (i32.const 0)");
    // 50,000 issues behind the document, all without words.
    let many = format!(
        "{ONE_ISSUE} (i32.store (i32.const 4) (i32.const 200000)) (i32.store (i32.const 8) (i32.const 50000)) (i32.const 0)"
    );
    for (code, told) in [
        (written::NO_ISSUES.to_owned(), &["refused without an issue that says why"][..]),
        (severity(2), &["refused without an issue of severity error or fatal"]),
        (severity(1), &["an issue has no diagnostics", "an issue has no expression: expected the FHIRPath"]),
        (many, &["more than 1000 issues of one document"]),
        (list, &["expected issues: this cannot be mapped", "body is not a JSON object"]),
        (
            object,
            &[
                "idempotency-key is longer than 200 characters",
                "idempotency-key: expected feedback/report-1, found",
                "warnings: severity is error, expected warning or information",
            ],
        ),
        (body(100_000, 1_100_000, ""), &["body is longer than 1048576 bytes"]),
        ("(unreachable)".to_owned(), &["unreachable"]),
    ] {
        let ran = tried(&written::feedback_component(&code));
        for told in told {
            assert!(ran.told.contains(told), "{told:?} is not told of {code}:\n{}", ran.told);
        }
    }
}

#[test]
fn an_issue_that_repeats_what_a_document_says_is_found() {
    // One error, whose diagnostics and expression are the document itself.
    let telling = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const 1))
        (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 65) (i32.const 0))
        (i32.store (i32.const 68) (local.get 0)) (i32.store (i32.const 72) (local.get 1))
        (i32.store (i32.const 76) (local.get 0)) (i32.store (i32.const 80) (local.get 1)) (i32.const 0)";
    let ran = tried(&written::feedback_component(telling));
    assert!(ran.told.contains("diagnostics of an issue repeat what the document says"), "{}", ran.told);
    assert!(ran.told.contains("expression of an issue repeat what the document says"), "{}", ran.told);
    assert!(ran.told.contains("diagnostics are longer than 500 characters"), "{}", ran.told);
}

/// Its `_id` is a letter that hangs on the document's length.
#[test]
fn an_insuree_that_becomes_two_persons_and_two_that_become_one_are_found() {
    let module = format!(
        r#"(module
            (memory (export "memory") 40)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 2048) "{{\"_id\":\"x\"}}") (data (i32.const 2100) "person/x")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
            (func (export "{PATIENT}") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                (local $letter i32)
                (local.set $letter (i32.add (i32.const 97) (i32.rem_u (local.get 1) (i32.const 3))))
                (i32.store8 (i32.const 2056) (local.get $letter)) (i32.store8 (i32.const 2107) (local.get $letter))
                (i32.store (i32.const 4) (i32.const 2048)) (i32.store (i32.const 8) (i32.const 11))
                (i32.store (i32.const 12) (i32.const 2100)) (i32.store (i32.const 16) (i32.const 8)) (i32.const 0)))"#,
        PATIENT = written::PATIENT
    );
    let ran = tried(&written::component("map-patient-component", &module));
    assert!(ran.told.contains("which has the same Patient.id"), "{}", ran.told);
    assert!(ran.told.contains("which has another Patient.id"), "{}", ran.told);
    assert!(!ran.told.contains("idempotency-key: expected"), "its keys are those of its documents: {}", ran.told);
}

/// A document of brackets, put on lines of its own, would be gigabytes.
#[test]
fn what_is_no_json_or_too_deep_is_not_put_on_lines() {
    let dir = tempfile::tempdir().expect("a folder");
    let case = dir.path().join("fixtures/feedback/deep");
    std::fs::create_dir_all(&case).expect("a folder");
    std::fs::write(case.join("input.json"), "[".repeat(50_000) + &"]".repeat(50_000)).expect("a file");
    std::fs::write(case.join("expected.json"), "{}").expect("a file");
    let echo = body(0, 0, "(i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1))");
    std::fs::write(dir.path().join("echo.wasm"), written::feedback_component(&echo)).expect("a file");
    let ran = run(dir.path(), &["mapping", "test", "echo.wasm"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.told.contains("(too long, or no JSON) [[["), "{}", &ran.told[..ran.told.len().min(2000)]);
    assert!(ran.told.len() < 200_000, "{} bytes are told", ran.told.len());
}
