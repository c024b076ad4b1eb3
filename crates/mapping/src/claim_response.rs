//! openIMIS `ClaimResponse` to the CHT record that raises the task for the community health worker.

mod settings;

use jiff::civil::Date;
use jiff::tz::Offset;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::bikram_sambat;
use crate::fhir::codes::{CODE, UUID, require_resource};
use crate::fhir::openimis::{CodeableConcept, Contained, Identifier, Reference, identifier, unusable_identifier};
use crate::fhir::primitives::{day, midnight_ms, plain, shape_of};
use crate::ids::{ClaimUuid, InsureeUuid};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text, document, object_shape, to_json};
use crate::modifiers::{ModifierExtension, expect_code, refuse_extension, refuse_rules};
use crate::{MapResult, Mapped};

pub use settings::{Calendar, FieldNames, Settings};

/// The CHT contact of the claim's patient.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContactLink {
    /// `_id` of the contact, or its short `patient_id`: CHT accepts either.
    pub contact_id: String,
}

#[derive(Debug, Deserialize)]
struct ClaimResponse<'a> {
    #[serde(borrow, default, rename = "resourceType")]
    resource_type: Node<Text<'a>>,
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    identifier: Node<Vec<Node<Identifier<'a>>>>,
    #[serde(borrow, default)]
    patient: Node<Reference<'a>>,
    #[serde(borrow, default)]
    created: Node<Text<'a>>,
    #[serde(borrow, default)]
    request: Node<Reference<'a>>,
    #[serde(borrow, default)]
    outcome: Node<Text<'a>>,
    #[serde(borrow, default)]
    total: Node<Vec<Node<Total<'a>>>>,
    #[serde(borrow, default)]
    status: Node<Text<'a>>,
    #[serde(borrow, default, rename = "use")]
    usage: Node<Text<'a>>,
    #[serde(borrow, default)]
    contained: Contained<'a>,
    #[serde(borrow, default, rename = "modifierExtension")]
    modifier_extension: ModifierExtension<'a>,
    #[serde(borrow, default, rename = "implicitRules")]
    implicit_rules: Node<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Total<'a> {
    #[serde(borrow, default)]
    category: Node<CodeableConcept<'a>>,
}

object_shape!(ClaimResponse, Total);

/// openIMIS' status of a claim, in the order in which a claim goes through them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ClaimStatus {
    /// 1: refused by openIMIS' own checks.
    Rejected,
    /// 2: typed in, not yet submitted.
    Entered,
    /// 4: submitted and checked.
    Checked,
    /// 8: processed.
    Processed,
    /// 16: valuated.
    Valuated,
}

/// What can be told of a claim before it is mapped, and even if it cannot be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// openIMIS' uuid of the claim.
    pub claim_uuid: Option<ClaimUuid>,
    /// The code people use.
    pub claim_code: Option<String>,
    /// openIMIS' uuid of the patient.
    pub insuree_uuid: Option<InsureeUuid>,
    /// None where the resource does not tell.
    pub status: Option<ClaimStatus>,
}

/// Reads the [`Envelope`]; never fails.
pub fn envelope(claim_response: &str) -> Envelope {
    let Ok(resource) = document::<ClaimResponse>(claim_response, NAME) else { return Envelope::default() };
    let mut unused = Vec::new();
    Envelope {
        claim_uuid: resource.claim_uuid(&mut unused),
        claim_code: identifier(&resource.identifier, CODE, resource.day()).map(str::to_owned),
        insuree_uuid: resource
            .patient
            .value()
            .and_then(|patient| patient.uuid("", PATIENT_TYPES, &resource.contained, &mut unused))
            .map(InsureeUuid::from),
        status: resource.claim_status(),
    }
}

const NAME: &str = "ClaimResponse";
const PATIENT_TYPES: &[&str] = &["Patient"];
/// openIMIS writes `ClaimV2/…`, FHIR says `Claim/…`.
const CLAIM_TYPES: &[&str] = &["Claim", "ClaimV2"];

