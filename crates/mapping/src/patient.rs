//! openIMIS insuree (FHIR `Patient`) to CHT person. Nothing is invented: what openIMIS does not say is left out.

use serde::{Deserialize, Serialize};

use crate::fhir::{CODE, Identifier, UUID, identifier, require_resource, shape_of, unusable_identifier};
use crate::ids::{InsureeUuid, contact_id};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Text, document, object_shape, to_json};
use crate::phone::{self, Unusable};
use crate::{MapResult, Mapped};

/// One row of the table openIMIS location to CHT place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceLink {
    /// Code of the openIMIS location.
    pub location_code: String,
    /// `_id` of the CHT place.
    pub place_id: String,
}

/// How a person is written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// CHT contact type of the person.
    ///
    /// Default: `"person"`; another one is written as `contact_type`.
    pub person_type: String,
    /// Which CHT place is which openIMIS location. The insuree's village is looked for first, then its municipality,
    /// district and region. One such block a place.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.patient.places]]
    /// location_code = "R1D1M1V1"
    /// place_id = "7a36af4d-2ee0-4c1a-9b30-4c13ad8b0c57"
    /// ```
    pub places: Vec<PlaceLink>,
    /// `_id` of the CHT place for insurees whose openIMIS location is not in the table `places`.
    ///
    /// Default: `""`: none, and the claim of such an insuree becomes a dead letter.
    pub default_place: String,
    /// Country calling code for phone numbers that are written without one.
    ///
    /// Default: `""`: such a number is left out. For example `"+977"`.
    pub phone_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            person_type: "person".into(),
            places: Vec::new(),
            default_place: String::new(),
            phone_prefix: String::new(),
        }
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.person_type.trim().is_empty() {
            problems.push("person_type: is empty; expected a CHT contact type, for example person".to_owned());
        }
        if !self.phone_prefix.is_empty() && !phone::is_calling_code(&self.phone_prefix) {
            problems.push("phone_prefix: expected a country calling code such as +977".to_owned());
        }
        for (index, row) in self.places.iter().enumerate() {
            if row.location_code.trim().is_empty() || row.place_id.trim().is_empty() {
                problems.push(format!("places[{index}]: expected a location_code and a place_id"));
            } else if self.places[..index].iter().any(|other| other.location_code == row.location_code) {
                problems.push(format!("places[{index}]: {} is there twice", row.location_code));
            }
        }
        problems
    }
}

#[derive(Debug, Deserialize)]
struct Patient<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    identifier: Node<Vec<Node<Identifier<'a>>>>,
    #[serde(borrow, default)]
    name: Node<Vec<Node<HumanName<'a>>>>,
    #[serde(borrow, default)]
    telecom: Node<Vec<Node<ContactPoint<'a>>>>,
    #[serde(borrow, default)]
    gender: Node<Text<'a>>,
    #[serde(borrow, default, rename = "birthDate")]
    birth_date: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct HumanName<'a> {
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    text: Node<Text<'a>>,
    #[serde(borrow, default)]
    family: Node<Text<'a>>,
    #[serde(borrow, default)]
    given: Node<Vec<Node<Text<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct ContactPoint<'a> {
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    system: Node<Text<'a>>,
    #[serde(borrow, default)]
    value: Node<Text<'a>>,
}

object_shape!(Patient, HumanName, ContactPoint);

const CHF_ID: &str = "Patient.identifier.where(type.coding.code = 'Code').value";

