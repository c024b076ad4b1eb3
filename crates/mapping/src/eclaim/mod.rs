//! A hospital's claim, or the encounter that it is made of, to the FHIR `Claim` that openIMIS takes.

mod acts;
mod agreement;
pub mod answer;
mod cover;
mod dates;
mod diagnoses;
mod identity;
mod insuree;
mod known;
mod lines;
mod parties;
mod places;
mod products;
mod references;
mod settings;
mod source;
mod status;
mod unread;
mod visit;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::Offset;

use crate::bundle::{Documents, Entry};
use crate::fhir::elements::each;
use crate::fhir::primitives::{offset, plain, shape_of};
use crate::issue::{Issue, IssueType};
use crate::lookup::{Answer, Outcome, Questions};
use source::{Claim, Encounter};

pub use agreement::agreement;
pub(crate) use dates::zone;
pub(crate) use known::openimis_code;
pub use settings::{FacilityRow, Icd10, ItemKind, ItemRow, Settings, WithoutCoverage};

/// Visits hold encounters, which may hold others: more levels than anybody has.
const MAX_LEVELS: usize = 12;
/// Longest guarantee that openIMIS holds.
const MAX_GUARANTEE: usize = 50;

/// What can be told of a claim before it is mapped, and even if it cannot be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope {
    /// The claim's code in openIMIS, which is the same whenever the same encounter is sent.
    pub claim_code: Option<String>,
}

/// Reads the [`Envelope`]; never fails.
pub fn envelope(document: &str, settings: &Settings) -> Envelope {
    let mut issues = Vec::new();
    let Ok(documents) = Documents::read(document, &["Claim"], &mut issues) else { return Envelope::default() };
    let subject = Subject::of(&documents, &mut issues);
    Envelope { claim_code: subject.code(&documents, settings, &mut issues) }
}

/// Turns what a hospital sends into the body of openIMIS' `POST Claim/`.
///
/// # Shapes
/// `document`: a FHIR R4 `Claim`, or a `Bundle` with one, or a `Bundle` with an `Encounter` and what was done in it. `received`: FHIR
/// `dateTime` at which it came in; a claim without `created` is of that day, and nothing may be later. `known`: what openIMIS said to the
/// look-ups that an earlier call asked for. Returns a `Claim` with openIMIS' uuids, codes and a total.
/// # Units
/// Days are those of the clock at `utc_offset_minutes`. Amounts and quantities are decimals with two places.
/// # Errors
/// All problems at once, when everything is looked up.
/// # Source
/// openIMIS: `api_fhir_r4/converters/claimConverter.py`. Cases: `wit/cases/claim/`.
pub fn map(document: &str, received: Option<&str>, known: &[Answer], settings: &Settings) -> Outcome {
    let mut issues = Vec::new();
    let documents = match Documents::read(document, &["Claim"], &mut issues) {
        Ok(documents) => documents,
        Err(fatal) => return Outcome::Issues(fatal),
    };
    let Some(offset) = offset(settings.utc_offset_minutes) else {
        let text = "setting utc_offset_minutes: expected -1080 to 1080";
        return Outcome::Issues(vec![Issue::error(IssueType::BusinessRule, "", text)]);
    };
    let subject = Subject::of(&documents, &mut issues);
    let offset = dates::clock(&documents, &subject, offset);
    let questions = Questions::new(known);
    let mut work = Work { documents: &documents, settings, offset, days: None, issues, questions };
    let unreadable = subject.claim.is_none() && documents.of("Claim").next().is_some();
    if unreadable || (subject.claim.is_none() && subject.encounter.is_none()) {
        documents.explain(&mut work.issues);
        return work.questions.outcome(None, work.issues);
    }
    let parts = work.parts(&subject, received);
    let Work { mut issues, questions, .. } = work;
    let mapped = parts.and_then(|parts| write::claim(&parts, &mut issues));
    documents.explain(&mut issues);
    questions.outcome(mapped, issues)
}

