//! Text that no peer's database holds, found before anything is sent: U+0000, which PostgreSQL refuses, and halves of surrogate pairs, which
//! are no characters. JSON can write both.

use mapping::Issue;
use serde_json::Value;

const EXPECTED: &str = "text that openIMIS can hold: without U+0000 and without half of a surrogate pair";
/// More places than this tell nobody anything.
const MAX_ISSUES: usize = 20;

/// Where a JSON document has such text, as FHIRPath. A document without is looked through once, and nothing is allocated.
pub fn issues(text: &str) -> Vec<Issue> {
    if !may_have(text) {
        return Vec::new();
    }
    let Ok(document) = serde_json::from_str::<Value>(&marked(text)) else {
        return vec![Issue::unusable("", EXPECTED, "such text")];
    };
    let root = document["resourceType"].as_str().filter(|kind| !kind.contains('\0')).unwrap_or_default();
    let mut issues = Vec::new();
    look(&document, root, &mut issues);
    issues
}

/// Both begin so.
fn may_have(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let digits = rest.as_bytes().get(at + 2..at + 6);
        if digits.is_some_and(|digits| digits == b"0000" || digits[0].eq_ignore_ascii_case(&b'd')) {
            return true;
        }
        rest = &rest[at + 2..];
    }
    false
}

/// The document with U+0000 for each half of a surrogate pair, so that a reader of JSON takes it.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        marked.push_str(&rest[..at]);
        rest = &rest[at..];
        let unit = |from: usize| {
            let digits = rest.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let (taken, written) = match (unit(0), unit(6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, &rest[..12]),
            (Some(0xD800..=0xDFFF), _) => (6, "\\u0000"),
            (Some(_), _) => (6, &rest[..6]),
            // A backslash and what it stands before, which may be a backslash.
            (None, _) => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (length, &rest[..length])
            }
        };
        marked.push_str(written);
        rest = &rest[taken..];
    }
    marked + rest
}

fn look(value: &Value, path: &str, issues: &mut Vec<Issue>) {
    if issues.len() >= MAX_ISSUES {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::String(text) if text.contains('\0') => {
            issues.push(Issue::unusable(path.to_owned(), EXPECTED, "such text"));
        }
        Value::Array(all) => all.iter().enumerate().for_each(|(n, one)| look(one, &format!("{path}[{n}]"), issues)),
        Value::Object(all) => {
            for (name, one) in all {
                if name.contains('\0') {
                    issues.push(Issue::unusable(path.to_owned(), EXPECTED, "the name of an element with such text"));
                }
                look(one, &below(&name.replace('\0', "\u{FFFD}")), issues);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        issues(text).into_iter().map(|issue| issue.expression.into_owned()).collect()
    }

    #[test]
    fn each_place_is_named() {
        for (text, expected) in [
            (r#"{"resourceType": "Claim", "a": "fine A 😀 \u0001"}"#, vec![]),
            (r#"{"resourceType": "Claim", "a": [{"b": "x\u0000y"}]}"#, vec!["Claim.a[0].b"]),
            (r#"{"resourceType": "Claim", "a": "\ud83d", "b": {"c": "\uDE00"}}"#, vec!["Claim.a", "Claim.b.c"]),
            (r#"{"a": "\ude00\ud83d"}"#, vec!["a"]),
            (r#"{"a": "\\u0000 and \\ud800"}"#, vec![]),
            (r#"{"a": "\\\u0000"}"#, vec!["a"]),
            (
                r#"{"resourceType": "Bundle", "entry": [{}, {"resource": {"id": "\u0000"}}]}"#,
                vec!["Bundle.entry[1].resource.id"],
            ),
            (r#"{"b\u0000": 1}"#, vec![""]),
            (r#"{"resourceType": "\u0000"}"#, vec!["resourceType"]),
            (r#"["😀\u0000"]"#, vec!["[0]"]),
        ] {
            assert_eq!(paths(text), expected, "{text}");
        }
    }

    #[test]
    fn no_text_of_the_document_is_repeated() {
        let told = issues(r#"{"name": "Bikram\u0000"}"#)[0].to_string();
        assert!(!told.contains("Bikram"), "{told}");
    }
}
