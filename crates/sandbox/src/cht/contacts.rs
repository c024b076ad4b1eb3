//! Persons: creating them (`shared-libs/contacts/src/people.js`) and finding them by phone or own field.

use super::{
    State,
    error::Refusal,
    records::{international, reported_date},
    revision,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// `POST /api/v1/people`. The deployment's contact types are CHT's defaults.
pub(super) fn create(state: &mut State, sent: &Value) -> Result<Value, Refusal> {
    let Some(fields) = sent.as_object().filter(|fields| !fields.is_empty()) else {
        let text = "Request body is empty or Content-Type header was not set to application/json.";
        return Err(Refusal::new(400, text));
    };
    match fields.get("name") {
        None | Some(Value::Null) => return Err(Refusal::new(400, "Person is missing a \"name\" property.")),
        Some(Value::String(_)) => {}
        Some(_) => return Err(Refusal::new(400, "Property \"name\" must be a string.")),
    }
    if !matches!(fields.get("type").and_then(Value::as_str), None | Some("person")) {
        return Err(Refusal::new(400, "Wrong type, this is not a person."));
    }
    let mut person = sent.clone();
    person["type"] = json!("person");
    if let Some(place) = fields.get("place").filter(|place| !place.is_null()) {
        person["parent"] = json!({"_id": parent(state, place)?});
    }
    let id = fields.get("_id").and_then(Value::as_str).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    if state.people.iter().chain(&state.places).any(|contact| contact["_id"] == id.as_str()) {
        return Err(Refusal::new(409, "Document update conflict."));
    }
    if state.refuses_deleted && state.deleted.contains_key(&id) {
        return Err(Refusal::new(409, "Document update conflict."));
    }
    state.deleted.remove(&id);
    let rev = revision();
    person["_id"] = json!(id);
    person["_rev"] = json!(rev);
    person["reported_date"] = json!(reported_date(&sent["reported_date"]));
    if let Some(fields) = person.as_object_mut() {
        fields.remove("place");
    }
    state.people.push(person);
    Ok(json!({"ok": true, "id": id, "rev": rev}))
}

/// `POST /api/v1/person` (`shared-libs/cht-datasource`): stricter, and the `_id` is CHT's.
pub(super) fn create_without_id(state: &mut State, sent: &Value) -> Result<Value, Refusal> {
    if sent.get("_id").is_some() || sent.get("_rev").is_some() {
        return Err(Refusal::new(400, "Cannot create a document with a _id or _rev."));
    }
    let text = |name: &str| sent[name].as_str().filter(|text| !text.is_empty());
    let (Some(_), Some(kind), Some(place)) = (text("name"), text("type"), text("parent")) else {
        return Err(Refusal::new(400, "The [name], [type] and [parent] fields must have valid string values."));
    };
    if kind != "person" {
        return Err(Refusal::new(400, format!("[{kind}] is not a valid person type.")));
    }
    if !state.places.iter().any(|known| known["_id"] == place) {
        return Err(Refusal::new(400, format!("Parent contact [{place}] not found.")));
    }
    let mut person = sent.clone();
    person["_id"] = json!(Uuid::new_v4().to_string());
    person["_rev"] = json!(revision());
    person["parent"] = json!({"_id": place});
    person["reported_date"] = json!(reported_date(&sent["reported_date"]));
    state.people.push(person.clone());
    Ok(person)
}

fn parent(state: &State, place: &Value) -> Result<String, Refusal> {
    let Some(id) = place.as_str() else {
        return Err(Refusal::new(400, "Place must be a new object or string identifier (UUID)."));
    };
    let known = state.places.iter().any(|place| place["_id"] == id);
    known.then(|| id.to_owned()).ok_or_else(|| Refusal::new(404, "Failed to find place."))
}

/// Contacts with exactly this phone number, parents inlined. `None`: not a phone number.
pub(super) fn by_phone(state: &State, phone: Option<&str>) -> Option<Vec<Value>> {
    let phone = international(phone?);
    if !(9..=16).contains(&phone.len()) {
        return None;
    }
    let found = state.people.iter().filter(|person| person["phone"] == phone.as_str());
    Some(found.map(|person| hydrated(state, person)).collect())
}

fn hydrated(state: &State, person: &Value) -> Value {
    let mut person = person.clone();
    if let Some(place) = state.places.iter().find(|place| place["_id"] == person["parent"]["_id"]) {
        person["parent"] = place.clone();
    }
    person
}

/// Ids of the contacts of a type that match: `key:value` exactly (in any case), a word by its beginning.
pub(super) fn by_freetext(state: &State, kind: Option<&str>, freetext: Option<&str>) -> Result<Value, Refusal> {
    let documents = match kind {
        Some("person") => &state.people,
        Some("health_center") => &state.places,
        Some(other) => return Err(Refusal::new(400, format!("Invalid contact type [{other}]."))),
        None if freetext.is_none() => {
            return Err(Refusal::new(400, "Either query param freetext or type is required"));
        }
        None => &state.people,
    };
    let matches = |document: &&Value| freetext.is_none_or(|freetext| matches(document, freetext));
    ids(documents.iter().filter(matches), freetext)
}

/// As [`by_freetext`], for reports.
pub(super) fn reports_by_freetext(state: &State, freetext: Option<&str>) -> Result<Value, Refusal> {
    let matches = |report: &&Value| freetext.is_some_and(|freetext| matches(&report["fields"], freetext));
    ids(state.records.iter().filter(matches), Some(freetext.unwrap_or_default()))
}

fn ids<'a>(documents: impl Iterator<Item = &'a Value>, freetext: Option<&str>) -> Result<Value, Refusal> {
    match freetext {
        Some(freetext) if freetext.chars().count() < 3 => {
            Err(Refusal::new(400, format!("Invalid freetext [{}].", json!(freetext))))
        }
        _ => Ok(json!({"data": documents.map(|document| &document["_id"]).collect::<Vec<_>>(), "cursor": null})),
    }
}

fn matches(document: &Value, freetext: &str) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => text.to_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let wanted = freetext.to_lowercase();
    match wanted.split_once(':') {
        Some(("_id" | "type" | "refid" | "geolocation", _)) => false,
        Some((key, _)) if key.ends_with("_date") => false,
        // The index has names and values in lower case.
        Some((key, wanted)) => document
            .as_object()
            .into_iter()
            .flatten()
            .any(|(name, value)| name.to_lowercase() == key && !wanted.is_empty() && text(value) == wanted),
        None => document
            .as_object()
            .into_iter()
            .flatten()
            .any(|(_, value)| text(value).split_whitespace().any(|word| word.starts_with(&wanted))),
    }
}
