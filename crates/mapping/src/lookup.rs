//! What a map has to know from openIMIS and cannot look up itself: it names the look-ups, is given the answers, and is run again.

use serde::{Deserialize, Serialize};

use crate::issue::{Issue, IssueType, Severity};
use crate::{MapResult, Mapped};

/// What is looked up at openIMIS. An answer holds FHIR resources or nodes of GraphQL, whichever works: openIMIS 1.10's FHIR fails for
/// `Practitioner`, `Medication` and `ActivityDefinition` by code, and ignores what it is asked to search by. So answers are checked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Resource {
    /// Insurees, as FHIR `Patient`.
    Patient,
    /// Health facilities, as FHIR `Organization`.
    Organization,
    /// Claim administrators: nodes of GraphQL `claimAdmins`, or FHIR `Practitioner`.
    Practitioner,
    /// Medical items: nodes of GraphQL `medicalItems` with `price`, or FHIR `Medication`.
    Medication,
    /// Medical services: nodes of GraphQL `medicalServices` with `price`, or FHIR `ActivityDefinition`.
    ActivityDefinition,
    /// All policies of an insuree, by insurance number: nodes of GraphQL `policiesByInsuree`, or FHIR `Coverage`.
    Policy,
    /// Districts: nodes of GraphQL `locations`, with `id`, `uuid` and `code`.
    Location,
    /// Health facilities with all that an update has to repeat: nodes of GraphQL `healthFacilities`.
    HealthFacility,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The code that people use: an insurance number, a facility's code.
    Code,
    /// openIMIS' uuid.
    Uuid,
    /// Code of the district that it lies in.
    District,
}

/// One question to openIMIS.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// What is looked up.
    pub resource: Resource,
    /// What is looked for.
    pub by: By,
    /// The value that is looked for.
    pub value: String,
}

/// A question and its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The question, as the map asked it.
    pub lookup: Lookup,
    /// The resources that openIMIS has, each as JSON text. Empty: it has none.
    pub found: Vec<String>,
}

/// What a map says that needs to know something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The mapped document.
    Mapped(Mapped),
    /// Look these up and map again, with these answers beside the earlier ones. Each is asked once.
    Needs(Vec<Lookup>),
    /// All problems of the input. Told when nothing is left to be looked up, so that they are complete.
    Issues(Vec<Issue>),
}

impl From<MapResult> for Outcome {
    fn from(result: MapResult) -> Self {
        result.map_or_else(Self::Issues, Self::Mapped)
    }
}

/// Longest code that openIMIS holds of anything that is looked up.
pub(crate) const MAX_CODE: usize = 50;

/// Whether openIMIS may be asked for a code at all: nothing that no person would write goes into a request.
pub(crate) fn is_askable(code: &str) -> bool {
    (1..=MAX_CODE).contains(&code.chars().count()) && !code.chars().any(char::is_control)
}

/// Of what openIMIS answered to a code, what is meant: the code itself, else the one that differs in case only, as a database has it
/// that ignores case. What tells no code is not left out.
pub(crate) fn with_code<T>(found: impl Iterator<Item = T>, code: &str, of: impl Fn(&T) -> Option<String>) -> Vec<T> {
    let (mut exact, mut alike) = (Vec::new(), Vec::new());
    for one in found {
        match of(&one) {
            None => exact.push(one),
            Some(other) if other == code => exact.push(one),
            Some(other) if other.eq_ignore_ascii_case(code) => alike.push(one),
            Some(_) => {}
        }
    }
    if exact.is_empty() { alike } else { exact }
}

/// More problems than this tell nobody anything.
const MAX_ISSUES: usize = 200;

/// Asks, and remembers what has no answer yet.
pub(crate) struct Questions<'k> {
    known: &'k [Answer],
    wanted: Vec<Lookup>,
}

impl<'k> Questions<'k> {
    pub fn new(known: &'k [Answer]) -> Self {
        Self { known, wanted: Vec::new() }
    }

    /// The resources that openIMIS has; none if that is not known yet. Then the map goes on to find what else is missing.
    pub fn ask(&mut self, resource: Resource, by: By, value: &str) -> Option<&'k [String]> {
        let lookup = Lookup { resource, by, value: value.to_owned() };
        if let Some(answer) = self.known.iter().find(|answer| answer.lookup == lookup) {
            return Some(&answer.found);
        }
        if !self.wanted.contains(&lookup) {
            self.wanted.push(lookup);
        }
        None
    }

    /// The code by which something has been asked for and is not known yet.
    pub fn code_of(&self, resource: Resource) -> Option<String> {
        let asked = |lookup: &&Lookup| lookup.resource == resource && lookup.by == By::Code;
        self.wanted.iter().find(asked).map(|lookup| lookup.value.clone())
    }

    /// The outcome: look-ups first, then all issues, then the document.
    pub fn outcome(self, mapped: Option<Mapped>, mut issues: Vec<Issue>) -> Outcome {
        if !self.wanted.is_empty() {
            return Outcome::Needs(self.wanted);
        }
        shorten(&mut issues);
        let blocked = issues.iter().any(|issue| issue.severity <= Severity::Error);
        match mapped {
            Some(mapped) if !blocked => Outcome::Mapped(Mapped { warnings: issues, ..mapped }),
            _ => Outcome::Issues(issues),
        }
    }
}

/// Keeps a list of issues readable; errors stay.
pub(crate) fn shorten(issues: &mut Vec<Issue>) {
    if issues.len() <= MAX_ISSUES {
        return;
    }
    let more = issues.len() - MAX_ISSUES;
    issues.sort_by_key(|issue| issue.severity);
    issues.truncate(MAX_ISSUES);
    let text = format!("and {more} more");
    issues.push(Issue { severity: Severity::Information, ..Issue::error(IssueType::Invalid, "", text) });
}
