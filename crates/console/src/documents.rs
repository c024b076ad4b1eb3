//! Two documents side by side, as received and as sent: what is in both is marked with the same number, what is in one only is dimmed.
//! Without the reader's wish to see them, values are hidden and the marks stay.

use std::collections::{HashMap, HashSet};
use std::fmt;

use maud::{Markup, html};
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::mask::HIDDEN;

/// Most lines that are shown of a document.
const LINES: usize = 3000;
/// Most lines that are compared. A peer may send half a million of them, and each takes memory.
const COMPARED: usize = 20_000;
/// Documents nested deeper are shown as they are.
const DEPTH: usize = 64;

/// Keys whose values say what a document is made of and nothing of a person.
const PLAIN: [&str; 6] = ["resourceType", "system", "url", "type", "form", "use"];

/// A line of a document, written anew with indents; keys stay in their order and numbers as they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Line {
    /// How deep it stands.
    pub depth: usize,
    /// What comes before the value: the key, or nothing.
    pub key: String,
    /// A text, number, true, false or null, as JSON writes it.
    pub value: Option<String>,
    /// Brackets and commas.
    pub end: String,
}

/// The lines of a JSON document, the first ones if it is very long. None: it is none.
pub fn lines(json: &str) -> Option<Vec<Line>> {
    let raw: &RawValue = serde_json::from_str(json).ok()?;
    let mut lines = Vec::new();
    write(raw.get(), String::new(), 0, &mut lines)?;
    Some(lines)
}

fn write(json: &str, key: String, depth: usize, lines: &mut Vec<Line>) -> Option<()> {
    if lines.len() >= COMPARED {
        return Some(());
    }
    let brackets = match json.as_bytes().first()? {
        b'{' => ["{", "}"],
        b'[' => ["[", "]"],
        _ => {
            lines.push(Line { depth, key, value: Some(json.to_owned()), end: String::new() });
            return Some(());
        }
    };
    if depth > DEPTH {
        return None;
    }
    let children = children(json)?;
    let [open, close] = brackets;
    if children.is_empty() {
        lines.push(Line { depth, key, value: None, end: format!("{open}{close}") });
        return Some(());
    }
    lines.push(Line { depth, key, value: None, end: open.to_owned() });
    let count = children.len();
    for (at, (key, child)) in children.into_iter().enumerate() {
        write(child, key, depth + 1, lines)?;
        if at + 1 < count {
            lines.last_mut()?.end.push(',');
        }
    }
    lines.push(Line { depth, key: String::new(), value: None, end: close.to_owned() });
    Some(())
}

/// What stands in an object or a list, in its order.
fn children(json: &str) -> Option<Vec<(String, &str)>> {
    struct Children;
    impl<'de> Visitor<'de> for Children {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object or a list")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                all.push((format!("{}: ", serde_json::Value::from(key)), value.get()));
            }
            Ok(all)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(value) = list.next_element::<&RawValue>()? {
                all.push((String::new(), value.get()));
            }
            Ok(all)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_any(Children).ok()
}

/// The ways in which the two sides may write one value.
fn forms(value: &str) -> HashSet<String> {
    let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
    let text = text.trim().to_lowercase();
    let mut forms = HashSet::new();
    if text.is_empty() || matches!(text.as_str(), "true" | "false" | "null") {
        return forms; // they say nothing of where they come from
    }
    // A reference such as Patient/<uuid> names what stands behind its last stroke.
    let last = text.rsplit('/').next().unwrap_or_default();
    for form in [text.as_str(), last].map(|form| form.trim_start_matches("urn:uuid:")) {
        match Uuid::try_parse(form) {
            Ok(uuid) => forms.insert(uuid.to_string()),
            Err(_) => !form.is_empty() && forms.insert(form.to_owned()),
        };
    }
    forms
}

/// What is in both documents: for each line of either the number of its mark.
pub fn marks(left: &[Line], right: &[Line]) -> [HashMap<usize, usize>; 2] {
    let forms_of = |lines: &[Line]| -> Vec<HashSet<String>> {
        lines.iter().map(|line| line.value.as_deref().map(forms).unwrap_or_default()).collect()
    };
    let (left, right) = (forms_of(left), forms_of(right));
    let there: HashSet<&String> = right.iter().flatten().collect();
    let mut numbers: HashMap<&String, usize> = HashMap::new();
    let mut count = 0;
    let mut marks = [HashMap::new(), HashMap::new()];
    for (at, forms) in left.iter().enumerate() {
        let shared: Vec<&String> = forms.iter().filter(|form| there.contains(form)).collect();
        if shared.is_empty() {
            continue;
        }
        let known = shared.iter().filter_map(|form| numbers.get(*form).copied()).min();
        let number = known.unwrap_or_else(|| {
            count += 1;
            count
        });
        for form in shared {
            numbers.insert(form, number);
        }
        marks[0].insert(at, number);
    }
    for (at, forms) in right.iter().enumerate() {
        if let Some(number) = forms.iter().filter_map(|form| numbers.get(form)).min() {
            marks[1].insert(at, *number);
        }
    }
    marks
}

/// How a document is shown.
pub struct View<'v> {
    /// With its values.
    pub shown: bool,
    /// Values that the page shows anyway.
    pub known: &'v [&'v str],
    /// Names what is in one document only, for those who hear the page.
    pub both: &'v str,
}

impl View<'_> {
    /// One document with its marks. With none to compare it with, nothing is dimmed.
    pub fn document(&self, lines: &[Line], marks: Option<&HashMap<usize, usize>>) -> Markup {
        html! {
            pre.document tabindex="0" {
                @for (at, line) in lines.iter().take(LINES).enumerate() {
                    (self.line(line, marks.map(|marks| marks.get(&at).copied())))
                    "\n"
                }
                @if lines.len() > LINES { "… +" (lines.len() - LINES) }
            }
        }
    }

    /// `mark`: none where there is nothing to compare with; within it none where the other document has not this value.
    fn line(&self, line: &Line, mark: Option<Option<usize>>) -> Markup {
        let indent = "  ".repeat(line.depth);
        html! {
            (indent)
            @match (&line.value, mark) {
                (Some(value), Some(Some(number))) => {
                    span.key { (line.key) } mark { (self.value(&line.key, value)) sup title=(self.both) { (number) } }
                }
                (Some(value), Some(None)) => { span.only { (line.key) (self.value(&line.key, value)) } }
                (Some(value), None) => { span.key { (line.key) } (self.value(&line.key, value)) }
                (None, _) => { span.key { (line.key) } }
            }
            span.key { (line.end) }
        }
    }

    fn value(&self, key: &str, value: &str) -> String {
        let is_plain = || PLAIN.contains(&key.trim_matches(['"', ':', ' ']));
        let is_known =
            || forms(value).iter().any(|form| self.known.iter().any(|known| known.eq_ignore_ascii_case(form)));
        if self.shown || is_plain() || is_known() { value.to_owned() } else { HIDDEN.to_owned() }
    }
}
