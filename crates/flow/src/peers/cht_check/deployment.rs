//! Version, clock, contact types and places of the deployment.

use jiff::{SignedDuration, Timestamp};
use mapping::claim_response::Calendar;
use mapping::patient::Settings;
use serde_json::Value;
use url::Url;

use super::{Findings, text};

/// A clock that differs by more makes dates of reports and certificates go wrong.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
/// More are not named one by one.
const NAMED: usize = 10;

/// What an id is at CHT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlaceAtCht {
    /// The id.
    pub id: String,
    /// What it is.
    pub at_cht: AtCht,
}

/// See [`PlaceAtCht`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AtCht {
    /// There is no such document.
    Missing,
    /// A place of this type.
    Place {
        /// Its contact type.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Something else, for example a person.
    Other(String),
}

pub(super) fn place_at_cht(id: &str, document: &Value) -> PlaceAtCht {
    let kind = text(document, "contact_type").or_else(|| text(document, "type")).unwrap_or_default().to_owned();
    let name = text(document, "name").unwrap_or_default().to_owned();
    let is_contact = text(document, "type")
        .is_some_and(|kind| matches!(kind, "contact" | "district_hospital" | "health_center" | "clinic"));
    let at_cht = match document {
        Value::Object(_) if is_contact => AtCht::Place { kind, name },
        Value::Object(_) => AtCht::Other(kind),
        _ => AtCht::Missing,
    };
    PlaceAtCht { id: id.to_owned(), at_cht }
}

pub(super) fn address(url: Option<&Url>, findings: &mut Findings) {
    if let Some(url) = url.filter(|url| url.scheme() == "http")
        && !matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    {
        let text = format!("{url} is plain http: the password travels in the open");
        findings.warning("address", text, "use https in cht.url");
    }
}

pub(super) fn clock(theirs: Option<Timestamp>, ours: Timestamp, findings: &mut Findings) {
    let Some(theirs) = theirs else { return };
    let apart = ours.duration_since(theirs);
    if apart.abs() <= CLOCKS_DIFFER {
        return findings.ok("clock", "the clocks agree");
    }
    let direction = if apart.is_negative() { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {} s {direction} CHT's", apart.abs().as_secs());
    findings.warning("clock", text, "set both clocks (NTP)");
}

pub(super) fn version(version: Option<&str>, findings: &mut Findings) {
    let Some(version) = version else {
        return findings.warning("version", "CHT does not tell its version", "see to it that it is 4.0 or later");
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(0..=3) => findings.error("version", format!("CHT {version} is too old"), "upgrade it to 4.0 or later"),
        Some(4 | 5) => findings.ok("version", format!("CHT {version}")),
        _ => {
            let text = format!("CHT {version} is newer than what the mediator was tried with (4 and 5)");
            findings.warning("version", text, "look at the first claims by hand");
        }
    }
}

/// From here on CHT has the calendar of Nepal right (cht-core#11154: bikram-sambat 1.8.1); before, from the second on, 1.8.0; else 1.7.0.
const CALENDAR_IS_RIGHT: (u32, u32) = (5, 2);
const CALENDAR_OF_2025: (u32, u32) = (4, 18);

/// Whether CHT reads the days of the records as they are meant.
pub(super) fn calendar(version: Option<&str>, calendar: Calendar, findings: &mut Findings) {
    if calendar != Calendar::BikramSambat {
        return;
    }
    let numbers = version.and_then(|version| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    });
    const DAYS: &str = "90 days of 2026-10-17 to 2027-02-12";
    let text = match (numbers, version) {
        (Some(numbers), Some(version)) if numbers >= CALENDAR_IS_RIGHT => {
            return findings
                .ok("calendar", format!("CHT {version} has the Bikram Sambat calendar as the mediator has it"));
        }
        (Some(numbers), Some(version)) if numbers >= CALENDAR_OF_2025 => {
            format!("CHT {version} has an older Bikram Sambat calendar: it reads {DAYS} a day early, or as no day")
        }
        (Some(_), Some(version)) => format!(
            "CHT {version} has an older Bikram Sambat calendar: it reads 217 days of 2024-06-14 to 2026-02-12 and {DAYS} as another day, or \
             as no day"
        ),
        _ => format!("which Bikram Sambat calendar CHT has is not known: one before 5.2.0 reads {DAYS} as another day"),
    };
    findings.warning(
        "calendar",
        text,
        "upgrade CHT to 5.2.0 or later; until then the dates of records of these days are wrong in CHT",
    );
}

pub(super) fn tasks(settings: &Value, form: &str, findings: &mut Findings) {
    let rules = text(&settings["tasks"], "rules").unwrap_or_default();
    // Between quotes: "OP" is in many words.
    if ['\'', '"', '`'].iter().any(|quote| rules.contains(&format!("{quote}{form}{quote}"))) {
        findings.ok("tasks", format!("the task rules know the form {form}"));
    } else {
        let text = format!("no task rule names the form {form}: no health worker is told of the record");
        findings.error("tasks", text, "add the task of cht/ to yours and upload it (docs/cht-configuration.md)");
    }
}

