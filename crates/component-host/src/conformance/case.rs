//! A case: a file or folder with the document, what else goes in, and what must come out; or the same from the program itself.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use flow::ports::MapperError;
use mapping::claim_response::ContactLink;
use mapping::lookup::{Answer, By, Lookup, Outcome, Resource};
use mapping::{Issue, IssueType, MapResult, claim_response, eclaim, eligibility, facility, feedback, patient};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::Interface;
use super::expected::{self, Shown};

/// Mapping, case, sections with their texts.
type Table = &'static [(&'static str, &'static str, &'static [(&'static str, &'static str)])];
/// Written by build.rs from `wit/cases`.
static BUILT_IN: Table = include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// What openIMIS says to look-ups.
const KNOWN: &str = "known.json";
/// A mapping that goes on asking does not come to an end.
const ROUNDS: usize = 6;
/// Tells that a mapping wants to know what the case does not say.
pub(super) const LOOKS_UP: &str = "looks up ";

/// One input of a mapping.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of which mapping.
    pub interface: Interface,
    /// The folder of its cases: the mapping's name, or that of one of its functions.
    folder: &'static str,
    name: String,
    files: Vec<(&'static str, Cow<'static, str>)>,
    /// What goes in.
    pub with: With,
}

/// What goes in beside the document.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the parameters of the three functions
pub enum With {
    ClaimResponse { date: Option<String>, contact: Option<ContactLink>, settings: claim_response::Settings },
    Feedback { insuree: Option<String>, settings: feedback::Settings },
    Patient { locations: Vec<String>, settings: patient::Settings },
    Claim { received: Option<String>, known: Vec<Answer>, settings: Box<eclaim::Settings> },
    ClaimAnswer { sent: String, original: String, valuated: Option<String>, settings: Box<eclaim::Settings> },
    Eligibility { received: Option<String>, known: Vec<Answer>, settings: eligibility::Settings },
    Facility { known: Vec<Answer>, settings: Box<facility::Settings> },
}

/// One line of `known.json`: what openIMIS has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    resource: Resource,
    by: By,
    value: String,
    found: Vec<serde_json::Value>,
}

/// Where the cases of a mapping are.
fn folders(interface: Interface) -> &'static [&'static str] {
    match interface {
        Interface::ClaimResponse => &["claim-response"],
        Interface::Feedback => &["feedback"],
        Interface::Patient => &["patient"],
        Interface::Claim => &["claim", "claim-answer"],
        Interface::Eligibility => &["eligibility"],
        Interface::Facility => &["facility"],
    }
}

/// A folder of cases that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub struct CaseError(PathBuf, String);

impl Case {
    /// The inputs that the program carries.
    pub fn built_in(interface: Interface) -> Vec<Self> {
        let of_it = BUILT_IN.iter().filter(|(folder, ..)| folders(interface).contains(folder));
        let made = of_it.map(|(folder, name, files)| {
            let files = files.iter().map(|(file, text)| (*file, Cow::Borrowed(*text))).collect();
            Self::new(interface, folder, (*name).to_owned(), files)
        });
        made.filter_map(Result::ok).collect() // the tests see to it that each can be read
    }

    /// An input alone, everything else as by default; once for each function that takes a document.
    pub(super) fn input_only(interface: Interface, name: &str, input: &str) -> Vec<Self> {
        let files = || vec![("input.json", Cow::Owned(input.to_owned()))];
        let made = folders(interface).iter().map(|folder| Self::new(interface, folder, name.to_owned(), files()));
        made.filter_map(Result::ok).collect()
    }

    /// The cases of a mapping in a folder: `<folder>/<mapping>/<case>.txtar` or `<folder>/<mapping>/<case>/`. None if the folder is not
    /// there.
    pub fn in_folder(interface: Interface, folder: &Path) -> Result<Vec<Self>, CaseError> {
        let mut cases = Vec::new();
        for name in folders(interface) {
            cases.extend(Self::in_folder_of(interface, name, &folder.join(name))?);
        }
        Ok(cases)
    }

    fn in_folder_of(interface: Interface, name: &'static str, folder: &Path) -> Result<Vec<Self>, CaseError> {
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let cases = cases::in_folder(folder, files::text).map_err(|error| CaseError(error.path, error.problem))?;
        let case = |case: cases::Case| {
            let texts = case.sections().map(|(section, text)| (section, Cow::Owned(text.to_owned()))).collect();
            let failed = |(section, error)| CaseError(case.path().join(section), error);
            Self::new(interface, name, case.name.clone(), texts).map_err(failed)
        };
        cases.into_iter().map(case).collect()
    }

    fn new(
        interface: Interface,
        folder: &'static str,
        name: String,
        files: Vec<(&'static str, Cow<'static, str>)>,
    ) -> Result<Self, (&'static str, String)> {
        let with = match interface {
            Interface::ClaimResponse => With::ClaimResponse {
                date: value(&files, "claim-date.json")?,
                contact: value(&files, "contact.json")?,
                settings: value(&files, "settings.json")?,
            },
            Interface::Feedback => {
                With::Feedback { insuree: value(&files, "insuree.json")?, settings: value(&files, "settings.json")? }
            }
            Interface::Patient => {
                With::Patient { locations: value(&files, "locations.json")?, settings: value(&files, "settings.json")? }
            }
            Interface::Claim if folder == "claim-answer" => With::ClaimAnswer {
                sent: text(&files, "sent.json").unwrap_or("{}").to_owned(),
                original: text(&files, "original.json").unwrap_or("{}").to_owned(),
                valuated: value(&files, "valuated.json")?,
                settings: value(&files, "settings.json")?,
            },
            Interface::Claim => With::Claim {
                received: value(&files, "received.json")?,
                known: known(&files)?,
                settings: value(&files, "settings.json")?,
            },
            Interface::Eligibility => With::Eligibility {
                received: value(&files, "received.json")?,
                known: known(&files)?,
                settings: value(&files, "settings.json")?,
            },
            Interface::Facility => With::Facility { known: known(&files)?, settings: value(&files, "settings.json")? },
        };
        Ok(Self { interface, folder, name, files, with })
    }

