//! The list of words, and where they occur.

use super::prose::Token;

/// A word that is advised against, or a phrase.
struct Entry {
    phrase: Vec<String>,
    instead: String,
    allowed: Vec<Vec<String>>,
}

/// All of them.
pub struct Words(Vec<Entry>);

/// One occurrence.
#[derive(Debug, PartialEq)]
pub struct Hit {
    pub line: usize,
    pub word: String,
}

impl Words {
    /// Reads the part of TOML that docs/style-words.toml uses, and refuses everything else.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').ok_or_else(|| wrong("no end of the section's name"))?;
                let phrase = phrase(name.trim_matches('"'));
                entries.push(Entry { phrase, instead: String::new(), allowed: Vec::new() });
                continue;
            }
            let entry = entries.last_mut().ok_or_else(|| wrong("a value before the first section"))?;
            match line.split_once(" = ") {
                Some(("instead", value)) => {
                    let [text] = &strings(value).ok_or_else(|| wrong("not a string"))?[..] else {
                        return Err(wrong("not one string"));
                    };
                    entry.instead.clone_from(text);
                }
                Some(("allowed", value)) => {
                    let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
                    let list = list.and_then(strings).ok_or_else(|| wrong("not a list of strings in one line"))?;
                    entry.allowed = list.iter().map(|text| phrase(text)).collect();
                }
                _ => return Err(wrong("neither `instead` nor `allowed`")),
            }
        }
        match entries.iter().find(|entry| entry.instead.is_empty() || entry.phrase.is_empty()) {
            Some(entry) => Err(format!("[{}] does not say what to write instead", entry.phrase.join(" "))),
            None => Ok(Self(entries)),
        }
    }

    /// What to write instead of a word of the list.
    pub fn instead(&self, word: &str) -> &str {
        self.0.iter().find(|entry| entry.phrase.join(" ") == word).map_or("", |entry| &entry.instead)
    }

    /// All occurrences outside of allowed phrases, in the order of the text.
    pub fn find(&self, text: &[Token]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for at in 0..text.len() {
            for entry in self.0.iter().filter(|entry| stands(&entry.phrase, text, at)) {
                let is_allowed = entry.allowed.iter().any(|allowed| {
                    let before = at.saturating_sub(allowed.len() - 1);
                    (before..=at)
                        .any(|from| stands(allowed, text, from) && from + allowed.len() >= at + entry.phrase.len())
                });
                if !is_allowed {
                    hits.push(Hit { line: text[at].line, word: entry.phrase.join(" ") });
                }
            }
        }
        hits
    }
}

/// Whether a phrase begins at a word of a text.
fn stands(phrase: &[String], text: &[Token], at: usize) -> bool {
    text.get(at..at + phrase.len())
        .is_some_and(|words| words.iter().zip(phrase).all(|(found, word)| found.word == *word))
}

fn phrase(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// The strings of a comma-separated list.
fn strings(list: &str) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    let mut rest = list.trim();
    while !rest.is_empty() {
        rest = rest.strip_prefix('"')?;
        let mut text = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(letters.next()?.1),
                (_, letter) => text.push(letter),
            }
        };
        strings.push(text);
        rest = rest[end + 1..].trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::super::prose::markdown;
    use super::*;

    const LIST: &str = "\
# a comment
[way]
instead = \"method, \\\"manner\\\"\"
allowed = [\"a way to\", \"this way\"]

[\"goes on\"]
instead = \"continues\"
allowed = []
";

    fn found(text: &str) -> Vec<(usize, String)> {
        let words = Words::read(LIST).expect("a list");
        words.find(&markdown(text)).into_iter().map(|hit| (hit.line, hit.word)).collect()
    }

    #[test]
    fn words_are_found_with_their_lines() {
        assert_eq!(found("The way of\na claim. It goes\non."), [(1, "way".into()), (2, "goes on".into())]);
        assert_eq!(found("Always, a gateway, half-way; it goes onto."), []);
    }

    #[test]
    fn an_allowed_phrase_is_no_hit_and_its_word_elsewhere_is() {
        assert_eq!(found("There is a way to do it this way."), []);
        assert_eq!(found("A way to the claim's way"), [(1, "way".into())]);
        assert_eq!(found("In a way. To be sure"), [(1, "way".into())], "a sentence ends in between");
    }

    #[test]
    fn the_list_says_what_to_write() {
        let words = Words::read(LIST).expect("a list");
        assert_eq!(words.instead("way"), "method, \"manner\"");
        for wrong in ["instead = \"x\"", "[way]", "[way]\ninstead = x", "[way]\nelse = \"x\"", "[way]\nallowed = \"x\""]
        {
            assert!(Words::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_list_of_the_project_is_read() {
        let text = crate::style::read(crate::style::WORDS).expect("the list");
        let words = Words::read(&text).expect("a list");
        for word in [
            "told", "anew", "by turns", "for ever", "doubles", "way", "room", "door", "kept", "taken", "counts", "fits",
        ] {
            assert!(!words.instead(word).is_empty(), "{word}");
        }
    }
}
