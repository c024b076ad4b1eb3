//! openIMIS insuree (FHIR `Patient`) to CHT person. Nothing is invented: what openIMIS does not say is left out.

mod settings;
mod source;

use serde::Serialize;

use crate::fhir::codes::{CODE, UUID, require_resource};
use crate::fhir::elements::ContactPoint;
use crate::fhir::openimis::{identifier, unusable_identifier};
use crate::fhir::primitives::{plain, shape_of};
use crate::ids::{InsureeUuid, contact_id};
use crate::in_use::{Repeated, best, in_use};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Words, document, to_json};
use crate::modifiers::{flag, refuse_extension, refuse_rules};
use crate::phone::{self, Unusable};
use crate::{MapResult, Mapped};
use source::{Link, Patient};

pub use settings::{PlaceLink, Settings};
pub use source::{identifier_of, location};

const CHF_ID: &str = "Patient.identifier.where(type.coding.code = 'Code').value";

/// Body of CHT `POST /api/v1/people`.
#[derive(Serialize)]
struct Person<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_type: Option<&'a str>,
    name: String,
    place: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_of_birth: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// CHT's outbound push sends it back as `insureeuuid`.
    openimis_id: String,
    /// openIMIS' word for the insurance number.
    #[serde(skip_serializing_if = "Option::is_none")]
    chf_id: Option<&'a str>,
}

/// Turns an openIMIS insuree into a CHT person.
///
/// # Shapes
/// `patient`: FHIR R4 `Patient` as openIMIS answers it. `location_codes`: codes of the insuree's openIMIS location, the village
/// first, then what it is part of; the first one in the table wins. Returns the body of CHT `POST /api/v1/people`.
/// # Units
/// `phone` is E.164, `date_of_birth` is `YYYY-MM-DD`, `_id` a UUIDv5 of the insuree's uuid.
/// # Errors
/// Other JSON; no uuid or name; no place for the insuree's location; an insuree who has died or whose record is not in use. A phone, sex
/// or birth date that cannot be used is a warning.
/// # Source
/// Cases: `wit/cases/patient/`. CHT: `api/src/services/people.js`.
pub fn map(patient: &str, location_codes: &[String], settings: &Settings) -> MapResult {
    let resource: Patient = document(patient, "Patient")?;
    let mut issues = Vec::new();
    require_resource(&resource.resource_type, "Patient.resourceType", "Patient", &mut issues)?;
    resource.refuse_modifiers(&mut issues);
    let uuid = resource.uuid(&mut issues);
    let name = resource.full_name(&mut issues);
    let place = place(location_codes, settings, &mut issues);
    let sex = resource.sex(&mut issues);
    let date_of_birth = resource.date_of_birth(&mut issues);
    let phone = resource.phone(&settings.phone_prefix, &mut issues);
    let chf_id = resource.chf_id(&mut issues);
    let blocking = issues.iter().any(|issue| issue.severity <= Severity::Error);
    let (Some(uuid), Some(name), Some(place), false) = (uuid, name, place, blocking) else { return Err(issues) };

    let id = contact_id(uuid).to_string();
    let idempotency_key = format!("person/{id}");
    let (kind, contact_type) = match settings.person_type.as_str() {
        "person" => ("person", None),
        configured => ("contact", Some(configured)),
    };
    let person = Person {
        id,
        kind,
        contact_type,
        name,
        place,
        sex,
        date_of_birth,
        phone,
        openimis_id: uuid.to_string(),
        chf_id,
    };
    let body = to_json(&person).map_err(|_| vec![Issue::fatal("Patient", "the person could not be written")])?;
    Ok(Mapped { body, idempotency_key, warnings: issues })
}

