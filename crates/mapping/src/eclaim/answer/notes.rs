//! What the mapping has to say of a claim, in the `ClaimResponse` that the hospital gets: FHIR's `processNote`.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::issue::{Issue, Severity};
use crate::json::to_json;

#[derive(Serialize)]
struct Note {
    number: usize,
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Noted<'a> {
    #[serde(borrow, default)]
    process_note: Vec<&'a RawValue>,
}

/// The `ClaimResponse` with a note for each warning, behind the notes that it has. Information is not for the hospital.
pub fn with_notes<'i>(claim_response: String, warnings: impl Iterator<Item = &'i Issue>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for warning in warnings.filter(|issue| issue.severity <= Severity::Warning) {
        let text = match warning.expression.as_ref() {
            "" => warning.diagnostics.clone(),
            path => format!("{path}: {}", warning.diagnostics),
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let Some(head) = claim_response.trim_end().strip_suffix('}').filter(|_| !texts.is_empty()) else {
        return claim_response;
    };
    let noted = serde_json::from_str::<Noted>(&claim_response).map(|noted| noted.process_note.len());
    let note = |(number, text)| {
        to_json(&Note { number, kind: "display", text }).unwrap_or_default() // texts and numbers: cannot fail
    };
    let before = noted.unwrap_or_default();
    let notes: Vec<String> = (before + 1..).zip(texts).map(note).collect();
    let notes = notes.join(",");
    if before == 0 {
        return format!(r#"{head},"processNote":[{notes}]}}"#);
    }
    match claim_response.split_once(r#""processNote":["#) {
        Some((head, tail)) => format!(r#"{head}"processNote":[{notes},{tail}"#),
        None => claim_response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::IssueType;

    fn warning(path: &'static str, text: &str) -> Issue {
        Issue::error(IssueType::NotSupported, path, text).as_warning()
    }

    #[test]
    fn warnings_become_notes_and_amounts_keep_their_digits() {
        let warnings = [warning("Bundle.entry[3].resource", "not \"claimed\""), warning("", "of all")];
        let noted =
            with_notes(r#"{"total":[{"amount":{"value":10.00}}]}"#.to_owned(), warnings.iter().chain(&warnings));
        assert!(
            noted.starts_with(r#"{"total":[{"amount":{"value":10.00}}],"processNote":[{"number":1,"type":"display""#),
            "{noted}"
        );
        let noted: serde_json::Value = serde_json::from_str(&noted).expect("JSON");
        let texts: Vec<_> =
            noted["processNote"].as_array().expect("notes").iter().map(|note| note["text"].clone()).collect();
        assert_eq!(texts, ["Bundle.entry[3].resource: not \"claimed\"", "of all"]);
    }

    #[test]
    fn notes_that_are_there_stay_and_nothing_is_added_for_nothing() {
        let own = r#"{"processNote":[{"number":1,"text":"own"}],"id":"x"}"#;
        let noted = with_notes(own.to_owned(), [warning("Claim.type", "unknown")].iter());
        let noted: serde_json::Value = serde_json::from_str(&noted).expect("JSON");
        assert_eq!(noted["processNote"].as_array().map(Vec::len), Some(2));
        let information = Issue { severity: Severity::Information, ..warning("Claim", "seen") };
        assert_eq!(with_notes(own.to_owned(), [information].iter()), own);
    }
}