/// The claim and the encounter that the document is about.
struct Subject<'w> {
    claim: Option<(&'w Entry<'w>, Claim<'w>)>,
    encounter: Option<(&'w Entry<'w>, Encounter<'w>)>,
    /// The encounter and those that are part of it, by their places in the document.
    encounters: BTreeSet<usize>,
}

/// What a call works with.
struct Work<'w> {
    documents: &'w Documents<'w>,
    settings: &'w Settings,
    offset: Offset,
    /// The days that are billed, once they are known.
    days: Option<(Date, Date)>,
    issues: Vec<Issue>,
    questions: Questions<'w>,
}

/// What openIMIS' claim is written from.
struct Parts<'w> {
    code: String,
    visit_type: &'static str,
    insuree: String,
    dates: dates::Dates,
    enterer: String,
    provider: String,
    diagnoses: Vec<String>,
    coverage: Option<String>,
    lines: Vec<lines::Line>,
    currency: String,
    notes: Vec<(&'static str, &'w str)>,
}

impl<'w> Work<'w> {
    /// Reads everything, so that all problems come up; none if something is missing.
    fn parts(&mut self, subject: &'w Subject<'w>, received: Option<&str>) -> Option<Parts<'w>> {
        self.check_status(subject);
        let code = subject.code(self.documents, self.settings, &mut self.issues);
        let visit_type = self.visit_type(subject);
        let insuree = self.insuree(subject);
        let dates = self.dates(subject, received);
        self.days = dates.as_ref().map(|dates| (dates.start, dates.end));
        self.check_patient(subject);
        let facility = self.facility(subject);
        let enterer = self.enterer(subject, facility.as_ref());
        let diagnoses = self.diagnoses(subject);
        let coverage = self.coverage(subject, insuree.as_ref(), dates.as_ref());
        let (lines, currency) = self.lines(subject);
        self.check_total(subject, &lines);
        let notes = self.notes(subject);
        Some(Parts {
            code: code?,
            visit_type,
            insuree: insuree?.uuid,
            dates: dates?,
            enterer: enterer?,
            provider: facility?.uuid?,
            diagnoses,
            coverage,
            lines,
            currency,
            notes,
        })
    }

    fn error(&mut self, code: IssueType, path: impl Into<String>, text: impl Into<String>) {
        self.issues.push(Issue::error(code, path.into(), text));
    }

    /// openIMIS' own words for what goes beside a claim; everything else has no place there.
    fn notes(&mut self, subject: &'w Subject<'w>) -> Vec<(&'static str, &'w str)> {
        let Some((entry, claim)) = &subject.claim else { return Vec::new() };
        let path = format!("{}.supportingInfo", entry.path);
        let mut notes: Vec<(&'static str, &str)> = Vec::new();
        for (path, info) in each(&claim.supporting_info, &path, "supporting information", &mut self.issues) {
            let category = info.category.value();
            let is = |code: &&&str| category.is_some_and(|category| category.codes().any(|found| found == **code));
            match (["guarantee", "explanation"].iter().find(is), plain(&info.value_string)) {
                (Some(&"guarantee"), Some(text)) if text.chars().count() > MAX_GUARANTEE => {
                    let expected = format!("a guarantee of up to {MAX_GUARANTEE} characters, as openIMIS holds");
                    self.issues.push(Issue::unusable(format!("{path}.valueString"), &expected, shape_of(text)));
                }
                (Some(code), Some(text)) if notes.iter().all(|(other, _)| other != code) => notes.push((code, text)),
                _ => {
                    let text = "openIMIS has a place for guarantee and explanation, once and as text; left out";
                    self.issues.push(Issue::error(IssueType::NotSupported, path, text).as_warning());
                }
            }
        }
        notes
    }
}

impl<'w> Subject<'w> {
    fn of(documents: &'w Documents<'w>, issues: &mut Vec<Issue>) -> Self {
        let claims: Vec<&Entry> = documents.of("Claim").collect();
        for other in claims.iter().skip(1) {
            let text = format!("a second claim beside {}; expected one", claims[0].path);
            issues.push(Issue::error(IssueType::Conflict, other.path.clone(), text));
        }
        let claim = claims.first().and_then(|entry| Some((*entry, documents.parse::<Claim>(entry, issues)?)));
        let wholes = wholes(documents);
        let encounter = encounter(documents, claim.as_ref(), &wholes, issues);
        let mut encounters = encounter.map(|entry| parts_of(entry.index, &wholes)).unwrap_or_default();
        encounters.retain(|index| {
            let part = &documents.entries[*index];
            encounter.is_some_and(|whole| whole.index == *index) || is_visit(documents, part, issues)
        });
        let encounter = encounter.and_then(|entry| Some((entry, documents.parse::<Encounter>(entry, issues)?)));
        if claim.is_none() && encounter.is_none() && issues.iter().all(|issue| issue.severity > crate::Severity::Error)
        {
            issues.push(Issue::missing("Bundle.entry", "a Claim or an Encounter"));
        }
        Self { claim, encounter, encounters }
    }

