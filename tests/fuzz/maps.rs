//! The mappings: any text is mapped or refused, always in the same way, and what is mapped can be used.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use mapping::claim_response::{Calendar, ContactLink};
use mapping::ids::{InsureeUuid, contact_id};
use mapping::patient::PlaceLink;
use mapping::{MapResult, Mapped, Severity, bikram_sambat};
use serde_json::Value;

use crate::input::Parts;

/// Parts: document; calendar and offset; claim date; contact; form; locale; names of the fields.
pub fn claim_response(data: &[u8]) {
    use mapping::claim_response::{Settings, envelope, map};
    let mut parts = Parts::of(data);
    let text = parts.text().unwrap_or_default();
    let mut settings = Settings::default();
    let mut choices = parts.choices();
    settings.calendar = if choices.yes() { Calendar::Gregorian } else { Calendar::BikramSambat };
    settings.utc_offset_minutes = choices.number();
    let claim_date = parts.text();
    let contact = parts.text().map(|contact_id| ContactLink { contact_id });
    let fields = &mut settings.fields;
    for setting in [
        &mut settings.form,
        &mut settings.locale,
        &mut fields.patient_id,
        &mut fields.claim_id,
        &mut fields.claim_uuid,
        &mut fields.year,
        &mut fields.month,
        &mut fields.day,
        &mut fields.date,
    ] {
        if let Some(text) = parts.text() {
            *setting = text;
        }
    }

    let envelope = envelope(&text);
    let result = checked(&text, true, |text| map(text, claim_date.as_deref(), contact.as_ref(), &settings));
    let Ok(mapped) = result else { return };
    let uuid = envelope.claim_uuid.expect("a mapped claim has a uuid").to_string();
    assert_eq!(mapped.idempotency_key, format!("claim/{uuid}"));
    if !settings.problems().is_empty() {
        return; // no such settings get past `config check`
    }
    let record = object(&mapped);
    let fields = &settings.fields;
    let text_of = |name: &String| record.get(name).and_then(Value::as_str).expect("a text in every field");
    let insuree = envelope.insuree_uuid.expect("a mapped claim has a patient").to_string();
    assert_eq!(record["_meta"]["form"], settings.form);
    assert_eq!(text_of(&fields.patient_id), contact.map_or(insuree, |contact| contact.contact_id));
    assert_eq!(Some(text_of(&fields.claim_id)), envelope.claim_code.as_deref());
    assert_eq!(text_of(&fields.claim_uuid), uuid);
    assert_eq!(record.len(), if fields.date.is_empty() { 7 } else { 8 });
    if fields.date.is_empty() {
        return;
    }
    let offset = Offset::from_seconds(i32::from(settings.utc_offset_minutes) * 60).expect("a checked setting");
    let midnight = Timestamp::from_millisecond(record[&fields.date].as_i64().expect("a number")).expect("a time");
    let midnight = offset.to_datetime(midnight);
    assert_eq!(midnight.time(), jiff::civil::Time::midnight());
    let day = match settings.calendar {
        Calendar::Gregorian => {
            let date = midnight.date();
            [date.year().to_string(), date.month().to_string(), date.day().to_string()]
        }
        Calendar::BikramSambat => {
            let date = bikram_sambat::from_gregorian(midnight.date()).expect("a day of the table");
            [date.year.to_string(), date.month.to_string(), date.day.to_string()]
        }
    };
    assert_eq!([&fields.year, &fields.month, &fields.day].map(text_of), [&day[0], &day[1], &day[2]]);
}

/// Parts: document; lowest and highest rating; what the host knows of the insuree.
pub fn feedback(data: &[u8]) {
    use mapping::feedback::{Settings, envelope, map};
    let mut parts = Parts::of(data);
    let text = parts.text().unwrap_or_default();
    let mut settings = Settings::default();
    if let Some([low, high, ..]) = parts.bytes() {
        (settings.rating_min, settings.rating_max) = (*low, *high);
    }
    let insuree = parts.text();

    let envelope = envelope(&text);
    let result = checked(&text, true, |text| map(text, insuree.as_deref(), &settings));
    let Ok(mapped) = result else { return };
    let communication = object(&mapped);
    let claim = envelope.claim_uuid.expect("mapped feedback names its claim").to_string();
    let known = insuree.and_then(|uuid| InsureeUuid::parse(&uuid));
    let insuree = envelope.insuree_uuid.or(known).expect("mapped feedback has an insuree");
    assert_eq!(communication["about"][0]["reference"], format!("Claim/{claim}"));
    assert_eq!(communication["subject"]["reference"], format!("Patient/{insuree}"));
    assert_eq!(mapped.idempotency_key, format!("feedback/{}", envelope.report_id.unwrap_or(claim)));
    let payload = communication["payload"].as_array().expect("a list");
    let answers: Vec<&str> = payload.iter().filter_map(|item| item["contentString"].as_str()).collect();
    let [yes_or_no @ .., rating] = &answers[..] else { panic!("no answers") };
    assert!(yes_or_no.len() == 4 && yes_or_no.iter().all(|answer| ["yes", "no"].contains(answer)));
    assert!((settings.rating_min..=settings.rating_max).contains(&rating.parse().expect("a number")));
}

