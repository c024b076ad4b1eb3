//! Cases of mappings: what goes into a mapping and what must come out.
//!
//! The cases of one mapping lie in one folder. A case is a file `<case>.txtar` with sections, or a folder `<case>/` with a file for each
//! section. `wit/cases/README.md` describes the format. The caller reads the files, because callers differ in what they accept.
//!
//! # Layout
//! - [`in_folder`]: the cases of a mapping.
//! - [`archive`]: the text of a case file.
//! - [`seeds`]: inputs for a fuzzer.
#![forbid(unsafe_code)]

pub mod archive;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// The document that a mapping reads. Every case has it.
pub const INPUT: &str = "input.json";
/// The mapped document with its key and warnings.
pub const EXPECTED: &str = "expected.json";
/// The issues of a document that cannot be mapped, one on each line.
pub const ISSUES: &str = "error.txt";

/// The sections that a case may have, in the order in which they are written.
pub const SECTIONS: [&str; 13] = [
    INPUT,
    "settings.json",
    "contact.json",
    "claim-date.json",
    "insuree.json",
    "locations.json",
    "known.json",
    "received.json",
    "sent.json",
    "original.json",
    "valuated.json",
    EXPECTED,
    ISSUES,
];

/// The extension of a case file.
const EXTENSION: &str = ".txtar";

/// A case: a name, and sections with their texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
    /// The name of the file without its extension, or the name of the folder.
    pub name: String,
    path: PathBuf,
    sections: BTreeMap<usize, String>,
}

