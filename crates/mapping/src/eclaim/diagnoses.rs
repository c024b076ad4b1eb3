//! Diagnoses: from the claim or the encounter's conditions, translated to openIMIS' table.

use std::collections::BTreeSet;

use super::settings::Icd10;
use super::source::{Condition, whole};
use super::{Subject, Work};
use crate::bundle::Entry;
use crate::codes;
use crate::fhir::codes::{own_system, same_system};
use crate::fhir::elements::{Concept, Reference, each};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::Node;

/// openIMIS holds a main diagnosis and four more; it drops the others without a word.
const MAX: usize = 5;
/// Of no more than these are the five chosen.
const MAX_READ: usize = 100;
/// ICD-10's marks of a cause and of what it shows itself as, A17.0† with G01*. openIMIS' table holds codes without them.
const MARKS: [char; 4] = ['†', '‡', '*', '+'];
/// Longest code in openIMIS' table of diagnoses.
const MAX_CODE: usize = 6;

impl<'w> Work<'w> {
    pub(super) fn diagnoses(&mut self, subject: &'w Subject<'w>) -> Vec<String> {
        let path = subject.of_either("diagnosis", "diagnosis");
        let before = self.issues.len();
        let mut found = self.of_claim(subject);
        let none_in_claim = subject.claim.as_ref().is_none_or(|(_, claim)| claim.diagnosis.items().next().is_none());
        if found.is_empty() && none_in_claim {
            found = self.of_encounter(subject);
        }
        let mut codes: Vec<String> = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (path, code) in found {
            if !seen.insert(code.clone()) {
                let text = format!("{} is there twice; written once", shown(&code));
                let issue = Issue::error(IssueType::Conflict, path, text);
                self.issues.push(Issue { severity: Severity::Information, ..issue });
            } else {
                codes.push(code);
            }
        }
        if codes.is_empty() && self.issues[before..].iter().all(|issue| issue.severity > Severity::Error) {
            self.issues.push(Issue::missing(path.clone(), "at least one diagnosis"));
        }
        if codes.len() > MAX {
            let text = format!("{} diagnoses; openIMIS holds {MAX}, the first ones were written", codes.len());
            self.issues.push(Issue::error(IssueType::NotSupported, path, text).as_warning());
            codes.truncate(MAX);
        }
        codes
    }

    fn of_claim(&mut self, subject: &'w Subject<'w>) -> Vec<(String, String)> {
        let Some((entry, claim)) = &subject.claim else { return Vec::new() };
        let path = format!("{}.diagnosis", entry.path);
        let mut all = each(&claim.diagnosis, &path, "diagnoses", &mut self.issues);
        if !self.is_readable(all.len(), &path) {
            return Vec::new();
        }
        all.sort_by_key(|(_, diagnosis)| whole(&diagnosis.sequence).unwrap_or(u32::MAX));
        let mut found = Vec::new();
        for (path, diagnosis) in all {
            if matches!(diagnosis.sequence, Node::Value(_)) && whole(&diagnosis.sequence).is_none() {
                let path = format!("{path}.sequence");
                self.issues.push(Issue::unusable(path, "a whole number from 1", "something else"));
            }
            let codes = match (diagnosis.diagnosis_codeable_concept.value(), diagnosis.diagnosis_reference.value()) {
                (Some(concept), _) => self.diagnosis(&format!("{path}.diagnosisCodeableConcept"), concept),
                (None, Some(reference)) => self.condition(&format!("{path}.diagnosisReference"), reference, entry),
                (None, None) => {
                    self.issues
                        .push(Issue::missing(path.clone(), "a diagnosis with its code, or a Condition of the Bundle"));
                    Vec::new()
                }
            };
            found.extend(codes.into_iter().map(|code| (path.clone(), code)));
        }
        found
    }

    /// Each may name the same long Condition, so there is an end to them.
    fn is_readable(&mut self, count: usize, path: &str) -> bool {
        if count > MAX_READ {
            let text = format!("{count} diagnoses; expected up to {MAX_READ}");
            self.error(IssueType::NotSupported, path, text);
        }
        count <= MAX_READ
    }

