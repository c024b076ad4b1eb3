//! What a broken component can do to its host: nothing but fail its own call.

use std::time::{Duration, Instant};

use component_host::{Limits, MappingHost};
use flow::ports::{Mapper, MapperError};
use mapping::{claim_response, feedback};
use mediator_tests::fixtures::text;
use mediator_tests::running::{PATIENCE, components_dir};

use crate::written::{NO_ISSUES, feedback_component, with_feedback};
use crate::{same, wait};

pub const LIMITS: Limits =
    Limits { memory_bytes: 8 << 20, time: Duration::from_secs(1), instances: 8, compile: Duration::from_secs(60) };

/// Loads a broken feedback mapping beside the built ones, calls it twice, and checks that the others work as before.
fn broken(body: &str) -> MapperError {
    let dir = with_feedback(&feedback_component(body));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let first = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("a broken mapping");
    works(&host);
    let second = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("a broken mapping");
    works(&host);
    assert_eq!(first.to_string(), second.to_string());
    first
}

/// Whether the claim mapping of a host still gives what it should.
fn works(host: &MappingHost) {
    let (input, settings) = (sample(), claim_response::Settings::default());
    let native = claim_response::map(&input, None, None, &settings);
    assert!(native.is_ok());
    same("claim-response", &native, wait(host.claim_response(&input, None, None, &settings)));
}

fn sample() -> String {
    text("claim-response/recorded-notification/input.json")
}

#[test]
fn a_mapping_that_never_ends_is_stopped_in_time() {
    let begun = Instant::now();
    let error = broken("(loop $forever (br $forever)) (unreachable)");
    assert!(matches!(&error, MapperError::Deadline(name) if name == "feedback"), "{error:?}");
    assert_eq!(error.to_string(), "mapping feedback ran longer than allowed");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_mapping_gets_the_time_it_is_allowed_and_little_more() {
    let dir = with_feedback(&feedback_component("(loop $forever (br $forever)) (unreachable)"));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let begun = Instant::now();
    let error = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("an endless mapping");
    let ran = begun.elapsed();
    assert!(matches!(error, MapperError::Deadline(_)), "{error:?}");
    assert!(ran >= LIMITS.time && ran < LIMITS.time * 30, "{ran:?}");
}

#[test]
fn a_mapping_that_wants_ever_more_memory_is_stopped() {
    let error = broken("(loop $more (drop (memory.grow (i32.const 1))) (br $more)) (unreachable)");
    assert!(matches!(&error, MapperError::Memory(name) if name == "feedback"), "{error:?}");
    assert_eq!(error.to_string(), "mapping feedback wanted more memory than allowed");
}

#[test]
fn a_document_that_needs_more_memory_than_allowed_is_told_as_that() {
    let limits = Limits { memory_bytes: 4 << 20, ..LIMITS };
    let host = MappingHost::load(&components_dir(), limits).unwrap_or_else(|error| panic!("{error}"));
    let settings = feedback::Settings::default();
    let large = format!("{{\"care_rendered\": \"{}\"}}", "no ".repeat(2 << 20));
    let error = wait(host.feedback(&large, None, &settings)).expect_err("a document that does not fit");
    assert!(matches!(error, MapperError::Memory(_)), "{error:?}");
    same("after", &feedback::map("{}", None, &settings), wait(host.feedback("{}", None, &settings)));
}

#[test]
fn a_mapping_that_traps_fails_its_own_call_only() {
    let traps = [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -8))", "out of bounds"),
        (
            "(call $map (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6))",
            "stack",
        ),
    ];
    for (body, why) in traps {
        let error = broken(body);
        assert!(
            matches!(&error, MapperError::Trap(name, text) if name == "feedback" && text.contains(why)),
            "{error:?}"
        );
    }
}

#[test]
fn a_mapping_that_answers_nonsense_is_unusable() {
    // A result that lies outside the memory; one that is neither ok nor error; a body that is not UTF-8.
    for body in [
        "(i32.const -4)",
        "(i32.store8 (i32.const 0) (i32.const 7)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const 2)) (i32.store (i32.const 64) (i32.const 0xffff)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const -1)) (i32.const 0)",
    ] {
        let error = broken(body);
        let told = error.to_string();
        assert!(matches!(error, MapperError::Unusable(..) | MapperError::Trap(..)), "{error:?}");
        assert!(told.starts_with("mapping feedback ") && told.len() < 300, "{told}");
    }
}

#[test]
fn nothing_of_one_call_reaches_the_next() {
    // Counts its calls in a global, marks its memory at both ends, and stops at any trace of a call before.
    let body = format!(
        "(if (i32.ne (global.get $calls) (i32.const 0)) (then (unreachable)))
         (global.set $calls (i32.const 1))
         (if (i32.ne (i32.load (i32.const 1024)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 1024) (i32.const 1))
         (if (i32.ne (i32.load (i32.const 1310716)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 1310716) (i32.const 1))
         (if (i32.ne (memory.grow (i32.const 40)) (i32.const 20)) (then (unreachable)))
         (if (i32.ne (i32.load (i32.const 3932156)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 3932156) (i32.const 1))
         {NO_ISSUES}"
    );
    let dir = with_feedback(&feedback_component(&body));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    for call in 0..50 {
        let result = wait(host.feedback("{\"name\": \"Sita Sharma\"}", None, &feedback::Settings::default()));
        assert!(matches!(&result, Ok(Err(issues)) if issues.is_empty()), "call {call}: {result:?}");
        works(&host);
    }
}

#[test]
fn calls_at_the_same_time_do_not_disturb_each_other() {
    let dir = with_feedback(&feedback_component("(loop $forever (br $forever)) (unreachable)"));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    std::thread::scope(|scope| {
        let endless = scope.spawn(|| wait(host.feedback("{}", None, &feedback::Settings::default())));
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| works(&host)));
        }
        let endless = endless.join().expect("no panic");
        assert!(matches!(endless, Err(MapperError::Deadline(_))), "{endless:?}");
    });
}