/// Turns an openIMIS `ClaimResponse` into the CHT record that asks the insuree for feedback.
///
/// # Shapes
/// `claim_response`: FHIR R4 JSON as openIMIS posts it. `claim_date`: FHIR `date` or `dateTime` of the claim where the host has read
/// it; without it `created`, into which openIMIS 1.10 writes the day of its answer. `contact`: the CHT contact of the insuree; without one the record's
/// `patient_id` is openIMIS' uuid of the patient. Returns the body of CHT `POST /api/v2/records`; all its values but `date` are strings.
/// # Units
/// `date`: milliseconds since 1970-01-01 UTC, midnight at `utc_offset_minutes`, as a number. Year, month, day: in `calendar`.
/// # Errors
/// Other JSON; no uuid, `Code` identifier, patient or `created`; a date outside the calendar's table; a resource that is not an answer to
/// a claim, or does not hold any more (`status`, `use`, `modifierExtension`). All at once.
/// # Source
/// CHT documentation, openIMIS interoperability. Cases: `wit/cases/claim-response/`.
pub fn map(
    claim_response: &str,
    claim_date: Option<&str>,
    contact: Option<&ContactLink>,
    settings: &Settings,
) -> MapResult {
    let resource: ClaimResponse = document(claim_response, NAME)?;
    let mut issues = Vec::new();
    require_resource(&resource.resource_type, "ClaimResponse.resourceType", NAME, &mut issues)?;
    resource.refuse_modifiers(&mut issues);
    let uuid = resource.claim_uuid(&mut issues);
    let code = resource.code(claim_date, &mut issues);
    let patient = resource
        .patient
        .require("ClaimResponse.patient", "a reference to Patient by its uuid", &mut issues)
        .and_then(|patient| patient.uuid("ClaimResponse.patient", PATIENT_TYPES, &resource.contained, &mut issues));
    let dates = match settings.offset() {
        Some(offset) => resource.dates(claim_date, settings, offset, &mut issues),
        None => {
            let text = "setting utc_offset_minutes: expected -1080 to 1080";
            issues.push(Issue::error(IssueType::BusinessRule, "", text));
            None
        }
    };
    if contact.is_some_and(|contact| contact.contact_id.trim().is_empty()) {
        let text = "contact_id is empty; expected the _id or patient_id of a CHT contact";
        issues.push(Issue::error(IssueType::BusinessRule, "", text));
    }

    let blocking = issues.iter().any(|issue| issue.severity <= crate::Severity::Error);
    let (Some(uuid), Some(code), Some(patient), Some(dates), false) = (uuid, code, patient, dates, blocking) else {
        return Err(issues);
    };
    let (mut buffer, mut patient_buffer) = ([0; 36], [0; 36]);
    let claim_uuid = uuid.text(&mut buffer);
    let record = Record {
        settings,
        patient_id: match contact {
            Some(contact) => &contact.contact_id,
            None => patient.hyphenated().encode_lower(&mut patient_buffer),
        },
        claim_id: code,
        claim_uuid,
        dates,
    };
    let body = to_json(&record).map_err(|_| vec![Issue::fatal(NAME, "the record could not be written")])?;
    Ok(Mapped { body, idempotency_key: ["claim/", claim_uuid].concat(), warnings: issues })
}

/// The claim's day in the settings' calendar and as milliseconds.
struct Dates {
    year: i32,
    month: u8,
    day: u8,
    midnight_ms: i64,
}

