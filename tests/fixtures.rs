//! The cases of the mappings (`wit/cases`), as the tests run them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use cases::{EXPECTED, INPUT, ISSUES};
use mapping::MapResult;

/// One case.
pub struct Case {
    /// `<mapping>/<case>`.
    pub name: String,
    /// The document.
    pub input: String,
    case: cases::Case,
}

impl Case {
    /// Reads the JSON of a further section; its default if there is none.
    pub fn read<T: serde::de::DeserializeOwned + Default>(&self, section: &str) -> T {
        match self.text(section) {
            Some(text) => serde_json::from_str(text).unwrap_or_else(|error| panic!("{}/{section}: {error}", self.name)),
            None => T::default(),
        }
    }

    /// The text of a section.
    pub fn text(&self, section: &str) -> Option<&str> {
        self.case.section(section)
    }

    /// What a fuzzer begins with.
    pub fn seeds(&self) -> [(String, Vec<u8>); 2] {
        cases::seeds(&self.case)
    }
}

/// `wit/cases`.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/cases")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// All cases of a mapping, by name.
pub fn cases(map: &str) -> Vec<Case> {
    let cases = cases::in_folder(&root().join(map), read).unwrap_or_else(|error| panic!("{error}"));
    let case = |case: cases::Case| {
        let input = case.section(INPUT).expect("a case has a document").to_owned();
        Case { name: format!("{map}/{}", case.name), input, case }
    };
    cases.into_iter().map(case).collect()
}

/// A section by its path: `feedback/documented/input.json`.
pub fn text(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let [map, name, section] = parts[..] else { panic!("{path}: expected <mapping>/<case>/<section>") };
    let case = cases::one(&root().join(map), name, read).unwrap_or_else(|error| panic!("{error}"));
    let case = case.unwrap_or_else(|| panic!("{path}: there is no such case"));
    case.section(section).unwrap_or_else(|| panic!("{path}: the case has no such section")).to_owned()
}

/// The cases whose sources `SOURCES.md` names.
fn sourced(map: &str) -> BTreeSet<String> {
    let path = root().join(map).join("SOURCES.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let row = |line: &str| {
        let (name, source) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (!source.trim().is_empty()).then(|| format!("{map}/{name}"))
    };
    text.lines().skip_while(|line| *line != "| --- | --- |").skip(1).filter_map(row).collect()
}

/// A map's result as a case shows it: the document with its key and warnings, or the issues.
fn shown(result: &MapResult) -> (&'static str, String) {
    let mut text = String::new();
    match result {
        Ok(mapped) => {
            let body: serde_json::Value = serde_json::from_str(&mapped.body).expect("a mapped body is JSON");
            let warnings: Vec<String> = mapped.warnings.iter().map(ToString::to_string).collect();
            let whole =
                serde_json::json!({"body": body, "idempotency_key": mapped.idempotency_key, "warnings": warnings});
            writeln!(text, "{whole:#}").expect("text can be written");
            (EXPECTED, text)
        }
        Err(issues) => {
            for issue in issues {
                writeln!(text, "{issue}").expect("text can be written");
            }
            (ISSUES, text)
        }
    }
}

/// Maps every case and compares with `expected.json` or `error.txt`. All differences are reported at once; `BLESS=1` writes them into the
/// case files, where all other sections stay as they are.
pub fn check_all(map: &str, run: impl Fn(&Case) -> MapResult) {
    let mut misses = String::new();
    let cases = cases(map);
    assert!(!cases.is_empty(), "wit/cases/{map} holds no case");
    let names: BTreeSet<String> = cases.iter().map(|case| case.name.clone()).collect();
    assert_eq!(sourced(map), names, "wit/cases/{map}/SOURCES.md says where each case comes from");
    for case in &cases {
        let (section, found) = shown(&run(case));
        let other = if section == ISSUES { EXPECTED } else { ISSUES };
        if std::env::var_os("BLESS").is_some() {
            let path = case.case.path();
            let old = std::fs::read_to_string(path).expect("a case file");
            let new = cases::archive::with_section(&old, section, &found, &[other]);
            if new != old {
                std::fs::write(path, new).expect("a case can be written");
            }
            continue;
        }
        let expected = case.text(section).map_or_else(|| format!("(no {section})\n"), str::to_owned);
        if found != expected || case.text(other).is_some() {
            writeln!(misses, "== {}\n-- expected\n{expected}-- found\n{found}", case.name)
                .expect("text can be written");
        }
    }
    assert!(misses.is_empty(), "{misses}BLESS=1 writes what was found");
}