pub(super) fn locale(settings: &Value, locale: &str, findings: &mut Findings) {
    let known = ["locales", "languages"].iter().filter_map(|key| settings[*key].as_array()).flatten();
    let mut known = known.filter_map(|language| text(language, "code").or_else(|| text(language, "locale"))).peekable();
    if !locale.is_empty() && known.peek().is_some() && !known.any(|code| code == locale) {
        let text = format!("CHT does not have the language {locale} (mapping.claim_response.locale)");
        findings.warning("locale", text, "add it to CHT's languages, or change the setting");
    }
}

pub(super) fn person_type(settings: &Value, wanted: &str, findings: &mut Findings) {
    let Some(types) = settings["contact_types"].as_array() else {
        // Without types of its own a deployment has CHT's.
        return match wanted {
            "person" => findings.ok("person_type", "persons are of CHT's own type"),
            _ => findings.error(
                "person_type",
                format!("CHT has no contact type {wanted} (mapping.patient.person_type)"),
                "set it to \"person\", or add contact_types to app_settings",
            ),
        };
    };
    let person = types.iter().find(|kind| text(kind, "id") == Some(wanted));
    if person.is_some_and(|kind| kind["person"] == Value::Bool(true)) {
        return findings.ok("person_type", format!("CHT has the person type {wanted}"));
    }
    let persons: Vec<&str> =
        types.iter().filter(|kind| kind["person"] == Value::Bool(true)).filter_map(|kind| text(kind, "id")).collect();
    let text = format!("CHT has no person type {wanted} (mapping.patient.person_type)");
    findings.error("person_type", text, format!("set it to one of {}", persons.join(", ")));
}

pub(super) fn places(
    settings: &Value,
    ours: &Settings,
    found: &Result<Vec<PlaceAtCht>, String>,
    findings: &mut Findings,
) {
    let found = match found {
        Ok(found) if found.is_empty() => {
            let text = "there is no place for any insuree: every claim of a new one becomes a dead letter";
            return findings.error("places", text, "set mapping.patient.default_place, or `places import` a table");
        }
        Ok(found) => found,
        Err(why) => return findings.error("places", why.clone(), "give the user an online role"),
    };
    if ours.default_place.is_empty() {
        let text = "there is no default place: claims of insurees from elsewhere than the table become dead letters";
        findings.warning("places.default", text, "set mapping.patient.default_place");
    }
    let named = |ids: Vec<&str>| {
        let more = if ids.len() > NAMED { format!(" and {} more", ids.len() - NAMED) } else { String::new() };
        format!("{}{more}", ids[..ids.len().min(NAMED)].join(", "))
    };
    let with = |wanted: fn(&AtCht) -> bool| -> Vec<&str> {
        found.iter().filter(|place| wanted(&place.at_cht)).map(|place| place.id.as_str()).collect()
    };
    let missing = with(|at_cht| matches!(at_cht, AtCht::Missing));
    let others = with(|at_cht| matches!(at_cht, AtCht::Other(_)));
    if !missing.is_empty() {
        let text = format!("CHT has no contact {}", named(missing.clone()));
        findings.error("places.missing", text, "correct the table (`places list`) or mapping.patient");
    }
    if !others.is_empty() {
        findings.error("places.kind", format!("{} is no place", named(others.clone())), "name a place, not a person");
    }
    let types = settings["contact_types"].as_array();
    let person = types.and_then(|types| types.iter().find(|kind| text(kind, "id") == Some(&ours.person_type)));
    if let Some(parents) = person.and_then(|person| person["parents"].as_array()) {
        let wrong: Vec<&str> = found
            .iter()
            .filter(|place| {
                matches!(&place.at_cht, AtCht::Place { kind, .. } if !parents.iter().any(|parent| parent == kind.as_str()))
            })
            .map(|place| place.id.as_str())
            .collect();
        if !wrong.is_empty() {
            let text = format!("a {} cannot be in {}: its type is none of the parents", ours.person_type, named(wrong));
            findings.warning("places.parents", text, "name places of the types that contact_types allows");
        }
    }
    if missing.is_empty() && others.is_empty() {
        findings.ok("places", format!("CHT has every place ({})", found.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_cht_before_5_2_is_warned_of_where_the_calendar_is_nepals() {
        let found = |version, of| {
            let mut findings = Findings::default();
            calendar(version, of, &mut findings);
            findings.0.into_iter().next().map(|finding| (finding.level, finding.text))
        };
        for (version, level, says) in [
            (Some("5.2.0"), Level::Ok, "5.2.0"),
            (Some("5.2.0-beta.3"), Level::Ok, "5.2.0-beta.3"),
            (Some("5.10.1"), Level::Ok, "5.10.1"),
            (Some("6.0.0"), Level::Ok, "6.0.0"),
            (Some("5.1.3"), Level::Warning, "2026-10-17"),
            (Some("5.0.0"), Level::Warning, "2026-10-17"),
            (Some("4.22.0"), Level::Warning, "2026-10-17"),
            (Some("4.18.0"), Level::Warning, "CHT 4.18.0"),
            (Some("4.17.2"), Level::Warning, "2024-06-14"),
            (Some("4.2.4"), Level::Warning, "2024-06-14"),
            (Some("medic:medic:my-branch"), Level::Warning, "not known"),
            (Some("5"), Level::Warning, "not known"),
            (None, Level::Warning, "not known"),
        ] {
            let (was, text) = found(version, Calendar::BikramSambat).expect("a finding");
            assert!(was == level && text.contains(says), "{version:?}: {text}");
            assert_eq!(found(version, Calendar::Gregorian), None, "{version:?}");
        }
    }
}