impl ClaimResponse<'_> {
    /// The day of the document.
    fn day(&self) -> Option<&str> {
        plain(&self.created)
    }

    /// Refuses what is no answer to a claim, or holds no more. openIMIS writes `active` and `claim`; others may say neither.
    fn refuse_modifiers(&self, issues: &mut Vec<Issue>) {
        const STATUSES: &[&str] = &["cancelled", "draft", "entered-in-error"];
        const USES: &[&str] = &["preauthorization", "predetermination"];
        let why = "nobody is asked about it";
        expect_code(&self.status, "active", STATUSES, "ClaimResponse.status", why, issues);
        let why = "the care is not given yet";
        expect_code(&self.usage, "claim", USES, "ClaimResponse.use", why, issues);
        refuse_extension(&self.modifier_extension, NAME, issues);
        refuse_rules(&self.implicit_rules, NAME, issues);
    }

    /// openIMIS writes the claim's uuid three times: identifier `UUID`, `id` and `request`. The first one that is there counts;
    /// the seed documents hold a sample whose `request` differs, so a disagreement is a warning that names all.
    fn claim_uuid(&self, issues: &mut Vec<Issue>) -> Option<ClaimUuid> {
        let mut unused = Vec::new();
        let named = [
            ("identifier", identifier(&self.identifier, UUID, self.day()).and_then(ClaimUuid::parse)),
            ("id", self.id.value().and_then(|id| ClaimUuid::parse(&id.0))),
            (
                "request",
                self.request
                    .value()
                    .and_then(|request| request.uuid("", CLAIM_TYPES, &self.contained, &mut unused))
                    .map(ClaimUuid::from),
            ),
        ];
        let mut found = named.iter().filter_map(|(name, uuid)| uuid.map(|uuid| (name, uuid)));
        let Some((taken_from, uuid)) = found.next() else {
            let expected = "openIMIS' uuid of the claim in the identifier of type UUID, in id or in request";
            let value = identifier(&self.identifier, UUID, self.day());
            let found = value.map(shape_of).or_else(|| unusable_identifier(&self.identifier, UUID));
            let what = match (&self.id, found) {
                (Node::Absent, None) => Issue::missing("ClaimResponse.id", expected),
                (Node::Value(id), _) => Issue::unusable("ClaimResponse.id", expected, shape_of(&id.0)),
                (Node::Other(kind), _) => Issue::unusable("ClaimResponse.id", expected, kind),
                (Node::Absent, Some(found)) => {
                    Issue::unusable("ClaimResponse.identifier.where(type.coding.code = 'UUID').value", expected, found)
                }
            };
            issues.push(what);
            return None;
        };
        let mut others = found.filter(|(_, other)| *other != uuid).peekable();
        if let Some((first, _)) = others.peek() {
            let path = if **first == "id" { "ClaimResponse.id" } else { "ClaimResponse.request" };
            let (mut buffer, mut other_buffer) = ([0; 36], [0; 36]);
            let uuid = uuid.text(&mut buffer);
            let mut text = [taken_from, " says ", uuid].concat();
            for (name, other) in others {
                text.extend([", ", name, " says ", other.text(&mut other_buffer)]);
            }
            text.extend(["; ", uuid, " was taken as the claim's uuid"]);
            issues.push(Issue::error(IssueType::Conflict, path, text).as_warning());
        }
        Some(uuid)
    }

    /// openIMIS lists a total for each status a claim has reached; a rejected claim is complete and has none.
    /// (Its items' adjudications say "rejected" of entered claims as well.)
    fn claim_status(&self) -> Option<ClaimStatus> {
        let reached = self.total.items().filter_map(|total| total.category.value()).flat_map(CodeableConcept::codes);
        let highest = reached
            .filter_map(|code| match code {
                "2" => Some(ClaimStatus::Entered),
                "4" => Some(ClaimStatus::Checked),
                "8" => Some(ClaimStatus::Processed),
                "16" => Some(ClaimStatus::Valuated),
                _ => None,
            })
            .max();
        let complete = self.outcome.value().is_some_and(|outcome| outcome.0 == "complete");
        highest.or((complete && matches!(self.total, Node::Absent)).then_some(ClaimStatus::Rejected))
    }

    fn code(&self, claim_date: Option<&str>, issues: &mut Vec<Issue>) -> Option<&str> {
        const PATH: &str = "ClaimResponse.identifier.where(type.coding.code = 'Code').value";
        let code = identifier(&self.identifier, CODE, claim_date.or(self.day()));
        if code.is_none() {
            let expected = "the claim's code";
            issues.push(match (&self.identifier, unusable_identifier(&self.identifier, CODE)) {
                (Node::Other(kind), _) => Issue::unusable("ClaimResponse.identifier", "a list of identifiers", kind),
                (_, Some(found)) => Issue::unusable(PATH, expected, found),
                _ => Issue::missing(PATH, expected),
            });
        }
        code
    }

    fn dates(
        &self,
        claim_date: Option<&str>,
        settings: &Settings,
        offset: Offset,
        issues: &mut Vec<Issue>,
    ) -> Option<Dates> {
        const EXPECTED: &str = "the claim's day, as 2025-08-25 or as a date and time";
        let (path, text) = match claim_date {
            Some(text) => ("Claim.created", text),
            None => {
                let path = "ClaimResponse.created";
                (path, self.created.require(path, EXPECTED, issues)?.0.as_ref())
            }
        };
        let date = day(text, offset).map_err(|found| issues.push(Issue::unusable(path, EXPECTED, found))).ok()?;
        let dates = in_calendar(date, settings.calendar)
            .and_then(|(year, month, day)| Some(Dates { year, month, day, midnight_ms: midnight_ms(date, offset)? }));
        if dates.is_none() {
            let expected = match settings.calendar {
                Calendar::BikramSambat => {
                    let (first, last) = (bikram_sambat::FIRST, bikram_sambat::LAST);
                    format!("a day that the Bikram Sambat calendar covers, {first} to {last}")
                }
                Calendar::Gregorian => "a day up to 9999-12-30".to_owned(),
            };
            issues.push(Issue::unusable(path, &expected, date));
        }
        dates
    }
}

fn in_calendar(date: Date, calendar: Calendar) -> Option<(i32, u8, u8)> {
    match calendar {
        Calendar::BikramSambat => bikram_sambat::from_gregorian(date).map(|bs| (i32::from(bs.year), bs.month, bs.day)),
        Calendar::Gregorian => Some((date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())),
    }
}

/// Body of `POST /api/v2/records`. Strings but for the date: CHT takes a number in a string's field, and a string in a date's field, with a
/// 200, and notes an error in the report or shows "Invalid date".
struct Record<'a> {
    settings: &'a Settings,
    patient_id: &'a str,
    claim_id: &'a str,
    claim_uuid: &'a str,
    dates: Dates,
}

#[derive(Serialize)]
struct Meta<'a> {
    form: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    locale: &'a str,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Settings { form, fields, locale, .. } = self.settings;
        let mut record = serializer.serialize_map(None)?;
        record.serialize_entry("_meta", &Meta { form, locale })?;
        record.serialize_entry(&fields.patient_id, self.patient_id)?;
        record.serialize_entry(&fields.claim_id, self.claim_id)?;
        record.serialize_entry(&fields.claim_uuid, self.claim_uuid)?;
        record.serialize_entry(&fields.year, &self.dates.year.to_string())?;
        record.serialize_entry(&fields.month, &self.dates.month.to_string())?;
        record.serialize_entry(&fields.day, &self.dates.day.to_string())?;
        if !fields.date.is_empty() {
            record.serialize_entry(&fields.date, &self.dates.midnight_ms)?;
        }
        record.end()
    }
}