    /// FHIRPath of an element of the claim; where there is none, of the claim that is written.
    fn of_claim(&self, element: &str) -> String {
        self.claim.as_ref().map_or(format!("Claim.{element}"), |(entry, _)| format!("{}.{element}", entry.path))
    }

    /// FHIRPath of an element of the claim, or of one of the encounter that stands in for it.
    fn of_either(&self, claim: &str, encounter: &str) -> String {
        match (&self.claim, &self.encounter) {
            (None, Some((entry, _))) => format!("{}.{encounter}", entry.path),
            _ => self.of_claim(claim),
        }
    }
}

/// Each encounter of the document, and the one of the document that it is part of.
fn wholes(documents: &Documents) -> BTreeMap<usize, Option<usize>> {
    let whole = |entry: &Entry| {
        let encounter = documents.parse::<Encounter>(entry, &mut Vec::new())?;
        let whole = documents.resolve(encounter.part_of.value()?, entry, &["Encounter"])?;
        Some(whole.index)
    };
    documents
        .entries
        .iter()
        .filter(|entry| entry.kind == "Encounter")
        .map(|entry| (entry.index, whole(entry)))
        .collect()
}

/// Whether a part of the encounter took place. One that did not is told.
fn is_visit(documents: &Documents, part: &Entry, issues: &mut Vec<Issue>) -> bool {
    let Some(encounter) = documents.parse::<Encounter>(part, &mut Vec::new()) else { return false };
    let status = plain(&encounter.status).and_then(|status| status::NOT_A_VISIT.iter().find(|known| **known == status));
    if let Some(status) = status {
        let text = format!("a part of the visit of status {status}; what was done in it is not claimed");
        issues.push(Issue::error(IssueType::BusinessRule, format!("{}.status", part.path), text).as_warning());
    }
    status.is_none()
}

/// An encounter and those that are part of it, or of a part: OpenMRS' visits hold encounters.
fn parts_of(encounter: usize, wholes: &BTreeMap<usize, Option<usize>>) -> BTreeSet<usize> {
    let mut parts = BTreeSet::from([encounter]);
    for _ in 0..MAX_LEVELS {
        let before = parts.len();
        let of_parts = wholes.iter().filter(|(_, whole)| whole.is_some_and(|whole| parts.contains(&whole)));
        let more: Vec<usize> = of_parts.map(|(part, _)| *part).collect();
        parts.extend(more);
        if parts.len() == before {
            break;
        }
    }
    parts
}

/// The encounter of the claim's items, or the document's only one that is no part of another.
fn encounter<'w>(
    documents: &'w Documents<'w>,
    claim: Option<&(&'w Entry<'w>, Claim<'w>)>,
    wholes: &BTreeMap<usize, Option<usize>>,
    issues: &mut Vec<Issue>,
) -> Option<&'w Entry<'w>> {
    if let Some((entry, claim)) = claim {
        let mut encounters = claim.item.items().flat_map(|item| item.encounter.items());
        if let Some(found) = encounters.find_map(|reference| documents.resolve(reference, entry, &["Encounter"])) {
            return Some(found);
        }
    }
    let is_root = |entry: &&Entry| wholes.get(&entry.index).is_some_and(Option::is_none);
    let mut roots = documents.of("Encounter").filter(is_root);
    let first = roots.next()?;
    for other in roots {
        let text = format!("another encounter beside {}; expected one, or those that are part of it", first.path);
        issues.push(Issue::error(IssueType::Conflict, other.path.clone(), text));
    }
    Some(first)
}
