//! Every fixture through the first door: the mappings as Rust functions.

use mapping::{claim_response, feedback, patient};
use mediator_tests::fixtures::check_all;

#[test]
fn every_claim_response_fixture_maps_as_written() {
    check_all("claim-response", |case| {
        let contact: Option<claim_response::ContactLink> = case.read("contact.json");
        let date: Option<String> = case.read("claim-date.json");
        claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &case.read("settings.json"))
    });
}

#[test]
fn every_feedback_fixture_maps_as_written() {
    check_all("feedback", |case| feedback::map(&case.input, &case.read("settings.json")));
}

#[test]
fn every_patient_fixture_maps_as_written() {
    check_all("patient", |case| {
        let locations: Vec<String> = case.read("locations.json");
        patient::map(&case.input, &locations, &case.read("settings.json"))
    });
}
