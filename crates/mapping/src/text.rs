//! Characters that cannot be seen, and how texts are read without them.
//!
//! Keyboards for Nepali leave joiners behind digits, telephones wrap numbers in direction marks, and what is copied out of a document
//! brings blanks that do not break, soft hyphens and byte order marks along. No reader sees them, and no other system finds a number or
//! a code that has one in it.
//!
//! - [`plain`]: numbers, codes, uuids, days, telephone numbers, words with a meaning. What cannot be seen is dropped.
//! - [`name`]: names and other words for people. Joiners between letters belong to the spelling of Nepali and other scripts and stay.
//!
//! Both give back the text itself where there is nothing to do, which costs a look at its bytes.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// A number, a code, a uuid, a day or a telephone number as it is read: without blanks at its ends, without characters that cannot be
/// seen, and without blanks other than the one of the keyboard (U+0020), which stay invisible between digits.
pub fn plain(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() { Cow::Borrowed(text) } else { plain_of(text) }
}

#[inline(never)]
fn plain_of(text: &str) -> Cow<'_, str> {
    let is_dropped = |letter: char| !letter.is_ascii() && (is_blank(letter) || is_unseen(letter));
    let text = text.trim_matches(|letter| is_blank(letter) || is_unseen(letter));
    if text.contains(is_dropped) {
        Cow::Owned(text.chars().filter(|letter| !is_dropped(*letter)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A name, an address or a sentence as it is read: one blank between words, no line ends, control characters or direction marks, and
/// joiners only between the letters of a script that has them. A name of which nothing can be seen is empty.
pub fn name(text: &str) -> Cow<'_, str> {
    let mut before = ' ';
    let is_tidy = text.chars().all(|letter| {
        let is_tidy = match letter {
            ' ' => before != ' ',
            letter => !is_blank(letter) && !is_unseen(letter) && !letter.is_control(),
        };
        before = letter;
        is_tidy
    });
    if (is_tidy && before != ' ') || text.is_empty() { Cow::Borrowed(text) } else { name_of(text) }
}

#[inline(never)]
fn name_of(text: &str) -> Cow<'_, str> {
    let mut clean = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut can_be_seen = false;
    let mut is_between_words = false;
    while let Some(letter) = letters.next() {
        if is_blank(letter) {
            is_between_words = true;
            continue;
        }
        let stays = match letter {
            joiner if JOINERS.contains(&joiner) => {
                let before = clean.chars().next_back().filter(|_| !is_between_words);
                joins(before, letters.peek().copied())
            }
            // They choose the shape of the letter before them.
            '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => !clean.is_empty(),
            letter => !letter.is_control() && !is_unseen(letter),
        };
        if stays {
            if is_between_words && !clean.is_empty() {
                clean.push(' ');
            }
            is_between_words = false;
            can_be_seen |= !is_unseen(letter);
            clean.push(letter);
        }
    }
    match can_be_seen {
        false => Cow::Borrowed(""),
        true if clean == text => Cow::Borrowed(text),
        true => Cow::Owned(clean),
    }
}

/// Whether nothing of a text can be seen.
pub fn is_empty(text: &str) -> bool {
    text.chars().all(|letter| is_blank(letter) || is_unseen(letter) || letter.is_control())
}

/// Whether a letter leaves no trace on paper and separates no words: joiners, direction marks, controls and the like.
pub fn cannot_be_seen(letter: char) -> bool {
    !is_blank(letter) && (is_unseen(letter) || letter.is_control())
}

/// Reads a setting that is a code, as [`plain`].
///
/// # Errors
/// What is no text.
pub fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(owned)
}

/// Reads a setting that may be a code, as [`plain`].
///
/// # Errors
/// What is no text.
pub fn optional_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(owned))
}

/// The text as [`plain`], without a copy where there is nothing to do.
pub fn owned(text: String) -> String {
    match plain(&text) {
        Cow::Borrowed(clean) if clean.len() == text.len() => text,
        clean => clean.into_owned(),
    }
}

