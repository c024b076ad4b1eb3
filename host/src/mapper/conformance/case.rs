//! A case: a folder with `input.json`, what else goes in, and what must come out; or the same out of the program itself.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use mapping::claim_response::ContactLink;
use mapping::{MapResult, claim_response, feedback, patient};
use serde::de::DeserializeOwned;

use super::super::Interface;
use super::expected::{self, Shown};

/// Mapping, case, files with their contents.
type Table = &'static [(&'static str, &'static str, &'static [(&'static str, &'static str)])];
/// Written by build.rs from `tests/fixtures`.
static BUILT_IN: Table = include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// What may stand beside `input.json`.
const FURTHER: [&str; 7] = [
    "settings.json",
    "contact.json",
    "claim-date.json",
    "insuree.json",
    "locations.json",
    expected::DOCUMENT,
    expected::ISSUES,
];

/// One input of a mapping.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of which mapping.
    pub interface: Interface,
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
}

/// A folder of cases that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub struct CaseError(PathBuf, String);

impl Case {
    /// The inputs that the program carries.
    pub fn built_in(interface: Interface) -> Vec<Self> {
        let of_it = BUILT_IN.iter().filter(|(mapping, ..)| *mapping == interface.name());
        let made = of_it.map(|(_, name, files)| {
            let files = files.iter().map(|(file, text)| (*file, Cow::Borrowed(*text))).collect();
            Self::new(interface, (*name).to_owned(), files)
        });
        made.filter_map(Result::ok).collect() // the tests see to it that each can be read
    }

    /// An input alone, everything else as by default.
    pub(super) fn input_only(interface: Interface, name: &str, input: String) -> Option<Self> {
        Self::new(interface, name.to_owned(), vec![("input.json", input.into())]).ok()
    }

    /// The cases of a mapping in a folder: `<folder>/<mapping>/<case>/`. None if the folder is not there.
    pub fn in_folder(interface: Interface, folder: &Path) -> Result<Vec<Self>, CaseError> {
        let folder = folder.join(interface.name());
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |error: std::io::Error| CaseError(folder.clone(), error.to_string());
        let entries = fs::read_dir(&folder).map_err(failed)?;
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(failed)?;
        paths.retain(|path| path.is_dir());
        paths.sort();
        paths.iter().map(|path| Self::read(interface, path)).collect()
    }

    fn read(interface: Interface, path: &Path) -> Result<Self, CaseError> {
        let failed = |file: &str, error: String| CaseError(path.join(file), error);
        let read =
            |file: &'static str| fs::read_to_string(path.join(file)).map_err(|error| failed(file, error.to_string()));
        let mut files = vec![("input.json", read("input.json")?.into())];
        for file in FURTHER.into_iter().filter(|file| path.join(file).is_file()) {
            files.push((file, read(file)?.into()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::new(interface, name, files).map_err(|(file, error)| failed(file, error))
    }

    fn new(
        interface: Interface,
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
        };
        Ok(Self { interface, name, files, with })
    }

    /// `<mapping>/<case>`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.interface.name(), self.name)
    }

    /// The document.
    pub fn input(&self) -> &str {
        self.file("input.json").unwrap_or_default()
    }

    fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, text)| text.as_ref())
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
        }
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

/// A further file's value; its default if there is none.
fn value<T: DeserializeOwned + Default>(
    files: &[(&'static str, Cow<'static, str>)],
    name: &'static str,
) -> Result<T, (&'static str, String)> {
    match files.iter().find(|(file, _)| *file == name) {
        Some((_, text)) => serde_json::from_str(text).map_err(|error| (name, error.to_string())),
        None => Ok(T::default()),
    }
}