impl Case {
    /// The text of a section, also where the case shares it with the other cases of its folder.
    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections.get(&index(name)?).map(String::as_str)
    }

    /// All sections by their names, in the order of [`SECTIONS`].
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.sections.iter().map(|(index, text)| (SECTIONS[*index], text.as_str()))
    }

    /// The file of the case, or its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A case that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Error {
    fn new(path: impl Into<PathBuf>, problem: impl fmt::Display) -> Self {
        Self { path: path.into(), problem: problem.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for Error {}

/// Reads the cases of a mapping, sorted by name. Names that begin with a dot are skipped: Kubernetes mounts folders under such names.
///
/// # Errors
/// A folder or file that `read` cannot read, a file that is not in the format, or a case without an input.
pub fn in_folder(folder: &Path, read: impl Fn(&Path) -> Result<String, String>) -> Result<Vec<Case>, Error> {
    select(folder, |_| true, read)
}

/// Reads one case of a folder; none if the folder has no case of this name.
///
/// # Errors
/// Those of [`in_folder`].
pub fn one(folder: &Path, name: &str, read: impl Fn(&Path) -> Result<String, String>) -> Result<Option<Case>, Error> {
    select(folder, |other| other == name, read).map(|cases| cases.into_iter().next())
}

fn select(
    folder: &Path,
    is_wanted: impl Fn(&str) -> bool,
    read: impl Fn(&Path) -> Result<String, String>,
) -> Result<Vec<Case>, Error> {
    let text = |path: PathBuf| read(&path).map_err(|problem| Error::new(&path, problem));
    let names = names(folder)?;
    let mut shared = BTreeMap::new();
    for (index, section) in SECTIONS.iter().enumerate() {
        if ![INPUT, EXPECTED, ISSUES].contains(section) && names.contains(*section) {
            shared.insert(index, text(folder.join(section))?);
        }
    }
    let mut cases: BTreeMap<&str, Case> = BTreeMap::new();
    for entry in &names {
        let path = folder.join(entry);
        let name = entry.strip_suffix(EXTENSION).unwrap_or(entry);
        if !is_wanted(name) {
            continue;
        }
        let mut sections = if path.is_dir() {
            separate(&path, &self::names(&path)?, "", &text)?
        } else if name != entry {
            let mut sections = separate(folder, &names, &format!("{name}."), &text)?;
            for (section, text) in archive::parse(&text(path.clone())?).map_err(|problem| Error::new(&path, problem))? {
                if sections.insert(section, text.to_owned()).is_some() {
                    return Err(Error::new(path, format!("{} is in a file of its own as well", SECTIONS[section])));
                }
            }
            sections
        } else {
            continue;
        };
        for (section, text) in &shared {
            sections.entry(*section).or_insert_with(|| text.clone());
        }
        // An empty section stands for none at all, not even the one that the cases share. An empty document is a document.
        sections.retain(|section, text| SECTIONS[*section] == INPUT || !text.is_empty());
        if !sections.contains_key(&0) {
            return Err(Error::new(path, format!("expected {INPUT}")));
        }
        if cases.insert(name, Case { name: name.to_owned(), path: path.clone(), sections }).is_some() {
            return Err(Error::new(path, "expected one case of this name"));
        }
    }
    Ok(cases.into_values().collect())
}

/// Inputs for a fuzzer that a case makes: its document, and its document followed by all other sections that go in. A byte `FF`, which no
/// UTF-8 text contains, separates the parts.
pub fn seeds(case: &Case) -> [(String, Vec<u8>); 2] {
    let input = case.section(INPUT).unwrap_or_default().as_bytes().to_vec();
    let parts: Vec<&[u8]> = case
        .sections()
        .filter(|(name, _)| ![EXPECTED, ISSUES].contains(name))
        .map(|(_, text)| text.trim_end().as_bytes())
        .collect();
    [(case.name.clone(), input), (format!("{}.all", case.name), parts.join(&0xFF))]
}

/// The names of what a folder contains.
fn names(folder: &Path) -> Result<BTreeSet<String>, Error> {
    let failed = |error: std::io::Error| Error::new(folder, error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The sections that are files of their own: `<folder>/<prefix><section>`.
fn separate(
    folder: &Path,
    names: &BTreeSet<String>,
    prefix: &str,
    text: &impl Fn(PathBuf) -> Result<String, Error>,
) -> Result<BTreeMap<usize, String>, Error> {
    let mut sections = BTreeMap::new();
    for (index, section) in SECTIONS.iter().enumerate() {
        let name = format!("{prefix}{section}");
        if names.contains(&name) {
            sections.insert(index, text(folder.join(name))?);
        }
    }
    Ok(sections)
}

fn index(name: &str) -> Option<usize> {
    SECTIONS.iter().position(|section| *section == name)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "these tests write the files that they read")]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<String, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        dir
    }

    fn cases(files: &[(&str, &str)]) -> Result<Vec<Case>, String> {
        let dir = folder(files);
        let here = format!("{}/", dir.path().display());
        in_folder(dir.path(), read).map_err(|error| error.to_string().replace(&here, ""))
    }

    fn sections(case: &Case) -> Vec<(&str, &str)> {
        case.sections().collect()
    }

    #[test]
    fn a_file_and_a_folder_say_the_same() {
        let cases = cases(&[
            ("a.txtar", "-- input.json --\n{}\n-- settings.json --\n1\n-- error.txt --\nerror\n"),
            ("b/input.json", "{}\n"),
            ("b/settings.json", "1\n"),
            ("b/error.txt", "error\n"),
            ("b/README.md", "-- x --\n"),
            (".hidden/notes", ""),
            ("page.json", "{}"),
        ])
        .expect("cases");
        assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sections(&cases[0]), [("input.json", "{}\n"), ("settings.json", "1\n"), ("error.txt", "error\n")]);
        assert_eq!(sections(&cases[0]), sections(&cases[1]));
        assert!(cases[0].path().ends_with("a.txtar") && cases[1].path().ends_with("b"));
    }

    #[test]
    fn a_section_may_be_a_file_of_its_own_with_bytes_that_a_case_file_cannot_have() {
        let cases = cases(&[
            ("a.txtar", "-- error.txt --\nerror\n"),
            ("a.input.json", "\u{feff}{}\r\n-- input.json --"),
            ("a-b.txtar", "-- input.json --\n"),
        ])
        .expect("cases");
        assert_eq!(cases[0].section(INPUT), Some("\u{feff}{}\r\n-- input.json --"));
        assert_eq!(cases[1].section(INPUT), Some(""), "an empty document is a document: {cases:?}");
    }

    #[test]
    fn what_the_cases_of_a_folder_share_is_a_file_beside_them() {
        let cases = cases(&[
            ("settings.json", "shared\n"),
            ("input.json", "not shared\n"),
            ("a.txtar", "-- input.json --\n{}\n"),
            ("b.txtar", "-- input.json --\n{}\n-- settings.json --\nown\n"),
            ("c.txtar", "-- input.json --\n{}\n-- settings.json --\n-- error.txt --\n"),
            ("d/input.json", "{}\n"),
        ])
        .expect("cases");
        let settings: Vec<_> = cases.iter().map(|case| case.section("settings.json")).collect();
        assert_eq!(settings, [Some("shared\n"), Some("own\n"), None, Some("shared\n")]);
        assert_eq!(cases[2].section(ISSUES), None);
    }

    #[test]
    fn one_case_is_read_without_the_others() {
        let dir =
            folder(&[("a.txtar", "broken"), ("b.txtar", "-- input.json --\n{}\n"), ("settings.json", "shared\n")]);
        let one = |name| one(dir.path(), name, read).map_err(|error| error.problem);
        let case = one("b").expect("a case").expect("a case");
        assert_eq!((case.section(INPUT), case.section("settings.json")), (Some("{}\n"), Some("shared\n")));
        assert_eq!(one("c"), Ok(None));
        assert!(one("a").is_err());
    }

    #[test]
    fn what_is_wrong_is_reported_with_the_file() {
        for (files, problem) in [
            (&[("a.txtar", "-- settings.json --\n1\n")][..], "a.txtar: expected input.json"),
            (&[("a/settings.json", "1\n")], "a: expected input.json"),
            (&[("a.txtar", "{}\n")], "a.txtar: line 1: expected a line `-- input.json --` first"),
            (
                &[("a.txtar", "-- input.json --\n"), ("a.input.json", "{}")],
                "a.txtar: input.json is in a file of its own as well",
            ),
            (&[("a.txtar", "-- input.json --\n"), ("a/input.json", "{}")], "expected one case of this name"),
        ] {
            let error = cases(files).expect_err("a problem");
            assert!(error.ends_with(problem), "{error}");
        }
        let missing = in_folder(Path::new("/no/such/folder"), read).expect_err("no folder");
        assert!(missing.to_string().starts_with("/no/such/folder: No such file"), "{missing}");
    }

    #[test]
    fn a_case_makes_two_seeds() {
        let text =
            "-- input.json --\n{}\n-- claim-date.json --\n\"d\"\n-- settings.json --\n1\n-- error.txt --\nerror\n";
        let cases = cases(&[("a.txtar", text)]).expect("a case");
        let [plain, all] = seeds(&cases[0]);
        assert_eq!(plain, ("a".to_owned(), b"{}\n".to_vec()));
        assert_eq!(all, ("a.all".to_owned(), b"{}\xff1\xff\"d\"".to_vec()));
    }
}
