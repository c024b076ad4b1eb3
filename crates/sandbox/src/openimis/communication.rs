//! `POST Communication/`: the checks in openIMIS's order, with its texts
//! (`api_fhir_r4/converters/communicationConverter.py`).

use super::{
    State,
    claim::{Claim, FeedbackStatus},
    fhir::{QUESTIONS, identifier, named_reference, payload},
    refusal::{REQUIRED, Refusal, python},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

const ELEMENTS: [&str; 32] = [
    "resourceType",
    "id",
    "meta",
    "implicitRules",
    "language",
    "text",
    "contained",
    "extension",
    "modifierExtension",
    "identifier",
    "instantiatesCanonical",
    "instantiatesUri",
    "basedOn",
    "partOf",
    "inResponseTo",
    "status",
    "statusReason",
    "category",
    "priority",
    "medium",
    "subject",
    "topic",
    "about",
    "encounter",
    "sent",
    "received",
    "recipient",
    "sender",
    "reasonCode",
    "reasonReference",
    "note",
    "payload",
];

/// Feedback as stored.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Feedback {
    pub validity_from: Timestamp,
    /// The `Communication` as openIMIS shows it.
    pub resource: Value,
}

/// Checks and stores the feedback; answers the `Communication` as openIMIS shows it.
pub(super) fn deliver(state: &mut State, sent: &Value) -> Result<Value, Refusal> {
    check_shape(sent)?;
    let codes = check_payload(sent)?;
    let about = about_uuid(sent)?;
    // Compared as text: openIMIS knows its uuids in lower case only.
    let uuid = about.parse().ok().filter(|uuid: &Uuid| uuid.to_string() == about);
    let claim = state.claims.iter().position(|claim| Some(claim.uuid) == uuid);
    let claim = claim.ok_or_else(|| Refusal::exception("Claim does not exist"))?;
    if sent["subject"].is_null() {
        return Err(Refusal::exception("subject is required"));
    }
    if state.patients.named_by(&sent["subject"]).is_none() {
        return Err(Refusal::no_such_patient(&sent["subject"]));
    }
    let mut answers = answers(sent, &codes)?;
    if state.claims[claim].feedback.is_some() {
        return Err(Refusal::exception("Feedback exists for this claim"));
    }
    answers[4] = assessment(&answers[4])?;
    let chf_id = state.patients.chf_id(state.claims[claim].insuree).to_owned();
    let resource = store(&mut state.claims[claim], &chf_id, &answers);
    state.feedback.push(Feedback { validity_from: Timestamp::now(), resource: resource.clone() });
    Ok(resource)
}

fn store(claim: &mut Claim, chf_id: &str, answers: &[String; 5]) -> Value {
    let uuid = Uuid::new_v4();
    claim.feedback = Some(uuid);
    claim.feedback_status = FeedbackStatus::Delivered;
    let answered = QUESTIONS.iter().zip(answers);
    json!({
        "resourceType": "Communication",
        "identifier": [identifier("UUID", &uuid.to_string())],
        "status": "completed",
        "subject": named_reference("Patient", &claim.insuree.to_string(), chf_id),
        "about": [named_reference("Claim", &claim.uuid.to_string(), &claim.code)],
        "payload": answered.map(|((code, _), answer)| payload(code, answer)).collect::<Vec<_>>(),
    })
}

/// What pydantic checks before openIMIS does.
fn check_shape(sent: &Value) -> Result<(), Refusal> {
    let Some(elements) = sent.as_object() else {
        return Err(Refusal::exception("'list' object is not a mapping"));
    };
    let foreign = |name: &&String| !ELEMENTS.contains(&name.as_str()) && !name.starts_with('_');
    let mut errors: Vec<_> = elements
        .keys()
        .filter(foreign)
        .map(|name| (name.clone(), "extra fields not permitted (type=value_error.extra)"))
        .collect();
    if sent["status"].is_null() {
        errors.push(("__root__ -> status".into(), REQUIRED));
    }
    let content = |payload: &Value| {
        ["contentString", "contentAttachment", "contentReference"].map(|name| payload[name].is_null())
    };
    for (at, _) in payloads(sent).enumerate().filter(|(_, payload)| content(payload) == [true; 3]) {
        let wrong = "Expect any of field value from this list \
                     ['contentAttachment', 'contentReference', 'contentString']. (type=value_error)";
        errors.push((format!("payload -> {at} -> __root__"), wrong));
    }
    if errors.is_empty() { Ok(()) } else { Err(Refusal::invalid("Communication", &errors)) }
}

