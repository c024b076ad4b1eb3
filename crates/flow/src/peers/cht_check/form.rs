//! The form of the record (`forms` in CHT's settings) against the fields that the mediator sends.

use mapping::claim_response::{Calendar, Settings};
use serde_json::Value;

use super::{Findings, text};

/// Longest `_id` of a contact that the mediator sends: a uuid.
const ID_LENGTH: u64 = 36;

pub(super) fn check(settings: &Value, ours: &Settings, findings: &mut Findings) {
    let code = &ours.form;
    let forms = settings["forms"].as_object();
    let Some((name, form)) = forms.and_then(|forms| {
        let exact = forms.get_key_value(code);
        exact.or_else(|| forms.iter().find(|(name, _)| name.eq_ignore_ascii_case(code)))
    }) else {
        let todo = format!(
            "upload the form {code} (cht/ has it, docs/cht-configuration.md), or correct mapping.claim_response.form"
        );
        findings.error("form", format!("CHT has no form {code}: it refuses every record"), todo);
        return;
    };
    findings.ok("form", format!("CHT has the form {name}"));
    let empty = serde_json::Map::new();
    let fields = form["fields"].as_object().unwrap_or(&empty);
    for (name, setting, kind) in wanted(ours) {
        field(fields, &name, setting, kind, ours.calendar, findings);
    }
    let sent: Vec<String> = wanted(ours).into_iter().map(|(name, ..)| name).collect();
    for (name, field) in fields {
        if field["required"] == Value::Bool(true) && !sent.contains(&name.to_lowercase()) {
            let text = format!(
                "the form requires {name}, which the mediator does not send: CHT notes an error in every report"
            );
            findings.error(format!("form.field.{name}"), text, "make it optional in the form");
        }
    }
    public(settings, form, findings);
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Contact,
    Text,
    /// A year, month or day, as text.
    Date,
    /// Milliseconds, as a number.
    Moment,
}

/// Fields as CHT sees them (in lower case), the settings that name them, and what is in them.
fn wanted(ours: &Settings) -> Vec<(String, &'static str, Kind)> {
    let fields = &ours.fields;
    [
        (&fields.patient_id, "patient_id", Kind::Contact),
        (&fields.claim_id, "claim_id", Kind::Text),
        (&fields.claim_uuid, "claim_uuid", Kind::Text),
        (&fields.year, "year", Kind::Date),
        (&fields.month, "month", Kind::Date),
        (&fields.day, "day", Kind::Date),
        (&fields.date, "date", Kind::Moment),
    ]
    .into_iter()
    .filter(|(name, ..)| !name.is_empty())
    .map(|(name, setting, kind)| (name.to_lowercase(), setting, kind))
    .collect()
}

fn field(
    fields: &serde_json::Map<String, Value>,
    name: &str,
    setting: &str,
    kind: Kind,
    calendar: Calendar,
    findings: &mut Findings,
) {
    let check = format!("form.field.{name}");
    let Some(field) = fields.get(name) else {
        let text = match fields.keys().find(|key| key.to_lowercase() == name) {
            Some(written) => format!("the form's field {written} is not in lower case: CHT looks for {name}"),
            None => format!("the form has no field {name}: CHT drops what is sent in it"),
        };
        let todo = format!("add it to the form, or set mapping.claim_response.fields.{setting} to the field's name");
        findings.error(check, text, todo);
        return;
    };
    let of_type = text(field, "type").unwrap_or("string");
    let is_nepali = of_type.starts_with("bs");
    match (kind, calendar) {
        (Kind::Contact | Kind::Text, _) if of_type != "string" => {
            let text = format!("{name} is of type {of_type}; the mediator sends text");
            findings.warning(check, text, "make it a string");
        }
        (Kind::Moment, _) if of_type == "string" => {
            let text =
                format!("{name} is of type string; the mediator sends a number: CHT notes an error in every report");
            let todo =
                "make it bsAggreDate (date in the Gregorian form), or set mapping.claim_response.fields.date to \"\"";
            findings.error(check, text, todo);
        }
        (Kind::Date | Kind::Moment, Calendar::Gregorian) if is_nepali => {
            let text = format!("{name} is of type {of_type}, but mapping.claim_response.calendar is \"gregorian\"");
            findings.error(check, text, "use the Gregorian form, or set the calendar to \"bikram-sambat\"");
        }
        (Kind::Date | Kind::Moment, Calendar::BikramSambat) if of_type == "date" => {
            let text = format!("{name} is of type date, but mapping.claim_response.calendar is \"bikram-sambat\"");
            findings.warning(check, text, "use CHT's types bsYear, bsMonth, bsDay and bsAggreDate");
        }
        (Kind::Contact, _) if longest(field).is_some_and(|longest| longest < ID_LENGTH) => {
            let longest = longest(field).unwrap_or_default();
            let text = format!(
                "{name} takes {longest} characters; the mediator sends the contact's _id, which has {ID_LENGTH}"
            );
            findings.warning(check, text, format!("give it the length [5, {ID_LENGTH}]"));
        }
        _ => findings.ok(check, format!("{name} is there ({of_type})")),
    }
}

/// `length` is a number or a pair of them.
fn longest(field: &Value) -> Option<u64> {
    let length = &field["length"];
    length.as_u64().or_else(|| length.as_array()?.iter().filter_map(Value::as_u64).max())
}

/// A record that comes over the API has no sender that CHT would know.
fn public(settings: &Value, form: &Value, findings: &mut Findings) {
    if form["public_form"] == Value::Bool(true) {
        findings.ok("form.public", "the form is public");
    } else if is_on(&settings["transitions"]["update_clinics"]) {
        let text = "the form is not public: CHT's transition update_clinics notes an unknown sender as an error in every report";
        findings.error("form.public", text, "set \"public_form\": true at the form");
    } else {
        findings.warning("form.public", "the form is not public", "set \"public_form\": true at the form");
    }
}

/// A transition is on if it is true, or an object that does not say `disable`.
pub(super) fn is_on(transition: &Value) -> bool {
    match transition {
        Value::Bool(on) => *on,
        Value::Object(options) => options.get("disable") != Some(&Value::Bool(true)),
        _ => false,
    }
}