/// Whether a joiner belongs here: between letters of a script that has joiners, or behind the sign that takes a letter's vowel away
/// (Malayalam ends words so).
fn joins(before: Option<char>, after: Option<char>) -> bool {
    const VIRAMAS: [char; 14] = [
        '\u{94d}', '\u{9cd}', '\u{a4d}', '\u{acd}', '\u{b4d}', '\u{bcd}', '\u{c4d}', '\u{ccd}', '\u{d4d}', '\u{dca}',
        '\u{1039}', '\u{103a}', '\u{17d2}', '\u{1a60}',
    ];
    let is_letter = |letter: char| !letter.is_ascii() && !is_blank(letter) && !is_unseen(letter);
    match (before, after) {
        (Some(before), _) if VIRAMAS.contains(&before) => true,
        (Some(before), Some(after)) => is_letter(before) && is_letter(after),
        _ => false,
    }
}

/// Blanks of every width, and ends of lines.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{2800}' // Braille without a dot
}

/// What leaves no trace on paper: Unicode's `Default_Ignorable_Code_Point`, further format characters, and the controls beyond ASCII.
fn is_unseen(letter: char) -> bool {
    matches!(letter,
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_without_what_cannot_be_seen() {
        for (written, read) in [
            ("", ""),
            ("C1", "C1"),
            (" \t\r\n C 1 \u{b}\u{c}", "C 1"),
            ("५\u{200d}", "५"),
            ("\u{200c}५", "५"),
            ("\u{202a}+9779841234567\u{202c}", "+9779841234567"),
            ("070\u{a0}707\u{202f}070", "070707070"),
            ("\u{3000}HF\u{200b}001\u{2003}", "HF001"),
            ("\u{feff}d325\u{ad}6498", "d3256498"),
            ("\u{2066}2025-08-25\u{2069}", "2025-08-25"),
            ("A\u{fe0f}\u{e0041}\u{2800}B\u{85}", "AB"),
            ("\u{200b}\u{feff} \u{a0}", ""),
            ("रोग-१", "रोग-१"),
            ("one two", "one two"),
        ] {
            assert_eq!(plain(written), read, "{written:?}");
            assert_eq!(owned(written.to_owned()), read, "{written:?}");
        }
    }

    #[test]
    fn names_are_read_without_controls_and_joiners_stay_between_letters() {
        for (written, read) in [
            ("", ""),
            ("Jane", "Jane"),
            (" Jane\n  Mary\t", "Jane Mary"),
            ("Do\0e\u{202e}\u{7}", "Doe"),
            ("\u{7}\u{1b}[31mDoe", "[31mDoe"),
            ("Jane\u{a0}Mary\u{2028}Doe", "Jane Mary Doe"),
            ("र्\u{200d}याली", "र्\u{200d}याली"),
            ("श्री\u{200c}मान", "श्री\u{200c}मान"),
            ("राम\u{200d}", "राम"),
            ("\u{200d}राम \u{200d}थापा", "राम थापा"),
            ("മോഹന്\u{200d}", "മോഹന്\u{200d}"),
            ("Ja\u{200d}ne", "Jane"),
            ("Ja\u{200b}n\u{ad}e\u{feff}", "Jane"),
            ("Jane \u{200b} Doe", "Jane Doe"),
            ("葛\u{e0100}城", "葛\u{e0100}城"),
            ("\u{200b}\u{feff}", ""),
            ("\u{fe0f}\u{3164}\u{2800}", ""),
            ("Élise N'Diaye", "Élise N'Diaye"),
        ] {
            assert_eq!(name(written), read, "{written:?}");
            assert_eq!(is_empty(written), read.is_empty(), "{written:?}");
            assert_eq!(name(&name(written)), name(written), "{written:?} read twice");
        }
    }

    #[test]
    fn what_is_plain_is_not_copied() {
        for text in ["C1", "कल्पना", "  C1\n", "d3256498-ad16-4482-a2d2-4a6d9c78ba81"] {
            assert!(matches!(plain(text), Cow::Borrowed(_)), "{text}");
        }
        for text in ["Jane Doe", "कल्पना उदाहरण", "र्\u{200d}याली", "Élise"] {
            assert!(matches!(name(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
