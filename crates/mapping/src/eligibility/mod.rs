//! A hospital's question whether a patient is insured, and its answer from openIMIS' policies.
//!
//! openIMIS 1.10's own `CoverageEligibilityRequest` always fails, its `Coverage` cannot be searched by insuree, and one `InsurancePlan` cannot be
//! read: the answer is made of `Patient` and of GraphQL `policiesByInsuree`, which also knows what is left of a policy.

mod settings;
mod write;

use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;

use crate::Mapped;
use crate::bundle::{Documents, Entry};
use crate::eclaim::zone;
use crate::fhir::codes::{CODE, UUID};
use crate::fhir::elements::{Concept, List, MANY, Reference, each, of_openimis};
use crate::fhir::period::Period;
use crate::fhir::primitives::{day, offset, optional_day, plain, shape_of, uuid};
use crate::in_use::best;
use crate::insured::{Patient, insurance_number, unnamed};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Text, document, object_shape};
use crate::lookup::{Answer, By, Lookup, MAX_CODE, Outcome, Questions, Resource, is_askable, with_code};
use crate::policy::policies;
use crate::shapes::told;

pub use settings::Settings;

const NAME: &str = "CoverageEligibilityRequest";
/// FHIR's purposes of a question.
const PURPOSES: [&str; 4] = ["auth-requirements", "benefits", "discovery", "validation"];

#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    status: Node<Text<'a>>,
    #[serde(borrow, default)]
    purpose: List<Text<'a>>,
    #[serde(borrow, default)]
    patient: Node<Reference<'a>>,
    #[serde(borrow, default, rename = "servicedDate")]
    serviced_date: Node<Text<'a>>,
    #[serde(borrow, default, rename = "servicedPeriod")]
    serviced_period: Node<Period<'a>>,
    #[serde(borrow, default)]
    created: Node<Text<'a>>,
    #[serde(borrow, default)]
    insurance: List<Insurance<'a>>,
    #[serde(borrow, default)]
    item: List<Asked<'a>>,
}

#[derive(Debug, Deserialize)]
struct Insurance<'a> {
    #[serde(borrow, default)]
    coverage: Node<Reference<'a>>,
}

#[derive(Debug, Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default, rename = "productOrService")]
    _product: Node<Concept<'a>>,
}

object_shape!(Request, Insurance, Asked);
told! {
    Request { id, status, purpose, patient, serviced_date, serviced_period, created, insurance }
    Insurance { coverage }
}

/// Turns a FHIR `CoverageEligibilityRequest` (or a `Bundle` with one) into the `CoverageEligibilityResponse` that answers it.
///
/// # Shapes
/// `received`: FHIR `dateTime` at which the question came in: the day it is about, where it names none. `known`: what openIMIS said.
/// # Units
/// Amounts have two decimals. What is left of a policy is openIMIS' own figure.
/// # Errors
/// Other JSON; no patient; no insurance number. That openIMIS does not know the insuree is an answer, not an error.
/// # Source
/// Cases: `wit/cases/eligibility/`.
pub fn map(request: &str, received: Option<&str>, known: &[Answer], settings: &Settings) -> Outcome {
    let mut issues = Vec::new();
    let documents = match Documents::read(request, &[NAME], &mut issues) {
        Ok(documents) => documents,
        Err(fatal) => return Outcome::Issues(fatal),
    };
    let mut questions = Questions::new(known);
    let mapped = answer(&documents, received, &mut questions, settings, &mut issues);
    documents.explain(&mut issues);
    questions.outcome(mapped, issues)
}

