//! From bytes to text, for whoever hands documents to a map: which encoding they are in, and what is there instead of JSON.
//!
//! JSON between systems is UTF-8 (RFC 8259, 8.1). A byte order mark before it is passed over, as the RFC allows a reader to do: editors and
//! spreadsheets write one. Nothing else is decoded; it is named, so that the sender knows what to change.

use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::issue::Issue;

/// The mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes without the byte order mark of UTF-8.
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// Takes the byte order mark of UTF-8 off a document.
pub fn unmark(bytes: &mut Vec<u8>) {
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
}

/// What bytes are that are no text in UTF-8, as far as their beginning shows it.
pub fn other_than_utf8(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0xff, 0xfe, 0, 0, ..] | [1..=0x7f, 0, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=0x7f, ..] => "UTF-32",
        // Of a text whose first character is one of ASCII, as JSON's is, one half of the first two bytes is zero.
        [0xff, 0xfe, ..] | [1..=0x7f, 0, ..] => "UTF-16 (little endian)",
        [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] => "UTF-16 (big endian)",
        [0x1f, 0x8b, ..] => "data packed with gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "data packed with zstd",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        _ => return None,
    })
}

/// The text of a document in UTF-8, without its byte order mark.
pub fn text(bytes: &[u8]) -> Result<&str, Issue> {
    if let Some(other) = other_than_utf8(bytes) {
        return Err(Issue::fatal("", format!("expected text in UTF-8; found {other}")));
    }
    let rest = unmarked(bytes);
    std::str::from_utf8(rest).map_err(|error| {
        let at = bytes.len() - rest.len() + error.valid_up_to();
        Issue::fatal("", format!("not UTF-8 text (byte {at})"))
    })
}

/// The text of a JSON document, without its byte order mark; else what is there instead.
pub fn json_text(bytes: &[u8]) -> Result<&str, Issue> {
    let text = text(bytes)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Issue::fatal("", malformed(text, &error))),
    }
}

/// What is wrong with a text that a reader of JSON refused as such, and where. Nothing of it is quoted.
#[cold]
pub fn malformed(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "expected a JSON document; found an empty text".to_owned();
    }
    let (line, column) = (error.line(), error.column());
    let begun: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (begun + column).saturating_sub(1).min(text.len());
    let what = what(text.as_bytes(), at, error);
    format!("not well-formed JSON (line {line}, column {column}): {what}")
}

/// Words of other languages where a value of JSON should be.
const WORDS: [(&str, &str); 8] = [
    ("NaN", "NaN is no number of JSON"),
    ("nan", "NaN is no number of JSON"),
    ("Infinity", "Infinity is no number of JSON"),
    ("-Infinity", "Infinity is no number of JSON"),
    ("undefined", "undefined is no value of JSON"),
    ("None", "None is no value of JSON; null is"),
    ("True", "True is no value of JSON; true is"),
    ("False", "False is no value of JSON; false is"),
];