    /// The encounter's list by rank, else all its conditions that are diagnoses.
    fn of_encounter(&mut self, subject: &'w Subject<'w>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if let Some((from, encounter)) = &subject.encounter {
            let path = format!("{}.diagnosis", from.path);
            let mut listed = each(&encounter.diagnosis, &path, "diagnoses", &mut self.issues);
            if !self.is_readable(listed.len(), &path) {
                return Vec::new();
            }
            listed.sort_by_key(|(_, diagnosis)| whole(&diagnosis.rank).unwrap_or(u32::MAX));
            for (path, diagnosis) in listed {
                let Some(reference) = diagnosis.condition.value() else {
                    self.issues.push(Issue::missing(format!("{path}.condition"), "a reference to a Condition"));
                    continue;
                };
                let entry = self.documents.resolve(reference, from, &["Condition"]);
                match entry {
                    Some(entry) => {
                        let codes = self.condition_entry(entry, subject, true);
                        found.extend(codes.into_iter().map(|code| (path.clone(), code)));
                    }
                    // An encounter may list a Procedure here.
                    None if self.documents.resolve(reference, from, &["Procedure"]).is_some() => {}
                    None => self.unresolved(&format!("{path}.condition"), "a Condition of the Bundle"),
                }
            }
            if !found.is_empty() || encounter.diagnosis.items().next().is_some() {
                return found;
            }
        }
        let documents = self.documents;
        for entry in documents.of("Condition") {
            let codes = self.condition_entry(entry, subject, false);
            found.extend(codes.into_iter().map(|code| (entry.path.clone(), code)));
        }
        found
    }

    fn condition(&mut self, path: &str, reference: &Reference, from: &Entry) -> Vec<String> {
        let Some(entry) = self.documents.resolve(reference, from, &["Condition"]) else {
            self.unresolved(path, "a Condition of the Bundle");
            return Vec::new();
        };
        match self.documents.parse::<Condition>(entry, &mut self.issues) {
            Some(condition) if self.is_diagnosed(entry, &condition, true) => {
                self.coded(&entry.path, condition.code.value())
            }
            _ => Vec::new(),
        }
    }

    fn condition_entry(&mut self, entry: &'w Entry<'w>, subject: &Subject, listed: bool) -> Vec<String> {
        let Some(condition) = self.documents.parse::<Condition>(entry, &mut self.issues) else { return Vec::new() };
        let is_problem = condition.category.items().flat_map(Concept::codes).any(|code| code == "problem-list-item");
        if !listed && (is_problem || !self.is_of(subject, entry, condition.encounter.value())) {
            return Vec::new();
        }
        match self.is_diagnosed(entry, &condition, false) {
            true => self.coded(&entry.path, condition.code.value()),
            false => Vec::new(),
        }
    }

    fn coded(&mut self, path: &str, concept: Option<&Concept>) -> Vec<String> {
        let path = format!("{path}.code");
        let Some(concept) = concept else {
            self.issues.push(Issue::missing(path, "a code"));
            return Vec::new();
        };
        self.diagnosis(&path, concept)
    }

    /// The table's word first, since a country decides; then openIMIS' own codes; then ICD-10, where one code may be two.
    fn diagnosis(&mut self, path: &str, concept: &Concept) -> Vec<String> {
        let tokens = concept.tokens();
        let unmarked = || -> Vec<String> {
            tokens.iter().map(|token| token.trim_end_matches(MARKS).trim_end().to_owned()).collect()
        };
        let row = codes::find(&self.settings.diagnoses, &tokens);
        if let Some(row) = row.or_else(|| codes::find(&self.settings.diagnoses, &unmarked())) {
            return self.short(path, row.openimis.trim().to_owned()).into_iter().collect();
        }
        let of = |system: &dyn Fn(&str) -> bool| {
            let mut coding = concept.coding.items();
            coding.find(|coding| plain(&coding.system).is_some_and(system)).and_then(|coding| plain(&coding.code))
        };
        if let Some(code) = of(&|system| own_system(system).is_some_and(|name| name.starts_with("diagnosis"))) {
            let code = code.trim_end_matches(MARKS).trim_end().to_owned();
            return self.short(path, code).into_iter().collect();
        }
        if let Some(code) = of(&|system| self.settings.icd10_systems.iter().any(|known| same_system(known, system))) {
            let Some(written) = icd10_codes(code, self.settings.icd10) else {
                self.issues.push(Issue::unusable(path.to_owned(), "an ICD-10 code such as A02.1", shown(code)));
                return Vec::new();
            };
            return written.into_iter().filter_map(|code| self.short(path, code)).collect();
        }
        self.tell_untranslated(path, &tokens);
        Vec::new()
    }