fn answer(
    documents: &Documents,
    received: Option<&str>,
    questions: &mut Questions,
    settings: &Settings,
    issues: &mut Vec<Issue>,
) -> Option<Mapped> {
    let Some(offset) = offset(settings.utc_offset_minutes) else {
        let text = "setting utc_offset_minutes: expected -1080 to 1080";
        issues.push(Issue::error(IssueType::BusinessRule, "", text));
        return None;
    };
    let mut requests = documents.of(NAME);
    let Some(entry) = requests.next() else {
        issues.push(Issue::missing("Bundle.entry", NAME));
        return None;
    };
    if let Some(other) = requests.next() {
        let text = format!("a second question beside {}; expected one", entry.path);
        issues.push(Issue::error(IssueType::Conflict, other.path.clone(), text));
    }
    let request: Request = documents.parse(entry, issues)?;
    documents.heed(entry, issues);
    check(&request, entry, issues);
    let created = plain(&request.created).and_then(zone);
    let offset = created.filter(|_| offset == Offset::UTC).unwrap_or(offset);
    let today = received.and_then(|text| day(text, offset).ok());
    let on = day_asked(&request, &entry.path, today, offset, issues);
    let (patient, lookup) = asked_patient(documents, entry, &request, settings, issues)?;
    let mut answer = write::Answer {
        request: entry.name(),
        patient,
        purpose: PURPOSES
            .into_iter()
            .filter(|known| request.purpose.items().any(|asked| asked.trimmed() == *known))
            .collect(),
        on: on?,
        created: today.or(on)?,
        insuree: None,
        covers: Vec::new(),
        currency: &settings.currency,
    };
    let found = questions.ask(lookup.resource, lookup.by, &lookup.value)?;
    // openIMIS' FHIR answers with everything where it does not know what it is asked to search by.
    let meant = match lookup.by {
        By::Code => with_code(found.iter(), &lookup.value, |text| crate::eclaim::openimis_code(text)),
        _ => found.iter().collect(),
    };
    if let Some(text) = meant.first() {
        let insuree = insuree(text, issues)?;
        let (uuid, number) = insuree;
        let found = questions.ask(Resource::Policy, By::Code, &number)?;
        answer.covers = policies(found, &[&uuid, &number], answer.on, offset);
        answer.insuree = Some(uuid);
    }
    let key = format!("eligibility/{}", plain(&request.id).unwrap_or("unnamed"));
    match answer.to_json() {
        Ok(body) => Some(Mapped { body, idempotency_key: key, warnings: Vec::new() }),
        Err(_) => {
            issues.push(Issue::fatal(NAME, "the answer could not be written"));
            None
        }
    }
}

/// Whether the question is asked at all, and what for.
fn check(request: &Request, entry: &Entry, issues: &mut Vec<Issue>) {
    if let Some(status) = plain(&request.status).filter(|status| *status != "active") {
        let known = ["cancelled", "draft", "entered-in-error"];
        let found = known.iter().find(|known| **known == status).unwrap_or(&"something else");
        let text = format!("the question is not asked, or not any more; expected active; found {found}");
        issues.push(Issue::error(IssueType::BusinessRule, format!("{}.status", entry.path), text));
    }
    let is_known = request.purpose.items().any(|asked| PURPOSES.contains(&asked.trimmed()));
    for (path, purpose) in each(&request.purpose, &format!("{}.purpose", entry.path), "purposes", issues) {
        if !PURPOSES.contains(&purpose.trimmed()) {
            let issue = Issue::unusable(path, &PURPOSES.join(", "), shape_of(&purpose.0));
            issues.push(if is_known { issue.as_warning() } else { issue });
        }
    }
    if request.item.items().next().is_some() {
        let text = "openIMIS' answer is about policies, not about single items; see what is left of them";
        let issue = Issue::error(IssueType::NotSupported, format!("{}.item", entry.path), text);
        issues.push(Issue { severity: Severity::Information, ..issue });
    }
}

/// The day that is asked about: that of the service, else the one on which the question came in or was made.
fn day_asked(
    request: &Request,
    path: &str,
    today: Option<Date>,
    offset: Offset,
    issues: &mut Vec<Issue>,
) -> Option<Date> {
    let before = issues.len();
    let start = request.serviced_period.value().map(|period| &period.start);
    let named = [(&request.serviced_date, "servicedDate"), (start.unwrap_or(&Node::Absent), "servicedPeriod.start")]
        .into_iter()
        .find_map(|(node, name)| optional_day(node, &format!("{path}.{name}"), offset, issues));
    let created = || optional_day(&request.created, &format!("{path}.created"), offset, &mut Vec::new());
    let found = named.or(today).or_else(created).filter(|_| issues.len() == before);
    if found.is_none() && issues.len() == before {
        issues.push(Issue::missing(format!("{path}.created"), "the day that is asked about"));
    }
    found
}