/// Parts: document; how many places and location codes; person type; default place; phone prefix; places; location codes.
pub fn patient(data: &[u8]) {
    use mapping::patient::{Settings, map};
    let mut parts = Parts::of(data);
    let text = parts.text().unwrap_or_default();
    // Fixtures are mapped with a place and a prefix: what they are about lies behind them.
    let mut settings =
        Settings { default_place: "national".to_owned(), phone_prefix: "+977".to_owned(), ..Settings::default() };
    let mut choices = parts.choices();
    let (places, codes) = (choices.below(4), choices.below(4));
    for setting in [&mut settings.person_type, &mut settings.default_place, &mut settings.phone_prefix] {
        if let Some(text) = parts.text() {
            *setting = text;
        }
    }
    for _ in 0..places {
        let (Some(location_code), Some(place_id)) = (parts.text(), parts.text()) else { break };
        settings.places.push(PlaceLink { location_code, place_id });
    }
    let codes: Vec<String> = std::iter::from_fn(|| parts.text()).take(codes).collect();

    // An unknown location is told by its codes, which an admin has given.
    let result = checked(&text, codes.is_empty(), |text| map(text, &codes, &settings));
    let Ok(mapped) = result else { return };
    let person = object(&mapped);
    let uuid = person["openimis_id"].as_str().and_then(InsureeUuid::parse).expect("openIMIS' uuid");
    assert_eq!(person["_id"], contact_id(uuid).to_string());
    assert_eq!(mapped.idempotency_key, format!("person/{}", contact_id(uuid)));
    assert!(person["name"].as_str().is_some_and(|name| !name.trim().is_empty()));
    let place = person["place"].as_str().expect("a place");
    assert!(place == settings.default_place || settings.places.iter().any(|row| row.place_id == place));
    assert!(person.get("sex").is_none_or(|sex| sex == "male" || sex == "female"));
    let birth = person.get("date_of_birth").map(|date| date.as_str().unwrap_or_default());
    assert!(birth.is_none_or(|date| date.len() == 10 && date.parse::<Date>().is_ok()));
    let phone = person.get("phone").map(|phone| phone.as_str().unwrap_or_default());
    assert!(phone.is_none_or(is_e164), "{phone:?}");
}

fn is_e164(phone: &str) -> bool {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

fn object(mapped: &Mapped) -> serde_json::Map<String, Value> {
    serde_json::from_str(&mapped.body).expect("a mapped body is a JSON object")
}

/// Maps and checks what holds for every mapping. `short`: nothing but the document can make an issue long.
fn checked(text: &str, short: bool, map: impl Fn(&str) -> MapResult) -> MapResult {
    let result = map(text);
    assert_eq!(result, map(text), "the same document, another result");
    is_fatal_unless_json(text, &result);
    let issues = match &result {
        Ok(mapped) => {
            assert!(mapped.warnings.iter().all(|issue| issue.severity >= Severity::Warning));
            &mapped.warnings
        }
        Err(issues) => {
            assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "refused for no reason");
            issues
        }
    };
    for issue in issues {
        assert!(!issue.diagnostics.is_empty());
        assert!(!short || issue.diagnostics.len() < 300, "{issue}");
        assert!(!short || issue.diagnostics.is_ascii(), "{issue}");
    }
    let outcome: Value =
        serde_json::from_str(&mapping::outcome::operation_outcome(issues)).expect("an OperationOutcome");
    assert!(!outcome["issue"].as_array().expect("issues").is_empty());

    // How a document is set makes no difference. (A refusal that names a line does; a fraction may lose its last digit.)
    let fatal = issues.iter().any(|issue| issue.severity == Severity::Fatal);
    if let (false, Ok(document)) = (fatal, serde_json::from_str::<Value>(text))
        && !has_fraction(&document)
    {
        assert_eq!(result, map(&document.to_string()), "the same document in one line, another result");
    }
    result
}

/// The mappings read JSON with a reader of their own: what serde_json does not take, they do not.
pub fn is_fatal_unless_json(text: &str, result: &MapResult) {
    let is_fatal = result.as_ref().is_err_and(|issues| issues.iter().any(|issue| issue.severity == Severity::Fatal));
    // A byte order mark in front of it is skipped.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    assert!(is_fatal || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(), "no JSON, and not fatal");
}

pub fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(entries) => entries.values().any(has_fraction),
        _ => false,
    }
}