    fn tell_untranslated(&mut self, path: &str, tokens: &[String]) {
        if tokens.is_empty() {
            self.issues.push(Issue::missing(path.to_owned(), "a code; a diagnosis in words cannot be translated"));
            return;
        }
        let tokens: Vec<String> = tokens.iter().take(3).map(|token| shown(token)).collect();
        let text =
            format!("no openIMIS diagnosis for {}; expected an ICD-10 code or a row of diagnoses", tokens.join(", "));
        self.error(IssueType::NotFound, path, text);
    }

    fn short(&mut self, path: &str, code: String) -> Option<String> {
        if code.chars().count() <= MAX_CODE {
            return Some(code);
        }
        let expected = format!("a code of up to {MAX_CODE} characters, as openIMIS holds");
        self.issues.push(Issue::unusable(path.to_owned(), &expected, shown(&code)));
        None
    }

    pub(super) fn unresolved(&mut self, path: &str, expected: &str) {
        let text = format!("the document does not hold what this refers to; expected {expected}");
        self.error(IssueType::NotFound, path, text);
    }

    /// Whether a resource belongs to the encounter, or to none, or to a part of it. One whose encounter nobody knows is left out, and told.
    pub(super) fn is_of(&mut self, subject: &Subject, from: &Entry, encounter: Option<&Reference>) -> bool {
        let (Some(_), Some(reference)) = (&subject.encounter, encounter) else { return true };
        let Some(entry) = self.documents.resolve(reference, from, &["Encounter"]) else {
            let text = "its encounter is not in the document; left out";
            let element =
                if matches!(from.kind.as_str(), "MedicationDispense" | "ChargeItem") { "context" } else { "encounter" };
            self.warn(IssueType::NotFound, format!("{}.{element}", from.path), text);
            return false;
        };
        let is_part = subject.encounters.contains(&entry.index);
        if is_part {
            self.heed(entry);
        }
        is_part
    }
}

/// One code, or a cause and what it shows itself as, without their marks; none if it is no such code.
fn icd10_codes(text: &str, form: Icd10) -> Option<Vec<String>> {
    let codes: Vec<&str> = text
        .split(|found: char| found.is_whitespace() || MARKS.contains(&found))
        .filter(|code| !code.is_empty())
        .collect();
    let is_pair = codes.len() == 2 && text.contains(MARKS);
    (codes.len() == 1 || is_pair).then(|| codes.iter().map(|code| icd10(code, form)).collect())?
}

/// An ICD-10 code as openIMIS' table writes it; none if it is no such code.
fn icd10(code: &str, form: Icd10) -> Option<String> {
    let code = code.to_ascii_uppercase();
    let plain: String = code.chars().filter(|character| *character != '.').collect();
    let bytes = plain.as_bytes();
    let is_code = (3..=7).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && bytes[1].is_ascii_digit()
        && bytes[2..].iter().all(u8::is_ascii_alphanumeric)
        && code.bytes().position(|byte| byte == b'.').is_none_or(|at| at == 3 && code.matches('.').count() == 1);
    if !is_code {
        return None;
    }
    Some(match form {
        Icd10::NoDot => plain,
        Icd10::Category => plain[..3].to_owned(),
        Icd10::Full if plain.len() == 3 => plain,
        Icd10::Full => format!("{}.{}", &plain[..3], &plain[3..]),
    })
}