impl Patient<'_> {
    /// The day of the document, where it says one.
    fn day(&self) -> Option<&str> {
        source::day(&self.meta)
    }

    /// Refuses who is not to be asked.
    fn refuse_modifiers(&self, issues: &mut Vec<Issue>) {
        let has_died = "the insuree has died; expected one who can be asked";
        if !matches!(self.deceased_date_time, Node::Absent) {
            issues.push(Issue::error(IssueType::BusinessRule, "Patient.deceasedDateTime", has_died));
        }
        if let Node::Other(kind) = &self.link {
            issues.push(Issue::unusable("Patient.link", "a list of links", kind));
        }
        let replaced = |link: &Link| plain(&link.kind).is_some_and(|kind| kind == "replaced-by");
        if self.link.items().any(replaced) {
            let text = "replaced by another record of the same person; expected the record in use";
            issues.push(Issue::error(IssueType::BusinessRule, "Patient.link", text));
        }
        if flag(&self.deceased_boolean, "Patient.deceasedBoolean", issues) == Some(true) {
            issues.push(Issue::error(IssueType::BusinessRule, "Patient.deceasedBoolean", has_died));
        }
        if flag(&self.active, "Patient.active", issues) == Some(false) {
            let text = "the record is not in use; expected true, or none";
            issues.push(Issue::error(IssueType::BusinessRule, "Patient.active", text));
        }
        refuse_extension(&self.modifier_extension, "Patient", issues);
        refuse_rules(&self.implicit_rules, "Patient", issues);
    }

    fn uuid(&self, issues: &mut Vec<Issue>) -> Option<InsureeUuid> {
        const EXPECTED: &str = "openIMIS' uuid of the insuree";
        if let Some(uuid) = identifier(&self.identifier, UUID, self.day()).and_then(InsureeUuid::parse) {
            // openIMIS answers with the id that it was asked by, so the insurance number in `id` is no disagreement.
            let id = self.id.value().and_then(|id| InsureeUuid::parse(&id.0)).filter(|id| *id != uuid);
            if let Some(id) = id {
                let text = format!("identifier says {uuid}, id says {id}; {uuid} was taken as the insuree's uuid");
                issues.push(Issue::error(IssueType::Conflict, "Patient.id", text).as_warning());
            }
            return Some(uuid);
        }
        if let (Node::Absent, Some(found)) = (&self.id, self.unusable_uuid()) {
            let path = "Patient.identifier.where(type.coding.code = 'UUID').value";
            issues.push(Issue::unusable(path, EXPECTED, found));
            return None;
        }
        let id = self.id.require("Patient.id", EXPECTED, issues)?;
        let uuid = InsureeUuid::parse(&id.0);
        if uuid.is_none() {
            issues.push(Issue::unusable("Patient.id", EXPECTED, shape_of(&id.0)));
        }
        uuid
    }

    /// What stands in the place of the uuid.
    fn unusable_uuid(&self) -> Option<String> {
        let value = identifier(&self.identifier, UUID, self.day());
        value.map(shape_of).or_else(|| unusable_identifier(&self.identifier, UUID))
    }

    /// Given names, then the family name; else the name's text.
    fn full_name(&self, issues: &mut Vec<Issue>) -> Option<String> {
        let full = best(self.name.items(), self.day(), |name| {
            let given = name.given.items().map(Words::as_ref);
            let parts: Vec<&str> = given.chain(plain(&name.family)).filter(|part| !part.is_empty()).collect();
            if parts.is_empty() { plain(&name.text).map(str::to_owned) } else { Some(parts.join(" ")) }
        });
        if full.is_none() {
            let expected = "a given or family name";
            issues.push(match &self.name {
                Node::Other(kind) => Issue::unusable("Patient.name", "a list of names", kind),
                Node::Value(names) if !names.is_empty() => {
                    Issue::unusable("Patient.name", expected, self.unusable_name())
                }
                _ => Issue::missing("Patient.name", expected),
            });
        }
        full
    }

    /// Why no name can be used.
    fn unusable_name(&self) -> &'static str {
        let mut names = self.name.items().peekable();
        let any = names.peek().is_some();
        match any && names.all(|name| name.repetition().standing(self.day()).is_none()) {
            true => "a name that is no longer in use",
            false => "no name that can be used",
        }
    }

    /// In any case: openIMIS of Nepal's Health Insurance Board writes `Male`.
    fn sex(&self, issues: &mut Vec<Issue>) -> Option<&'static str> {
        const SEXES: [&str; 2] = ["male", "female"];
        const OTHERS: [&str; 2] = ["other", "unknown"];
        let found = match &self.gender {
            Node::Absent => return None,
            Node::Other(kind) => kind.to_string(),
            Node::Value(gender) => {
                if let Some(sex) = SEXES.into_iter().find(|sex| gender.0.eq_ignore_ascii_case(sex)) {
                    return Some(sex);
                }
                if OTHERS.iter().any(|other| gender.0.eq_ignore_ascii_case(other)) {
                    let text = "CHT knows male and female; left out";
                    let issue = Issue::error(IssueType::NotSupported, "Patient.gender", text);
                    issues.push(Issue { severity: Severity::Information, ..issue });
                    return None;
                }
                shape_of(&gender.0)
            }
        };
        issues.push(Issue::unusable("Patient.gender", "male or female", format!("{found}; left out")).as_warning());
        None
    }

    fn date_of_birth(&self, issues: &mut Vec<Issue>) -> Option<&str> {
        let found = match &self.birth_date {
            Node::Absent => return None,
            Node::Other(kind) => kind.to_string(),
            Node::Value(text) => match crate::fhir::primitives::day(&text.0, jiff::tz::Offset::UTC) {
                Ok(_) => return text.trimmed().get(..10),
                Err(found) => found,
            },
        };
        let found = format!("{found}; left out");
        issues.push(Issue::unusable("Patient.birthDate", "a full date", found).as_warning());
        None
    }

    /// The insurance number, where there is one.
    fn chf_id(&self, issues: &mut Vec<Issue>) -> Option<&str> {
        let chf_id = identifier(&self.identifier, CODE, self.day());
        if chf_id.is_none() {
            let (path, found) = match &self.identifier {
                Node::Other(kind) => ("Patient.identifier", Some(kind.to_string())),
                _ => (CHF_ID, unusable_identifier(&self.identifier, CODE)),
            };
            let issue =
                |found| Issue::unusable(path, "the insurance number", format!("{found}; left out")).as_warning();
            issues.extend(found.map(issue));
        }
        chf_id
    }

    /// The telephone number that counts most of those that can be written as E.164. One before it that cannot exist is reported: it is a
    /// slip, where a text such as "unknown" says nothing.
    fn phone(&self, prefix: &str, issues: &mut Vec<Issue>) -> Option<String> {
        let mut worst = matches!(self.telecom, Node::Other(_)).then_some(Unusable::NoNumber);
        let is_phone = |contact: &&ContactPoint| matches!(plain(&contact.system), None | Some("phone" | "sms"));
        for contact in in_use(self.telecom.items().filter(is_phone), self.day()) {
            let unusable = match &contact.value {
                Node::Absent => continue,
                Node::Value(number) if number.0.is_empty() => continue,
                Node::Value(number) => match phone::read(&number.0, prefix) {
                    Ok(phone) => {
                        let slip = worst.filter(|worst| *worst == Unusable::Impossible);
                        issues.extend(slip.map(|slip| self.no_phone(slip, prefix)));
                        return Some(phone);
                    }
                    Err(unusable) => unusable,
                },
                Node::Other(_) => Unusable::NoNumber,
            };
            worst = worst.max(Some(unusable));
        }
        let mut written = self.telecom.items().filter(is_phone).filter(|contact| plain(&contact.value).is_some());
        if worst.is_none() && written.next().is_some() {
            let found = "a number that is no longer in use; left out";
            issues.push(Issue::unusable("Patient.telecom", "a telephone number", found).as_warning());
        }
        issues.extend(worst.map(|worst| self.no_phone(worst, prefix)));
        None
    }

    fn no_phone(&self, unusable: Unusable, prefix: &str) -> Issue {
        let (expected, found) = match (&self.telecom, unusable) {
            (Node::Other(kind), _) => ("a list of telephone numbers", kind.to_string()),
            (_, Unusable::Impossible) if !prefix.is_empty() => {
                ("a telephone number", format!("{} (phone_prefix is {prefix})", unusable.found()))
            }
            (_, Unusable::NoNumber | Unusable::NoCountry) if prefix.is_empty() => (
                "a telephone number with its country calling code, or the setting phone_prefix",
                unusable.found().to_owned(),
            ),
            _ => ("a telephone number", unusable.found().to_owned()),
        };
        Issue::unusable("Patient.telecom", expected, format!("{found}; left out")).as_warning()
    }
}

fn place<'a>(location_codes: &[String], settings: &'a Settings, issues: &mut Vec<Issue>) -> Option<&'a str> {
    let linked = location_codes
        .iter()
        .find_map(|code| settings.places.iter().find(|row| row.location_code == *code))
        .map(|row| row.place_id.as_str());
    let place = linked.or(Some(settings.default_place.as_str()).filter(|place| !place.is_empty()));
    if place.is_none() {
        let text = match location_codes {
            [] => "openIMIS gives no location and default_place is not set; expected one of them".to_owned(),
            codes => format!("no CHT place for {}; add one of them to places or set default_place", codes.join(", ")),
        };
        issues.push(Issue::error(IssueType::NotFound, "Patient.address", text));
    }
    place
}
