//! Hides what may name a patient in the words of a peer: long numbers (telephone, insurance number, date of birth), addresses, names in
//! quotes. Documents are hidden as a whole elsewhere.

use std::net::{IpAddr, SocketAddr};

use uuid::Uuid;

/// What stands in the place of something hidden. Always the same: its length says nothing.
pub const HIDDEN: &str = "•••••";
/// Most digits that a word may have: statuses, counts and short codes stay.
const DIGITS: usize = 4;

/// A text as it may be shown to anybody who is signed in. `known` are ids that the page shows anyway.
pub fn masked(text: &str, known: &[&str]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // After a word it is an apostrophe.
        let is_quote = matches!(first, '"' | '\'' | '«' | '“') && !masked.ends_with(char::is_alphanumeric);
        if is_quote && let Some((quoted, after)) = quotation(rest, first) {
            masked.push_str(&hidden_if(quoted, is_name(quoted), known));
            rest = after;
        } else if is_of_word(first) {
            let (word, after) = rest.split_at(word_end(rest));
            let core = word.trim_end_matches(['.', ':', '-', '+', '@']);
            masked.push_str(&hidden_if(core, is_telling(core), known));
            masked.push_str(&word[core.len()..]);
            rest = after;
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

/// Where the word at the beginning ends. A number that is written in groups is one, and so is a day.
fn word_end(text: &str) -> usize {
    let mut end = text.find(|character| !is_of_word(character)).unwrap_or(text.len());
    while text[..end].chars().all(|character| character.is_numeric() || matches!(character, '+' | '-' | ' ' | '/'))
        && let Some(group) = text[end..].strip_prefix([' ', '/']).filter(|group| group.starts_with(char::is_numeric))
    {
        end += 1 + group.find(|character| !is_of_word(character)).unwrap_or(group.len());
    }
    end
}

/// The same for a reason or a line of a trail. What a mapping says is never a piece of the input, and its examples are not to be hidden.
pub fn reason_masked(text: &str, known: &[&str]) -> String {
    let is_ours = text.split(": ").next().is_some_and(|first| first.ends_with("cannot be mapped"));
    if is_ours { text.to_owned() } else { masked(text, known) }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '-' | '+' | ':' | '.' | '_' | '@')
}

fn hidden_if(text: &str, hide: bool, known: &[&str]) -> String {
    if hide && !known.contains(&text) { HIDDEN.to_owned() } else { text.to_owned() }
}

/// A quotation with its quotes, and what comes after it.
fn quotation(text: &str, open: char) -> Option<(&str, &str)> {
    let close = match open {
        '«' => '»',
        '“' => '”',
        same => same,
    };
    let inner = &text[open.len_utf8()..];
    let end = inner.find(close)?;
    Some(text.split_at(open.len_utf8() + end + close.len_utf8()))
}

/// Several words, or letters that no code or name of a field has.
fn is_name(quoted: &str) -> bool {
    let inner = quoted.trim_matches(|character: char| matches!(character, '"' | '\'' | '«' | '»' | '“' | '”'));
    inner.contains(char::is_whitespace) || !inner.is_ascii() || is_telling(inner)
}

/// A long number that is neither an id nor a moment, or an address.
fn is_telling(word: &str) -> bool {
    if word.contains('@') {
        return true;
    }
    let digits = word.chars().filter(|character| character.is_numeric()).count();
    digits > DIGITS && !is_id(word) && !is_moment(word) && !is_of_a_machine(word)
}

fn is_id(word: &str) -> bool {
    Uuid::try_parse(word).is_ok()
        || (word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || word.split('.').all(|part| Uuid::try_parse(part).is_ok())
}

/// Where a peer was looked for in vain.
fn is_of_a_machine(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok()
}

/// A moment to the second is when something was done; a day alone may be somebody's birthday.
fn is_moment(word: &str) -> bool {
    word.parse::<jiff::Timestamp>().is_ok()
}
