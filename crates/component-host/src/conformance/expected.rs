//! A mapping's answer as a case shows it, and how two of them differ.

use mapping::MapResult;
use serde_json::Value;

/// Section of the mapped document, with its key and warnings.
pub const DOCUMENT: &str = cases::EXPECTED;
/// Section of the issues, one on each line.
pub const ISSUES: &str = cases::ISSUES;

/// Longest body that is looked at: openIMIS and CHT would not take it either.
pub const LONGEST_BODY: usize = 1 << 20;
/// What is told of a difference.
const LONGEST_DIFFERENCE: usize = 10_000;

/// An answer, or what is expected of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    pub file: &'static str,
    pub text: String,
}

impl Shown {
    /// Whether it is the same; `amounts`: 1.5 is 1.50, since whoever writes a case with a program that reads numbers writes it so.
    pub fn says(&self, other: &Self, amounts: bool) -> bool {
        let value = |shown: &Self| serde_json::from_str::<Value>(&shown.text).ok();
        let both = amounts && self.file == DOCUMENT && other.file == DOCUMENT;
        self == other || (both && value(self) == value(other))
    }
}

pub fn shown(result: &MapResult) -> Shown {
    match result {
        Ok(mapped) => {
            if mapped.body.len() > LONGEST_BODY || !is_json(&mapped.body) {
                let text = format!("(too long, or no JSON) {}\n", shortened(&mapped.body, LONGEST_DIFFERENCE));
                return Shown { file: DOCUMENT, text };
            }
            let text = |text: &str| Value::from(text).to_string();
            let warnings: Vec<String> = mapped.warnings.iter().map(|issue| text(&issue.to_string())).collect();
            let (body, key, warnings) = (&mapped.body, text(&mapped.idempotency_key), warnings.join(","));
            // By hand: the body is shown with its own spelling of numbers and texts, and in its own order.
            let whole = format!(r#"{{"body":{body},"idempotency_key":{key},"warnings":[{warnings}]}}"#);
            Shown { file: DOCUMENT, text: pretty(&whole) }
        }
        Err(issues) => Shown { file: ISSUES, text: issues.iter().map(|issue| format!("{issue}\n")).collect() },
    }
}

/// JSON that can be put on lines of its own: a document of a hundred thousand brackets would take gigabytes. As a value, since serde_json
/// counts brackets only there.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

/// A text that ends where it becomes too long to tell.
pub fn shortened(text: &str, most: usize) -> String {
    match text.len() > most {
        true => format!("{}… ({} bytes)", &text[..text.floor_char_boundary(most)], text.len()),
        false => text.to_owned(),
    }
}

/// JSON ([`is_json`]) on lines of its own; nothing but white space changes.
pub fn pretty(json: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut rest = json.char_indices().peekable();
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => {
                let end = end_of_text(&json[at..]) + at;
                out.push_str(&json[at..end]);
                while rest.next_if(|(next, _)| *next < end).is_some() {}
            }
            '{' | '[' => {
                out.push(character);
                while rest.next_if(|(_, next)| next.is_ascii_whitespace()).is_some() {}
                match rest.next_if(|(_, next)| matches!(next, '}' | ']')) {
                    Some((_, close)) => out.push(close),
                    None => {
                        depth += 1;
                        new_line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            white if white.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out.push('\n');
    out
}

/// Length of the text that begins here, with both quotes.
fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    for (at, character) in json.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

pub fn difference(expected: &Shown, found: &Shown) -> String {
    let what = match (expected.file, found.file) {
        (DOCUMENT, ISSUES) => "expected a document, found issues",
        (ISSUES, DOCUMENT) => "expected issues, found a document",
        _ => "not what is expected",
    };
    let lines = shortened(&diff(&expected.text, &found.text), LONGEST_DIFFERENCE);
    format!("{what} (- expected, + found)\n{lines}")
}

/// The lines in which two texts differ, with a line of what is around them.
pub fn diff(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let before = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let around = |mark: char, lines: &[&str]| lines.iter().map(|line| format!("{mark} {line}\n")).collect::<String>();
    let (old_end, new_end) = (old.len() - after, new.len() - after);
    [
        around(' ', &old[before.saturating_sub(1)..before]),
        around('-', &old[before..old_end]),
        around('+', &new[before..new_end]),
        around(' ', &old[old_end..old.len().min(old_end + 1)]),
    ]
    .concat()
}