fn what(text: &[u8], at: usize, error: &serde_json::Error) -> &'static str {
    if error.classify() == Category::Eof {
        return "it ends too early";
    }
    let message = error.to_string();
    let is = |reason: &str| message.starts_with(reason);
    if is("number out of range") {
        return "a number beyond what can be read";
    }
    if is("control character") {
        return "a line end, a tab or another control character in a text; JSON escapes it";
    }
    if is("invalid escape") {
        return "a backslash in a text that begins no escape of JSON";
    }
    if is("lone leading surrogate") || is("unexpected end of hex escape") || is("invalid unicode code point") {
        return "half of a pair of surrogates in a text";
    }
    if is("recursion limit") {
        return "it nests too deeply";
    }
    let rest = &text[at..];
    // A reader finds out in the middle of a word, or behind a sign.
    let word =
        text[..at].iter().rposition(|byte| !byte.is_ascii_alphabetic() && *byte != b'-').map_or(0, |end| end + 1);
    let word = &text[word..];
    if let Some((_, what)) = WORDS.iter().find(|(known, _)| word.starts_with(known.as_bytes())) {
        return what;
    }
    let before = text[..at].trim_ascii_end().last();
    match rest.first() {
        Some(b'/' | b'#') => "a comment; JSON has none",
        Some(b'\'') => "single quotes; JSON has double ones",
        Some(0xe2) if rest.starts_with("\u{201c}".as_bytes()) || rest.starts_with("\u{201d}".as_bytes()) => {
            "quotation marks of a word processor; JSON has straight ones"
        }
        Some(b'<') if before.is_none() => "XML or HTML, not JSON",
        Some(first) if is("trailing characters") => match first {
            b'{' | b'[' => "a further document begins; expected one",
            _ => "something follows the document",
        },
        Some(b'}' | b']') if before == Some(&b',') => "a comma with nothing behind it",
        Some(_) if is("key must be a string") => "a key without double quotes",
        Some(_) if is("invalid number") => "a number that is not written as in JSON",
        Some(b'+' | b'.') => "a number that is not written as in JSON",
        Some(_) if is("expected `:`") => "expected a colon after a key",
        Some(_) if is("expected `,` or `}`") || is("expected `,` or `]`") => {
            "expected a comma, or the end of a list or object"
        }
        _ => "expected a value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> String {
        json_text(bytes).map_or_else(|issue| issue.diagnostics, |text| format!("taken: {text}"))
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(told(b"\xef\xbb\xbf{}"), "taken: {}");
        assert_eq!(told(b"\xef\xbb\xbf {\"a\": 1E400}\n"), "taken:  {\"a\": 1E400}\n");
        // One, at the beginning; in a text it is a character like any other.
        assert_eq!(told(b"\xef\xbb\xbf\xef\xbb\xbf{}"), "not well-formed JSON (line 1, column 1): expected a value");
        assert_eq!(told("[\"\u{feff}\"]".as_bytes()), "taken: [\"\u{feff}\"]");
        let mut document = b"\xef\xbb\xbf{}".to_vec();
        unmark(&mut document);
        unmark(&mut document);
        assert_eq!(
            (document.as_slice(), unmarked(b"\xef\xbb\xbfa"), unmarked(b"\xef\xbb")),
            (&b"{}"[..], &b"a"[..], &b"\xef\xbb"[..])
        );
    }

    #[test]
    fn other_encodings_are_named() {
        for document in ["{\"a\": 1}", "[]", "\"\u{905}\"", "1"] {
            for mark in ["", "\u{feff}"] {
                let document = format!("{mark}{document}");
                assert_eq!(
                    told(&utf16(&document, u16::to_le_bytes)),
                    "expected text in UTF-8; found UTF-16 (little endian)",
                    "{document}"
                );
                assert_eq!(
                    told(&utf16(&document, u16::to_be_bytes)),
                    "expected text in UTF-8; found UTF-16 (big endian)",
                    "{document}"
                );
                for utf32 in [u32::to_le_bytes, u32::to_be_bytes] {
                    let bytes: Vec<u8> = document.chars().map(u32::from).flat_map(utf32).collect();
                    assert_eq!(told(&bytes), "expected text in UTF-8; found UTF-32", "{document}");
                }
            }
        }
        assert_eq!(told(b"\x1f\x8b\x08\0\0\0\0\0"), "expected text in UTF-8; found data packed with gzip");
        assert_eq!(told(b"\x28\xb5\x2f\xfd\x04"), "expected text in UTF-8; found data packed with zstd");
        assert_eq!(told(b"PK\x03\x04\x14"), "expected text in UTF-8; found a ZIP archive");
        assert_eq!(told(b"{\"name\": \"Andr\xe9\"}"), "not UTF-8 text (byte 14)");
        assert_eq!(told(b"\xef\xbb\xbf\"\xe9\""), "not UTF-8 text (byte 4)", "counted as they came");
    }

    #[test]
    fn what_is_there_instead_of_json_is_told_with_its_place() {
        let nothing = "expected a JSON document; found an empty text";
        for (text, place, what) in [
            ("{", "line 1, column 1", "it ends too early"),
            ("{\"a\": \"b", "line 1, column 8", "it ends too early"),
            ("{} {}", "line 1, column 4", "a further document begins; expected one"),
            ("{}\n{}\n", "line 2, column 1", "a further document begins; expected one"),
            ("{} and more", "line 1, column 4", "something follows the document"),
            ("{}}", "line 1, column 3", "something follows the document"),
            ("// made by hand\n{}", "line 1, column 1", "a comment; JSON has none"),
            ("{\"a\": 1, /* one */ \"b\": 2}", "line 1, column 10", "a comment; JSON has none"),
            ("{\n  # none\n}", "line 2, column 3", "a comment; JSON has none"),
            ("{} // done", "line 1, column 4", "a comment; JSON has none"),
            ("{\"a\": NaN}", "line 1, column 7", "NaN is no number of JSON"),
            ("{\"a\": nan}", "line 1, column 8", "NaN is no number of JSON"),
            ("[Infinity]", "line 1, column 2", "Infinity is no number of JSON"),
            ("[-Infinity]", "line 1, column 3", "Infinity is no number of JSON"),
            ("{\"a\": None}", "line 1, column 7", "None is no value of JSON; null is"),
            ("[True, False]", "line 1, column 2", "True is no value of JSON; true is"),
            ("[undefined]", "line 1, column 2", "undefined is no value of JSON"),
            ("{'a': 1}", "line 1, column 2", "single quotes; JSON has double ones"),
            (
                "{\u{201c}a\u{201d}: 1}",
                "line 1, column 2",
                "quotation marks of a word processor; JSON has straight ones",
            ),
            ("{a: 1}", "line 1, column 2", "a key without double quotes"),
            ("{\"a\": 1,}", "line 1, column 9", "a comma with nothing behind it"),
            ("[1, 2,\n]", "line 2, column 1", "a comma with nothing behind it"),
            ("[01]", "line 1, column 3", "a number that is not written as in JSON"),
            ("[+1]", "line 1, column 2", "a number that is not written as in JSON"),
            ("[.5]", "line 1, column 2", "a number that is not written as in JSON"),
            ("[0x1F]", "line 1, column 3", "expected a comma, or the end of a list or object"),
            ("{\"a\": 1 \"b\": 2}", "line 1, column 9", "expected a comma, or the end of a list or object"),
            ("{\"a\" 1}", "line 1, column 6", "expected a colon after a key"),
            (
                "[\"a\nb\"]",
                "line 1, column 3",
                "a line end, a tab or another control character in a text; JSON escapes it",
            ),
            ("[\"C:\\data\"]", "line 1, column 6", "a backslash in a text that begins no escape of JSON"),
            ("<ClaimResponse/>", "line 1, column 1", "XML or HTML, not JSON"),
            ("claim", "line 1, column 1", "expected a value"),
        ] {
            assert_eq!(told(text.as_bytes()), format!("not well-formed JSON ({place}): {what}"), "{text}");
        }
        for text in ["", " \r\n\t", "\u{feff}"] {
            assert_eq!(told(text.as_bytes()), nothing);
        }
        // Beyond what a float holds, and deeper than we read: JSON all the same.
        assert!(json_text(b"[1E400, -1e-999]").is_ok());
        let error = serde_json::from_str::<serde_json::Value>("{\"a\": 1E400}").expect_err("beyond f64");
        assert!(malformed("{\"a\": 1E400}", &error).ends_with(": a number beyond what can be read"));
    }

    #[test]
    fn no_bytes_whatever_stop_it() {
        for length in 0..5_u32 {
            for bytes in 0..6_u32.pow(length) {
                let alphabet = b"{\",\n\x00\xef";
                let bytes: Vec<u8> = (0..length).map(|at| alphabet[(bytes / 6_u32.pow(at) % 6) as usize]).collect();
                drop(json_text(&bytes));
            }
        }
    }
}
