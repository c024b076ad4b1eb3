//! Documents that share an instance: the same answers as in a fresh one, and none fails for another one's sake.

use std::time::Duration;

use component_host::{Limits, MappingHost};
use flow::ports::MapperError;
use mapping::{claim_response, feedback, patient};
use mediator_tests::fixtures::cases;

use crate::written::{feedback_component, with_feedback};
use crate::{built, same};

#[test]
fn every_fixture_maps_to_the_same_bytes_after_all_others_in_one_instance() {
    let mut batch = built().batch();
    for _ in 0..2 {
        for case in cases("claim-response") {
            let contact: Option<claim_response::ContactLink> = case.read("contact.json");
            let date: Option<String> = case.read("claim-date.json");
            let settings = case.read("settings.json");
            let native = claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &settings);
            let answer = batch.claim_response(&case.input, date.as_deref(), contact.as_ref(), &settings);
            same(&case.name, &native, answer);
        }
        for case in cases("feedback") {
            let (settings, insuree) = (case.read("settings.json"), case.read::<Option<String>>("insuree.json"));
            let (insuree, input) = (insuree.as_deref(), &case.input);
            same(&case.name, &feedback::map(input, insuree, &settings), batch.feedback(input, insuree, &settings));
        }
        for case in cases("patient") {
            let (settings, locations): (_, Vec<String>) = (case.read("settings.json"), case.read("locations.json"));
            let input = &case.input;
            same(&case.name, &patient::map(input, &locations, &settings), batch.patient(input, &locations, &settings));
        }
    }
}

/// A mapping that remembers how often it was called, and does what the document's first letter says:
/// `o`nly answers in a fresh instance, `t`raps, and otherwise gives the document back.
fn remembering() -> Vec<u8> {
    feedback_component(
        r"(local $letter i32)
        (local.set $letter (i32.load8_u (local.get 0)))
        (i32.store (i32.const 40) (i32.add (i32.load (i32.const 40)) (i32.const 1)))
        (if (i32.eq (local.get $letter) (i32.const 116)) (then (unreachable)))
        (if (i32.and (i32.eq (local.get $letter) (i32.const 111)) (i32.gt_u (i32.load (i32.const 40)) (i32.const 1)))
            (then (unreachable)))
        (i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1))
        (i32.store (i32.const 12) (local.get 0)) (i32.store (i32.const 16) (local.get 1))
        (i32.const 0)",
    )
}

#[test]
fn a_document_that_fails_where_others_were_before_is_tried_in_a_fresh_instance() {
    let components = with_feedback(&remembering());
    let host = MappingHost::load(components.path(), Limits::default()).expect("components");
    let mut batch = host.batch();
    let settings = feedback::Settings::default();
    for document in ["answer", "only alone", "answer", "answer", "only alone"] {
        let mapped = batch.feedback(document, None, &settings).expect("an answer").expect("mapped");
        assert_eq!(mapped.body, document);
    }
    let failed = batch.feedback("trap", None, &settings);
    assert!(matches!(failed, Err(MapperError::Trap(..))), "{failed:?}");
    let mapped = batch.feedback("answer", None, &settings).expect("an answer").expect("mapped");
    assert_eq!(mapped.body, "answer");
}

#[test]
fn a_batch_gives_its_instances_back() {
    let limits = Limits { instances: 2, time: Duration::from_secs(60), ..Limits::default() };
    let host = MappingHost::load(&mediator_tests::running::components_dir(), limits).expect("components");
    let case = cases("feedback").into_iter().next().expect("a case");
    let settings = feedback::Settings::default();
    for _ in 0..5 {
        let (mut one, mut other) = (host.batch(), host.batch());
        for _ in 0..600 {
            one.feedback(&case.input, None, &settings).expect("an answer").ok();
            other.feedback(&case.input, None, &settings).expect("an answer").ok();
        }
        let third = host.map_feedback(&case.input, None, &settings);
        assert!(matches!(third, Err(MapperError::Busy(_))), "both are taken: {third:?}");
    }
    host.map_feedback(&case.input, None, &settings).expect("both are there again").ok();
}
