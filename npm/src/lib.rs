//! The mappings for JavaScript, over two areas of this module's memory: `npm/package/core.mjs` writes what goes in and reads what comes
//! out, so that nothing is allocated, copied twice or wrapped in JSON on the way. Settings are read once and then named by a number.
#![forbid(unsafe_code)]

mod exchange;
mod problem;
mod settings;

use std::cell::RefCell;

use mapping::claim_response::ContactLink;
use mapping::{Issue, claim_response, feedback, outcome, patient};
use wasm_bindgen::prelude::wasm_bindgen;

use exchange::{input, put_problems, put_result, put_text};
use settings::Known;

thread_local! {
    static CLAIM_RESPONSE: RefCell<Known<claim_response::Settings>> = RefCell::default();
    static FEEDBACK: RefCell<Known<feedback::Settings>> = RefCell::default();
    static PATIENT: RefCell<Known<patient::Settings>> = RefCell::default();
}

/// Reads and checks the settings of a map (0 claim response, 1 feedback, 2 patient), JSON of `length` bytes; empty for the defaults.
/// Returns their number from now on, or -1: then the problems are told.
#[wasm_bindgen]
pub fn prepare(map: u32, length: i32) -> i32 {
    let prepared = input(&[length], |[text]| match map {
        0 => CLAIM_RESPONSE.with_borrow_mut(|known| known.add(text)),
        1 => FEEDBACK.with_borrow_mut(|known| known.add(text)),
        _ => PATIENT.with_borrow_mut(|known| known.add(text)),
    });
    prepared.unwrap_or_else(|problems| {
        put_problems(&problems);
        -1
    })
}

/// Forgets all settings; their numbers are of no more use.
#[wasm_bindgen]
pub fn forget() {
    CLAIM_RESPONSE.with_borrow_mut(Known::clear);
    FEEDBACK.with_borrow_mut(Known::clear);
    PATIENT.with_borrow_mut(Known::clear);
}

/// `ClaimResponse` to CHT record. In the input area: the document, the contact's `_id` or `patient_id`, the claim's date.
#[wasm_bindgen(js_name = mapClaimResponse)]
pub fn map_claim_response(settings: u32, document: i32, contact: i32, claim_date: i32) {
    let result = input(&[document, contact, claim_date], |[document, contact, claim_date]| {
        let contact = contact.given().map(|contact_id| ContactLink { contact_id: contact_id.to_owned() });
        CLAIM_RESPONSE.with_borrow(|known| {
            claim_response::map(document.text()?, claim_date.given(), contact.as_ref(), known.at(settings))
        })
    });
    put_result(&result);
}

/// Feedback to `Communication`. In the input area: the document, the insuree's uuid.
#[wasm_bindgen(js_name = mapFeedback)]
pub fn map_feedback(settings: u32, document: i32, insuree_uuid: i32) {
    let result = input(&[document, insuree_uuid], |[document, insuree_uuid]| {
        FEEDBACK.with_borrow(|known| feedback::map(document.text()?, insuree_uuid.given(), known.at(settings)))
    });
    put_result(&result);
}

/// Insuree to CHT person. In the input area: the document, the location's codes as a JSON list of texts.
#[wasm_bindgen(js_name = mapPatient)]
pub fn map_patient(settings: u32, document: i32, location_codes: i32) {
    let result = input(&[document, location_codes], |[document, codes]| {
        let codes: Vec<String> = codes.given().and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default(); // face.mjs writes it
        PATIENT.with_borrow(|known| patient::map(document.text()?, &codes, known.at(settings)))
    });
    put_result(&result);
}

/// Issues (JSON, as they were given out) as a FHIR R4 `OperationOutcome`; empty if they are no issues.
#[wasm_bindgen(js_name = operationOutcome)]
pub fn operation_outcome(issues: i32) {
    let text = input(&[issues], |[issues]| {
        let issues = issues.given().and_then(|issues| serde_json::from_str::<Vec<Issue>>(issues).ok());
        issues.map(|issues| outcome::operation_outcome(&issues)).unwrap_or_default()
    });
    put_text(&text);
}
