//! Code tables in files of their own, as a registry office or a hospital keeps them. All that is wrong with them is told with its line.

use std::path::{Path, PathBuf};

use mapping::codes::{CodeRow, Table, concept_map};
use mapping::eclaim::{self, FacilityRow, ItemKind, ItemRow};
use mapping::text::plain;
use mapping::{encoding, facility};
use serde::Deserialize;

use super::Config;

/// Files with code tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tables {
    /// Items and services of claims: `source`, `kind` (item, service, left-out), `openimis`, and if need be `uuid` and `price`.
    ///
    /// Optional, for example `"items.csv"`.
    pub items: Option<PathBuf>,
    /// Diagnoses of claims: `source` and `openimis`.
    ///
    /// Optional, for example `"diagnoses.csv"`.
    pub diagnoses: Option<PathBuf>,
    /// FHIR ConceptMaps (JSON) for the diagnoses of claims. Targets that are narrower than their source are passed over.
    ///
    /// Optional, for example `["ciel-to-icd10.json"]`.
    pub concept_maps: Vec<PathBuf>,
    /// Visit types of claims: `source` and `openimis`.
    ///
    /// Optional, for example `"visit-types.csv"`.
    pub visit_types: Option<PathBuf>,
    /// Health facilities of claims: `source`, `openimis`, and if need be `enterer`.
    ///
    /// Optional, for example `"facilities.csv"`.
    pub facilities: Option<PathBuf>,
    /// Who enters claims: `source` and `openimis`.
    ///
    /// Optional, for example `"practitioners.csv"`.
    pub practitioners: Option<PathBuf>,
    /// Codes of a registry's facilities in openIMIS: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-codes.csv"`.
    pub registry_codes: Option<PathBuf>,
    /// Levels of a registry's facilities: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-levels.csv"`.
    pub registry_levels: Option<PathBuf>,
    /// Sub-levels of a registry's facilities: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-sub-levels.csv"`.
    pub registry_sub_levels: Option<PathBuf>,
    /// Legal forms of a registry's facilities: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-legal-forms.csv"`.
    pub registry_legal_forms: Option<PathBuf>,
    /// Care types of a registry's facilities: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-care-types.csv"`.
    pub registry_care_types: Option<PathBuf>,
    /// Districts of a registry's facilities: `source` and `openimis`.
    ///
    /// Optional, for example `"registry-districts.csv"`.
    pub registry_districts: Option<PathBuf>,
}

/// What is told of one file; a table of another shape would fill the screen.
const MOST_PROBLEMS: usize = 50;

/// Puts the rows of the files behind those of `[mapping]`, and tells what is wrong with them.
pub(super) fn read(config: &mut Config) -> Vec<String> {
    let mut problems = Vec::new();
    let Config { tables, mapping, .. } = config;
    let claim = &mut mapping.eclaim;
    let row = |item| eclaim::Settings { items: vec![item].into(), ..eclaim::Settings::default() }.problems();
    claim.items.extend(table("items", &tables.items, &mut problems, item, |item| row(item.clone())));
    let row =
        |facility| eclaim::Settings { facilities: vec![facility].into(), ..eclaim::Settings::default() }.problems();
    let of_file = table("facilities", &tables.facilities, &mut problems, place, |place| row(place.clone()));
    claim.facilities.extend(of_file);
    let settings = eclaim::Settings::default;
    let checked = |code: &CodeRow| eclaim::Settings { diagnoses: vec![code.clone()].into(), ..settings() }.problems();
    claim.diagnoses.extend(table("diagnoses", &tables.diagnoses, &mut problems, code, checked));
    for path in &tables.concept_maps {
        claim.diagnoses.extend(of_concept_map(path, &mut problems));
    }
    let checked =
        |code: &CodeRow| eclaim::Settings { practitioners: vec![code.clone()].into(), ..settings() }.problems();
    claim.practitioners.extend(table("practitioners", &tables.practitioners, &mut problems, code, checked));
    let checked = |code: &CodeRow| eclaim::Settings { visit_types: vec![code.clone()].into(), ..settings() }.problems();
    claim.visit_types.extend(table("visit_types", &tables.visit_types, &mut problems, code, checked));

    let registry = &mut mapping.facility;
    type Place = fn(&mut facility::Settings) -> &mut Table<CodeRow>;
    let files: [(&str, &Option<PathBuf>, Place); 6] = [
        ("registry_codes", &tables.registry_codes, |registry| &mut registry.codes),
        ("registry_levels", &tables.registry_levels, |registry| &mut registry.levels),
        ("registry_sub_levels", &tables.registry_sub_levels, |registry| &mut registry.sub_levels),
        ("registry_legal_forms", &tables.registry_legal_forms, |registry| &mut registry.legal_forms),
        ("registry_care_types", &tables.registry_care_types, |registry| &mut registry.care_types),
        ("registry_districts", &tables.registry_districts, |registry| &mut registry.districts),
    ];
    for (key, path, rows) in files {
        let checked = |code: &CodeRow| {
            let mut alone = facility::Settings::default();
            rows(&mut alone).push(code.clone());
            alone.problems()
        };
        let of_file = table(key, path, &mut problems, code, checked);
        rows(registry).extend(of_file);
    }
    problems
}

/// A record by the names of its columns.
struct Record<'r> {
    columns: &'r csv::StringRecord,
    values: &'r csv::StringRecord,
}

