//! `POST /api/v2/records`: form OP of the documentation, stored whatever is in it (`api/src/services/records.js`).

use super::{State, error::Refusal, now, revision};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const FORM: &str = "OP";
/// Calling code of the deployment's default country, Nepal.
const COUNTRY_CODE: &str = "+977";

/// Name, whether CHT checks that it is a string, whether it is required.
const FIELDS: [(&str, bool, bool); 7] = [
    ("patient_id", true, true),
    ("op_claim_id", true, true),
    ("op_claim_uuid", true, true),
    ("op_year", false, true),
    ("op_month", false, true),
    ("op_day", false, true),
    ("op_date", false, false),
];

/// Stores what was sent as a report and returns its id.
pub(super) fn create(state: &mut State, sent: &Value) -> Result<String, Refusal> {
    let Some(meta) = sent.get("_meta").filter(|meta| !meta.is_null()) else {
        return Err(Refusal::explained("Missing _meta property."));
    };
    let form = match &meta["form"] {
        Value::Null => return Err(Refusal::explained("Missing required field: form")),
        Value::String(form) if form.is_empty() => return Err(Refusal::explained("Missing required field: form")),
        Value::String(form) => form,
        _ => return Err(Refusal::server_error()),
    };
    if !form.eq_ignore_ascii_case(FORM) {
        return Err(Refusal::explained(format!("Form not found: {form}")));
    }
    let id = Uuid::new_v4().to_string();
    let mut report = report(&id, meta, fields(sent));
    validate_patient(state, &mut report);
    state.records.push(report);
    Ok(id)
}

/// The form's fields as sent: names in any case, values untouched, unknown ones dropped.
fn fields(sent: &Value) -> Map<String, Value> {
    let known = |name: &str| FIELDS.iter().any(|(field, ..)| *field == name);
    let sent = sent.as_object().into_iter().flatten();
    sent.map(|(name, value)| (name.to_lowercase(), value.clone())).filter(|(name, _)| known(name)).collect()
}

fn report(id: &str, meta: &Value, fields: Map<String, Value>) -> Value {
    let mut message = meta.clone();
    message["form"] = json!(FORM);
    let mut report = json!({
        "_id": id,
        "_rev": revision(),
        "type": "data_record",
        "form": FORM,
        "errors": errors(&fields),
        "tasks": [],
        "fields": fields,
        "reported_date": reported_date(&meta["reported_date"]),
        "sms_message": message,
    });
    if let Some(from) = meta["from"].as_str() {
        report["from"] = json!(international(from));
    }
    report
}

fn errors(fields: &Map<String, Value>) -> Vec<Value> {
    let is_absent = |name: &str| fields.get(name).is_none_or(Value::is_null);
    let missing: Vec<_> =
        FIELDS.iter().filter(|(name, _, required)| *required && is_absent(name)).map(|(name, ..)| *name).collect();
    let mut errors = Vec::new();
    if !missing.is_empty() {
        // The backslash is CHT's.
        let message = format!("Missing or invalid fields\\: {}.", missing.join(","));
        errors.push(json!({"code": "sys.missing_fields", "message": message}));
    }
    for (name, is_string, _) in FIELDS {
        if is_string && !is_absent(name) && !fields[name].is_string() {
            let message = format!("Incorrect type of field {name}, expected string.");
            errors.push(json!({"code": "sys.incorrect_type", "message": message}));
        }
    }
    errors
}

/// As the transition `accept_patient_reports` does: an unknown patient is noted, and the sender told by SMS.
fn validate_patient(state: &State, report: &mut Value) {
    if state.contact_of(report).is_some() {
        return;
    }
    let Some(patient_id) = report["fields"]["patient_id"].as_str() else { return };
    let text = format!("No person with ID number '{patient_id}' found. Verify the ID and resend the message.");
    let error = json!({"message": text, "code": "registration_not_found"});
    let message = json!({"uuid": Uuid::new_v4().to_string(), "to": "from", "message": text});
    let pending = json!({"state": "pending", "timestamp": Timestamp::now().to_string()});
    if let Some(errors) = report["errors"].as_array_mut() {
        errors.push(error);
    }
    report["tasks"] = json!([{"messages": [message], "state_history": [pending], "state": "pending"}]);
}

/// Milliseconds, or a date text, or now.
pub(super) fn reported_date(sent: &Value) -> i64 {
    let of_text = |text: &str| -> Option<i64> {
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        text.parse::<i64>().ok().or_else(|| Some(text.parse().ok().or_else(day)?.as_millisecond()))
    };
    sent.as_i64().or_else(|| of_text(sent.as_str()?)).unwrap_or_else(now)
}

/// A phone number as CHT normalises it: with the country's calling code.
pub(super) fn international(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    if phone.trim_start().starts_with('+') { format!("+{digits}") } else { format!("{COUNTRY_CODE}{digits}") }
}
