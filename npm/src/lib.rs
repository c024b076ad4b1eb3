//! The mappings for JavaScript. Text in, text out: npm/package/face.mjs turns both into values and errors.
//!
//! Each function answers with JSON: `{"mapped": …}`, `{"issues": […]}` for an input that cannot be mapped, or
//! `{"settings": […]}` for settings that cannot be used.
#![forbid(unsafe_code)]

mod settings;

use std::cell::RefCell;

use mapping::claim_response::ContactLink;
use mapping::{Issue, MapResult, claim_response, feedback, issue, patient};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use settings::{Checked, Problem};

/// What every function answers.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer<'a> {
    Mapped {
        body: &'a str,
        #[serde(rename = "idempotencyKey")]
        idempotency_key: &'a str,
        warnings: &'a [Issue],
    },
    Issues(&'a [Issue]),
    Settings(&'a [Problem]),
}

impl Answer<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // strings and fixed keys: cannot fail
    }
}

fn answer(result: &MapResult) -> String {
    match result {
        Ok(mapped) => {
            Answer::Mapped { body: &mapped.body, idempotency_key: &mapped.idempotency_key, warnings: &mapped.warnings }
        }
        Err(issues) => Answer::Issues(issues),
    }
    .text()
}

/// Text of the input, or where it stops being text: in the host's words.
fn text(input: &[u8]) -> Result<&str, Vec<Issue>> {
    std::str::from_utf8(input)
        .map_err(|error| vec![Issue::fatal("", format!("not UTF-8 text (byte {})", error.valid_up_to()))])
}

thread_local! {
    // One mediator maps with one set of settings: it is read and checked once, not for every document.
    static CLAIM_RESPONSE: RefCell<Checked<claim_response::Settings>> = RefCell::default();
    static FEEDBACK: RefCell<Checked<feedback::Settings>> = RefCell::default();
    static PATIENT: RefCell<Checked<patient::Settings>> = RefCell::default();
}

/// `ClaimResponse` to CHT record. `settings` is JSON, empty for the defaults; `contact` is the `_id` or `patient_id`.
#[wasm_bindgen(js_name = mapClaimResponse)]
pub fn map_claim_response(input: &[u8], settings: &str, contact: Option<String>, claim_date: Option<String>) -> String {
    CLAIM_RESPONSE.with_borrow_mut(|checked| match checked.read(settings) {
        Err(problems) => Answer::Settings(&problems).text(),
        Ok(settings) => {
            let contact = contact.map(|contact_id| ContactLink { contact_id });
            answer(
                &text(input)
                    .and_then(|input| claim_response::map(input, claim_date.as_deref(), contact.as_ref(), settings)),
            )
        }
    })
}

/// Feedback to `Communication`. `settings` is JSON, empty for the defaults.
#[wasm_bindgen(js_name = mapFeedback)]
pub fn map_feedback(input: &[u8], settings: &str, insuree_uuid: Option<String>) -> String {
    FEEDBACK.with_borrow_mut(|checked| match checked.read(settings) {
        Err(problems) => Answer::Settings(&problems).text(),
        Ok(settings) => answer(&text(input).and_then(|input| feedback::map(input, insuree_uuid.as_deref(), settings))),
    })
}

/// Insuree to CHT person. `settings` is JSON, empty for the defaults; `location_codes` is a JSON list of texts.
#[wasm_bindgen(js_name = mapPatient)]
pub fn map_patient(input: &[u8], settings: &str, location_codes: &str) -> String {
    let location_codes: Vec<String> = serde_json::from_str(location_codes).unwrap_or_default(); // face.mjs writes it
    PATIENT.with_borrow_mut(|checked| match checked.read(settings) {
        Err(problems) => Answer::Settings(&problems).text(),
        Ok(settings) => answer(&text(input).and_then(|input| patient::map(input, &location_codes, settings))),
    })
}

/// Issues (JSON, as they were given out) as a FHIR R4 `OperationOutcome`; empty if they are no issues.
#[wasm_bindgen(js_name = operationOutcome)]
pub fn operation_outcome(issues: &str) -> String {
    serde_json::from_str::<Vec<Issue>>(issues).map(|issues| issue::operation_outcome(&issues)).unwrap_or_default()
}
