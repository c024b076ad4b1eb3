//! What comes late, is very long or goes wrong: it must not take the place of what somebody has typed, nor be told as something else.

use serde_json::{Value, json};

use crate::page::{click, fixture, text, type_into};

/// Holds back what the page asks for, until `held[name](text)` answers it.
const HOLD: &str = "window.held = {}; \
    window.fetch = (name) => new Promise((resolve) => { held[name] = (text) => resolve({ ok: true, text: async () => text }); })";

/// Answers, and ends when the page has done with it: what it does then waits for nothing else.
fn release(name: &str, document: &str) -> String {
    format!("held[{}]({}); new Promise((done) => setTimeout(done))", json!(name), json!(document))
}

#[tokio::test]
async fn a_sample_that_comes_late_does_not_take_the_place_of_a_newer_document() {
    open_page!(browser, mediator, page);
    let claim = fixture("claim-response/documented-sample/input.json");
    let feedback = fixture("feedback/documented/input.json");
    page.evaluate(HOLD).await;
    click(&page, "#samples button", "ClaimResponse").await;
    click(&page, "#samples button", "Feedback").await;
    page.evaluate(&release("samples/feedback.json", &feedback)).await;
    assert_eq!(text(&page, "#taken").await, "taken as Feedback");
    page.evaluate(&release("samples/claim-response.json", &claim)).await;
    assert_eq!(text(&page, "#taken").await, "taken as Feedback");
    assert_eq!(text(&page, "#status").await, "Mapped to a FHIR Communication.");
    // Nor of what is being typed.
    click(&page, "#samples button", "ClaimResponse").await;
    type_into(&page, "#document", "{\"resourceType\": \"Patient\"}").await;
    page.evaluate(&release("samples/claim-response.json", &claim)).await;
    assert_eq!(text(&page, "#taken").await, "taken as Patient");
    // The one that was asked for last is taken.
    click(&page, "#samples button", "ClaimResponse").await;
    page.evaluate(&release("samples/claim-response.json", &claim)).await;
    assert_eq!(text(&page, "#taken").await, "taken as ClaimResponse");
    mediator.stop().await;
}

#[tokio::test]
async fn a_sample_leaves_the_settings_that_somebody_has_made() {
    open_page!(browser, mediator, page);
    type_into(&page, "[data-path='fields.claim_id']", "claim_code").await;
    click(&page, "#samples button", "ClaimResponse").await;
    page.until("document.querySelector('#body').textContent.includes('\"claim_code\": \"CHT979\"')").await;
    // One that needs settings brings them.
    click(&page, "#samples button", "Patient").await;
    page.until("document.querySelector('#status').textContent === 'Mapped to a CHT person.'").await;
    assert_eq!(page.evaluate("JSON.parse(document.querySelector('#settings').value).default_place").await, "national");
    // They are not somebody's own: the next one begins with the defaults.
    click(&page, "#samples button", "Patient with mistakes").await;
    page.until("document.querySelectorAll('#issues tr').length === 6").await;
    assert_eq!(page.evaluate("JSON.parse(document.querySelector('#settings').value).default_place").await, "");
    mediator.stop().await;
}

#[tokio::test]
async fn what_goes_wrong_elsewhere_is_not_told_as_a_mistake_in_the_settings() {
    open_page!(browser, mediator, page);
    page.evaluate("TextEncoder.prototype.encodeInto = () => { throw new RangeError('no memory'); }; null").await;
    type_into(&page, "#document", "{\"resourceType\": \"Patient\"}").await;
    page.until("document.querySelector('#status').textContent.includes('no memory')").await;
    assert_eq!(text(&page, "#status").await, "The mapping failed, and not because of the settings: no memory.");
    assert_eq!(text(&page, "#settings-problem").await, "");
    assert_eq!(page.evaluate("document.querySelector('#settings').getAttribute('aria-invalid')").await, Value::Null);
    mediator.stop().await;
}

#[tokio::test]
async fn a_text_of_megabytes_is_still_recognised_and_marked() {
    open_page!(browser, mediator, page);
    let put = "(() => { const one = document.querySelector('#document'); \
        one.value = JSON.stringify({ note: 'a'.repeat(12 << 20), resourceType: 'Patient', id: 'x' }); \
        one.dispatchEvent(new Event('input', { bubbles: true })); })()";
    page.evaluate(put).await;
    assert_eq!(text(&page, "#taken").await, "taken as Patient");
    let marks = page.evaluate("[...document.querySelectorAll('#marks mark')].map((one) => one.textContent)").await;
    assert!(marks.as_array().expect("marks").contains(&json!("\"id\":\"x\"")), "{marks}");
    mediator.stop().await;
}