impl Record<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let at = self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))?;
        self.values.get(at).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> String {
        self.code(name).unwrap_or_default()
    }

    /// Without characters that cannot be seen, which spreadsheets bring along from where their cells were copied.
    fn code(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| plain(value).into_owned()).filter(|value| !value.is_empty())
    }
}

fn code(record: &Record) -> Result<CodeRow, String> {
    Ok(CodeRow { source: record.text("source"), openimis: record.text("openimis") })
}

fn item(record: &Record) -> Result<ItemRow, String> {
    let kind = match record.value("kind") {
        Some("item") => ItemKind::Item,
        Some("service") => ItemKind::Service,
        Some("left-out") => ItemKind::LeftOut,
        _ => return Err("kind: expected item, service or left-out".to_owned()),
    };
    Ok(ItemRow {
        source: record.text("source"),
        kind,
        openimis: record.text("openimis"),
        uuid: record.code("uuid"),
        price: record.code("price"),
    })
}

fn place(record: &Record) -> Result<FacilityRow, String> {
    let enterer = record.code("enterer");
    Ok(FacilityRow { source: record.text("source"), openimis: record.text("openimis"), enterer })
}

/// The good rows of a file. `checked`: what the mapping's settings say of one row alone.
fn table<R>(
    key: &str,
    path: &Option<PathBuf>,
    problems: &mut Vec<String>,
    row: fn(&Record) -> Result<R, String>,
    checked: impl Fn(&R) -> Vec<String>,
) -> Vec<R> {
    let Some(path) = path else { return Vec::new() };
    let mut told = Vec::new();
    let rows = match text(path) {
        Ok(text) => rows(&text, &mut told, row, checked),
        Err(problem) => {
            told.push(problem);
            Vec::new()
        }
    };
    let more = told.len().saturating_sub(MOST_PROBLEMS);
    told.truncate(MOST_PROBLEMS);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    problems.extend(told.into_iter().map(|problem| format!("tables.{key}: {}: {problem}", path.display())));
    rows
}

fn rows<R>(
    text: &str,
    told: &mut Vec<String>,
    row: fn(&Record) -> Result<R, String>,
    checked: impl Fn(&R) -> Vec<String>,
) -> Vec<R> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| first.contains(char::from(*delimiter))).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().cloned().unwrap_or_default();
    let is_there = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    if !is_there("source") || !is_there("openimis") {
        told.push("line 1: expected the names of the columns, source and openimis among them".to_owned());
        return Vec::new();
    }
    let (mut rows, mut lines) = (Vec::new(), Lines::new(text));
    let mut sources = std::collections::HashMap::new();
    for record in reader.records() {
        let values = match record {
            Ok(values) => values,
            Err(error) => {
                told.push(error.to_string());
                continue;
            }
        };
        let line = lines.of(values.position().map_or(0, |position| position.byte() as usize));
        if values.iter().all(str::is_empty) {
            continue;
        }
        if values.len() != columns.len() {
            told.push(format!("line {line}: {} values, but {} columns", values.len(), columns.len()));
            continue;
        }
        let record = Record { columns: &columns, values: &values };
        match row(&record) {
            Err(problem) => told.push(format!("line {line}: {problem}")),
            Ok(row) => {
                let mut wrong: Vec<String> = checked(&row).iter().map(|problem| of_row(problem)).collect();
                if let Some(earlier) = sources.insert(record.text("source"), line) {
                    wrong.push(format!("source: is there already, in line {earlier}"));
                }
                if wrong.is_empty() {
                    rows.push(row);
                }
                told.extend(wrong.into_iter().map(|problem| format!("line {line}: {problem}")));
            }
        }
    }
    rows
}

/// `items[0].price: expected …` without the place of a row that stands alone.
fn of_row(problem: &str) -> String {
    problem.split_once("[0]").map_or(problem, |(_, rest)| rest.trim_start_matches(['.', ':', ' '])).to_owned()
}

/// Counts lines up to a byte. Of a record after empty lines the CSV reader tells where those begin.
struct Lines<'t> {
    text: &'t str,
    seen: usize,
    newlines: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, seen: 0, newlines: 0 }
    }

    fn of(&mut self, begin: usize) -> usize {
        let bytes = self.text.as_bytes();
        let begin = begin.min(bytes.len());
        let begin = begin + bytes[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.newlines += bytes[self.seen.min(begin)..begin].iter().filter(|byte| **byte == b'\n').count();
        self.seen = begin;
        self.newlines + 1
    }
}

fn of_concept_map(path: &Path, problems: &mut Vec<String>) -> Vec<CodeRow> {
    let mut tell = |problem: String| problems.push(format!("tables.concept_maps: {}: {problem}", path.display()));
    match text(path).map(|text| concept_map(&text)) {
        Err(problem) => tell(problem),
        Ok(Err(issues)) => issues.iter().take(MOST_PROBLEMS).for_each(|issue| tell(issue.to_string())),
        Ok(Ok((rows, _not_sure))) => return rows,
    }
    Vec::new()
}

/// A file's text, without the mark that spreadsheets put at its beginning.
fn text(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, files::LARGE).map_err(|error| error.to_string())?;
    if let Some(other) = encoding::other_than_utf8(&bytes) {
        return Err(format!("is {other}; save it in UTF-8 (in a spreadsheet: \"CSV UTF-8\")"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}').to_owned()),
        Err(error) => {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            Err(format!("line {}: not UTF-8; save the table as \"CSV UTF-8\"", line + 1))
        }
    }
}
