//! How foreign text is shown: a name or a code that somebody sent must neither steer a terminal nor look like a line of ours.

use std::borrow::Cow;
use std::fmt::Write;

/// What cannot be seen and changes how the rest is seen: controls with line ends, and marks that turn the direction of writing. Joiners are
/// none: Devanagari needs them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// In one line: `\u{1b}` for ESC, and so on for line ends, tabs and the rest.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden, |out, character| write!(out, "\\u{{{:x}}}", u32::from(character)))
}

/// A document in its lines: line ends and tabs stay.
pub fn text(text: &str) -> Cow<'_, str> {
    let is_hidden = |character| is_hidden(character) && !matches!(character, '\n' | '\t');
    escaped(text, is_hidden, |out, character| write!(out, "\\u{{{:x}}}", u32::from(character)))
}

/// JSON that says the same: what is hidden can only be inside strings, where `\u001b` stands for it.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_hidden = |character| is_hidden(character) && !matches!(character, '\n' | '\r' | '\t');
    escaped(text, is_hidden, |out, character| write!(out, "\\u{:04x}", u32::from(character)))
}

fn escaped(
    text: &str,
    is_hidden: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        // Writing to a String does not fail.
        if !is_hidden(character) || escape(&mut out, character).is_err() {
            out.push(character);
        }
    }
    Cow::Owned(out)
}