    /// `<mapping>/<case>`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    /// The document.
    pub fn input(&self) -> &str {
        self.file("input.json").unwrap_or_default()
    }

    fn file(&self, name: &str) -> Option<&str> {
        text(&self.files, name)
    }

    /// Runs a mapping that asks for look-ups, with `known` as openIMIS. What it asks beyond that is told as issues.
    pub(in super::super) fn drive(
        &self,
        known: &[Answer],
        map: impl Fn(&[Answer]) -> Result<Outcome, MapperError>,
    ) -> Result<MapResult, MapperError> {
        let unusable = |what: &str| MapperError::Unusable(self.interface.name().to_owned(), what.to_owned());
        let mut answers: Vec<Answer> = Vec::new();
        for _ in 0..ROUNDS {
            let wanted = match map(&answers)? {
                Outcome::Mapped(mapped) => return Ok(Ok(mapped)),
                Outcome::Issues(issues) => return Ok(Err(issues)),
                Outcome::Needs(wanted) => wanted,
            };
            if wanted.is_empty() || wanted.iter().any(|lookup| answers.iter().any(|answer| answer.lookup == *lookup)) {
                return Err(unusable("it needs look-ups and names none, or one that has an answer"));
            }
            let found = |lookup: &Lookup| known.iter().find(|answer| answer.lookup == *lookup);
            let unknown: Vec<Issue> = wanted.iter().filter(|lookup| found(lookup).is_none()).map(looks_up).collect();
            if !unknown.is_empty() {
                return Ok(Err(unknown));
            }
            answers.extend(wanted.iter().filter_map(found).cloned());
        }
        Err(unusable("it goes on asking for look-ups"))
    }

    /// What the mapping that is built into the program says.
    pub(super) fn built_in_answer(&self) -> MapResult {
        let input = self.input();
        match &self.with {
            With::ClaimResponse { date, contact, settings } => {
                claim_response::map(input, date.as_deref(), contact.as_ref(), settings)
            }
            With::Feedback { insuree, settings } => feedback::map(input, insuree.as_deref(), settings),
            With::Patient { locations, settings } => patient::map(input, locations, settings),
            With::Claim { received, known, settings } => {
                self.built_in_drive(known, |known| eclaim::map(input, received.as_deref(), known, settings))
            }
            With::ClaimAnswer { sent, original, valuated, settings } => {
                eclaim::answer::map(input, sent, original, valuated.as_deref(), settings)
            }
            With::Eligibility { received, known, settings } => {
                self.built_in_drive(known, |known| eligibility::map(input, received.as_deref(), known, settings))
            }
            With::Facility { known, settings } => {
                self.built_in_drive(known, |known| facility::map(input, known, settings))
            }
        }
    }

    fn built_in_drive(&self, known: &[Answer], map: impl Fn(&[Answer]) -> Outcome) -> MapResult {
        let failed = |error: MapperError| Err(vec![Issue::fatal(self.folder, error.to_string())]);
        self.drive(known, |known| Ok(map(known))).unwrap_or_else(failed)
    }

    /// What the folder says must come out.
    pub(super) fn expected(&self) -> Result<Shown, String> {
        match (self.file(expected::DOCUMENT), self.file(expected::ISSUES)) {
            // Not `IgnoredAny`: it would take any number of brackets.
            (Some(text), None) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => Ok(Shown { file: expected::DOCUMENT, text: expected::pretty(text) }),
                Err(error) => Err(format!("{} is not JSON: {error}", expected::DOCUMENT)),
            },
            (None, Some(text)) => Ok(Shown { file: expected::ISSUES, text: text.to_owned() }),
            _ => Err(format!("expected either {} or {}", expected::DOCUMENT, expected::ISSUES)),
        }
    }
}

fn looks_up(Lookup { resource, by, value }: &Lookup) -> Issue {
    Issue::error(IssueType::NotFound, "", format!("{LOOKS_UP}{resource:?} by {by:?}: {value}"))
}

fn text<'f>(files: &'f [(&'static str, Cow<'static, str>)], name: &str) -> Option<&'f str> {
    files.iter().find(|(file, _)| *file == name).map(|(_, text)| text.as_ref())
}

/// What openIMIS says in a case.
fn known(files: &[(&'static str, Cow<'static, str>)]) -> Result<Vec<Answer>, (&'static str, String)> {
    let known: Vec<Known> = value(files, KNOWN)?;
    let answer = |known: Known| Answer {
        lookup: Lookup { resource: known.resource, by: known.by, value: known.value },
        found: known.found.iter().map(ToString::to_string).collect(),
    };
    Ok(known.into_iter().map(answer).collect())
}

/// A further file's value; its default if there is none.
fn value<T: DeserializeOwned + Default>(
    files: &[(&'static str, Cow<'static, str>)],
    name: &'static str,
) -> Result<T, (&'static str, String)> {
    match text(files, name) {
        Some(text) => serde_json::from_str(text).map_err(|error| (name, error.to_string())),
        None => Ok(T::default()),
    }
}