/// How the hospital names the patient, and how openIMIS is asked for the insuree.
fn asked_patient(
    documents: &Documents,
    entry: &Entry,
    request: &Request,
    settings: &Settings,
    issues: &mut Vec<Issue>,
) -> Option<(Option<String>, Lookup)> {
    let path = format!("{}.patient", entry.path);
    let reference = match &request.patient {
        Node::Value(reference) => reference,
        Node::Absent => {
            issues.push(Issue::missing(path, "a reference to the patient, or an insurance number in its identifier"));
            return None;
        }
        Node::Other(kind) => {
            issues.push(Issue::unusable(path, "a reference to the patient", kind));
            return None;
        }
    };
    let resource = documents.resolve(reference, entry, &["Patient"]);
    let parsed: Option<Patient> = resource.and_then(|entry| documents.parse(entry, issues));
    let patient = parsed.as_ref();
    if let Some(entry) = resource {
        documents.heed(entry, issues);
    }
    let named = match resource {
        Some(entry) => entry.name(),
        None => plain(&reference.reference).filter(|text| !text.starts_with('#')).map(str::to_owned),
    };
    let identifiers = || {
        let of_patient = patient.into_iter().flat_map(|patient| patient.identifier.items());
        reference.identifier.value().into_iter().chain(of_patient)
    };
    let of = |code: &str| best(identifiers(), documents.day.as_deref(), |found| found.of_openimis(code));
    let where_it_is = resource.map_or(path.clone(), |entry| format!("{}.identifier", entry.path));
    let mut number = || {
        let coverages = request.insurance.items().take(MANY).filter_map(|insurance| insurance.coverage.value());
        let coverages: Vec<&Entry> =
            coverages.filter_map(|reference| documents.resolve(reference, entry, &["Coverage"])).collect();
        for entry in &coverages {
            documents.heed(entry, issues);
        }
        insurance_number(&settings.insurance_number, patient, reference, documents, &coverages)
    };
    let number = match of(CODE) {
        Some(code) => Ok(Some(code.to_owned())),
        None => number(),
    };
    let lookup = match (of(UUID).and_then(uuid), number) {
        (Some(uuid), _) => Lookup { resource: Resource::Patient, by: By::Uuid, value: uuid.to_string() },
        (None, Ok(Some(number))) if is_askable(&number) => {
            Lookup { resource: Resource::Patient, by: By::Code, value: number }
        }
        (None, Ok(Some(number))) => {
            let expected = format!("an insurance number of up to {MAX_CODE} characters, as openIMIS holds");
            issues.push(Issue::unusable(where_it_is, &expected, shape_of(&number)));
            return None;
        }
        (None, Ok(None)) => {
            issues.push(unnamed(&path, reference, resource.zip(patient), &settings.insurance_number));
            return None;
        }
        (None, Err(count)) => {
            let text = format!("{count} different insurance numbers; expected one");
            issues.push(Issue::error(IssueType::Conflict, where_it_is, text));
            return None;
        }
    };
    Some((named, lookup))
}

/// openIMIS' uuid and insurance number of the insuree.
fn insuree(text: &str, issues: &mut Vec<Issue>) -> Option<(String, String)> {
    let patient = document::<Patient>(text, "Patient").ok();
    let found = patient.and_then(|patient| {
        let number = of_openimis(&patient.identifier, CODE, None).map(str::to_owned);
        let named = of_openimis(&patient.identifier, UUID, None);
        let uuid = named.or_else(|| plain(&patient.id)).and_then(uuid)?;
        Some((uuid.to_string(), number?))
    });
    if found.is_none() {
        issues.push(Issue::error(
            IssueType::Structure,
            "Patient",
            "openIMIS' answer holds no uuid and insurance number of the insuree",
        ));
    }
    found
}