/// Checks status, about and the five payloads; returns the payloads' codes.
fn check_payload(sent: &Value) -> Result<Vec<String>, Refusal> {
    if sent["status"] != "completed" {
        return Err(Refusal::exception("status value must be = completed"));
    }
    if sent["about"][0].is_null() {
        return Err(Refusal::exception("about is required"));
    }
    match payloads(sent).count() {
        0 => return Err(Refusal::exception("payload is required")),
        5 => {}
        _ => return Err(Refusal::exception("payload must have 5 elements")),
    }
    let codes = payloads(sent).map(code).collect::<Result<Vec<_>, _>>()?;
    if QUESTIONS.iter().any(|(question, _)| !codes.iter().any(|code| code == question)) {
        return Err(Refusal::exception(
            "payload must support all five elemets: 'CareRendered', 'PaymentAsked', 'DrugPrescribed', 'DrugReceived', \
             'Asessment'",
        ));
    }
    Ok(codes)
}

fn payloads(sent: &Value) -> impl Iterator<Item = &Value> {
    sent["payload"].as_array().into_iter().flatten()
}

/// The code in the first extension, whatever the extension's url.
fn code(payload: &Value) -> Result<String, Refusal> {
    let extension = &payload["extension"][0];
    if extension.is_null() {
        return Err(Refusal::exception("'NoneType' object is not subscriptable"));
    }
    let code = extension["valueCodeableConcept"]["coding"][0]["code"].as_str();
    code.map(str::to_owned).ok_or_else(|| Refusal::exception("'NoneType' object has no attribute 'coding'"))
}

/// What follows the last slash; without a slash (no `Claim/` before the uuid) Python's index error.
fn about_uuid(sent: &Value) -> Result<&str, Refusal> {
    let reference = sent["about"][0]["reference"].as_str();
    let reference = reference.ok_or_else(|| Refusal::exception("'NoneType' object has no attribute 'rsplit'"))?;
    let (_, uuid) = reference.rsplit_once('/').ok_or_else(|| Refusal::exception("list index out of range"))?;
    Ok(uuid)
}

/// The answers in the order of [`QUESTIONS`], the first four of them yes or no.
fn answers(sent: &Value, codes: &[String]) -> Result<[String; 5], Refusal> {
    let mut answers = <[String; 5]>::default();
    for (payload, code) in payloads(sent).zip(codes) {
        let content = &payload["contentString"];
        let content = content.as_str().map_or_else(|| python(content), str::to_owned);
        if code != QUESTIONS[4].0 && !matches!(content.as_str(), "yes" | "no") {
            return Err(Refusal::listed(&format!(
                "Value for '{code}' must be either 'yes' or 'no' but is '{content}'"
            )));
        }
        if let Some(at) = QUESTIONS.iter().position(|(question, _)| question == code) {
            answers[at] = content;
        }
    }
    Ok(answers)
}

/// The assessment as the database keeps it.
fn assessment(content: &str) -> Result<String, Refusal> {
    match content.trim().parse::<i64>().map(i16::try_from) {
        Ok(Ok(number)) => Ok(number.to_string()),
        Ok(Err(_)) => Err(Refusal::exception("smallint out of range\n")),
        Err(_) => {
            let reason = format!("invalid literal for int() with base 10: '{content}'");
            Err(Refusal::listed(&format!("Object Feedback is not respecting the mandatory fields: {reason}")))
        }
    }
}