/// Whether FHIR's `use` says that a name or number is no longer in use.
fn is_old(usage: &Node<Text>) -> bool {
    usage.value().is_some_and(|usage| usage.trimmed() == "old")
}

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
/// Other JSON; no uuid or name; no place for the insuree's location. A phone, sex or birth date that cannot be used is a warning.
/// # Source
/// Cases: `tests/fixtures/patient/`. CHT: `api/src/services/people.js`.
pub fn map(patient: &str, location_codes: &[String], settings: &Settings) -> MapResult {
    let resource: Patient = document(patient, "Patient")?;
    let mut issues = Vec::new();
    require_resource(&resource.resource_type, "Patient.resourceType", "Patient", &mut issues)?;
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
    fn uuid(&self, issues: &mut Vec<Issue>) -> Option<InsureeUuid> {
        const EXPECTED: &str = "openIMIS' uuid of the insuree";
        if let Some(uuid) = identifier(&self.identifier, UUID).and_then(InsureeUuid::parse) {
            // openIMIS answers with the id that it was asked by, so the insurance number in `id` is no disagreement.
            let id = self.id.value().and_then(|id| InsureeUuid::parse(&id.0)).filter(|id| *id != uuid);
            if let Some(id) = id {
                let text = format!("identifier says {uuid}, id says {id}; {uuid} was taken as the insuree's uuid");
                issues.push(Issue::error(IssueType::Conflict, "Patient.id", text).as_warning());
            }
            return Some(uuid);
        }
        let id = self.id.require("Patient.id", EXPECTED, issues)?;
        let uuid = InsureeUuid::parse(&id.0);
        if uuid.is_none() {
            issues.push(Issue::unusable("Patient.id", EXPECTED, shape_of(&id.0)));
        }
        uuid
    }

    /// Given names, then the family name; else the name's text.
    fn full_name(&self, issues: &mut Vec<Issue>) -> Option<String> {
        let full = self.name.items().filter(|name| !is_old(&name.usage)).find_map(|name| {
            let parts: Vec<&str> = name
                .given
                .items()
                .chain(name.family.value())
                .map(Text::trimmed)
                .filter(|part| !part.is_empty())
                .collect();
            let text = name.text.value().map(Text::trimmed).filter(|text| !text.is_empty());
            if parts.is_empty() { text.map(str::to_owned) } else { Some(parts.join(" ")) }
        });
        if full.is_none() {
            let expected = "a given or family name";
            issues.push(match &self.name {
                Node::Other(kind) => Issue::unusable("Patient.name", "a list of names", kind),
                Node::Value(names) if !names.is_empty() => {
                    Issue::unusable("Patient.name", expected, "no name that can be used")
                }
                _ => Issue::missing("Patient.name", expected),
            });
        }
        full
    }

    fn sex(&self, issues: &mut Vec<Issue>) -> Option<&'static str> {
        match &self.gender {
            Node::Value(gender) if gender.0 == "male" => Some("male"),
            Node::Value(gender) if gender.0 == "female" => Some("female"),
            Node::Absent => None,
            _ => {
                let text = "CHT knows male and female; left out";
                issues.push(Issue {
                    severity: Severity::Information,
                    ..Issue::error(IssueType::NotSupported, "Patient.gender", text)
                });
                None
            }
        }
    }

    fn date_of_birth(&self, issues: &mut Vec<Issue>) -> Option<&str> {
        let found = match &self.birth_date {
            Node::Absent => return None,
            Node::Other(kind) => kind.to_string(),
            Node::Value(text) => match crate::fhir::day(&text.0, jiff::tz::Offset::UTC) {
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
        let chf_id = identifier(&self.identifier, CODE);
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

    /// The first telephone number that can be written as E.164. One before it that cannot exist is reported: it is a slip, where a text
    /// such as "unknown" says nothing.
    fn phone(&self, prefix: &str, issues: &mut Vec<Issue>) -> Option<String> {
        let mut worst = matches!(self.telecom, Node::Other(_)).then_some(Unusable::NoNumber);
        for contact in self.telecom.items().filter(|contact| !is_old(&contact.usage)) {
            let system = contact.system.value().map_or("phone", Text::trimmed);
            if !matches!(system, "phone" | "sms") {
                continue;
            }
            let unusable = match &contact.value {
                Node::Absent => continue,
                Node::Value(number) if number.trimmed().is_empty() => continue,
                Node::Value(number) => match phone::read(number.trimmed(), prefix) {
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
