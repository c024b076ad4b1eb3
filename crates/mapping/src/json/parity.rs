//! The reader and serde_json agree: on what a document holds, and on what is wrong with it and where.

use super::reader::{Broken, Reader};
use super::*;

/// Asks for something of every kind.
#[derive(serde::Deserialize)]
struct View<'a> {
    #[serde(borrow, default)]
    id: Node<Text<'a>>,
    #[serde(borrow, default)]
    value: Node<Scalar<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Box<Node<View<'a>>>,
    #[serde(borrow, default)]
    coding: Node<Vec<Node<View<'a>>>>,
    #[serde(borrow, default)]
    item: Option<&'a serde_json::value::RawValue>,
}

object_shape!(View);

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, value, kind, coding, item } = self;
        f.debug_tuple("View").field(id).field(value).field(kind).field(coding).field(item).finish()
    }
}

type Outcome = Result<String, (bool, usize, usize)>;

fn ours(text: &str) -> Outcome {
    let mut reader = Reader::new(text);
    match reader.document::<Node<View>>() {
        Ok(document) => Ok(format!("{document:?}")),
        Err(broken) => {
            let (line, column) = reader.place(broken);
            Err((broken == Broken::Data, line, column))
        }
    }
}

fn theirs(text: &str) -> Outcome {
    match serde_json::from_str::<Node<View>>(text) {
        Ok(document) => Ok(format!("{document:?}")),
        Err(error) => Err((error.is_data(), error.line(), error.column())),
    }
}

#[track_caller]
fn agree(text: &str) {
    assert_eq!(ours(text), theirs(text), "of {text}");
}

#[test]
fn on_texts_with_escapes_and_without() {
    for text in [
        r#"{"id":"plain"}"#,
        r#"{"id":"","id2":""}"#,
        r#"{"id":"a\"b\\c\/\b\f\n\r\t\u0928\u092E"}"#,
        r#"{"id":"\ud83d\ude00"}"#,
        r#"{"id":"\ud83d"}"#,
        r#"{"id":"\ude00 and more"}"#,
        r#"{"x":"\ud83d"}"#,
        r#"{"x":{"\ud83d":1}}"#,
        r#"{"id":{"\ud83d":1}}"#,
        r#"{"\u0069d":"by an escape"}"#,
        r#"{"id":"\x"}"#,
        r#"{"x":"\x"}"#,
        r#"{"x":"\u12"}"#,
        r#"{"x":"\u12g4"}"#,
        r#"{"id":"\u12g4"}"#,
        "{\"id\":\"a\nb\"}",
        "{\"x\":\"a\u{1f}b\"}",
        "{\"id\":\"a\u{7f}\u{80}नेपाल\"}",
        r#"{"id":"never ends"#,
        r#"{"id":"never ends\"#,
        r#"{"x":"never ends"#,
    ] {
        agree(text);
    }
}

#[test]
fn on_numbers() {
    let numbers = [
        "0",
        "-0",
        "1",
        "-1",
        "01",
        "-",
        "-a",
        "1.",
        "1.5",
        "1.5e3",
        "1e",
        "1e+",
        "1E-7",
        ".5",
        "+1",
        "0x1",
        "00",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "123456789012345678",
        "1234567890123456789",
        "0.1",
        "1.7976931348623157e308",
        "3.0",
        "1 ",
        "1 2",
    ];
    for number in numbers {
        for text in [
            format!(r#"{{"value":{number}}}"#),
            format!(r#"{{"x":{number}}}"#),
            format!(r#"{{"id":{number} ,"value":1}}"#),
        ] {
            agree(&text);
        }
        agree(&format!(r#"{{"item":[{number}]}}"#));
    }
}

/// serde_json refuses them; they are well-formed all the same.
#[test]
fn a_number_may_be_too_large_for_a_float() {
    for number in ["1e999", "-1e999", "1E400"] {
        assert_eq!(ours(&format!(r#"{{"id":{number},"x":{number}}}"#)), ours(r#"{"id":1.5}"#));
        assert!(ours(&format!(r#"{{"value":{number}}}"#)).is_ok_and(|read| read.contains("Float(inf)")));
        assert!(matches!(ours(&format!(r#"{{"value":{number},"x":}}"#)), Err((false, 1, _))));
    }
}

#[test]
fn on_what_comes_twice() {
    for text in [
        r#"{"id":"a","id":"b"}"#,
        "{\"id\":\"a\",\n \"id\" \n : \"b\"}",
        r#"{"id":"a","id"}"#,
        r#"{"type":{"id":1,"id":2},"id":3}"#,
        r#"{"coding":[{"id":1},{"id":1,"id":1}]}"#,
        r#"{"x":1,"x":2}"#,
    ] {
        agree(text);
    }
}

#[test]
fn on_what_nests_deep() {
    for depth in [1, 2, 63, 64, 65, 66, 100, 126, 127, 128, 129, 200, 5000] {
        for (open, close) in [("[", "]"), (r#"{"x":"#, "}"), (r#"{"type":"#, "}"), (r#"[{"x":"#, "}]")] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            for text in [
                format!("{open}1{close}"),
                format!("{open}1"),
                format!(r#"{{"x":{open}1{close}}}"#),
                format!(r#"{{"x":{open} tru{close}}}"#),
            ] {
                // Typed values beyond the limit are told of at another place.
                if !(open.contains("type") && depth > 126) {
                    agree(&text);
                }
            }
        }
    }
}

#[test]
fn on_words_brackets_and_blanks() {
    for text in [
        "",
        " ",
        "null",
        " null ",
        "nul",
        "nulll",
        "true",
        "trux",
        "{}",
        "[]",
        "{} x",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":{}}",
        "{\"a\":[ ]}",
        "{\"a\":{ }",
        "{\"a\":[}",
        "{\"a\":]}",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "\u{feff}{}",
        "{\"id\":null,\"value\":true,\"type\":false}",
        "{\"id\":[],\"value\":{},\"coding\":{\"a\":[1,{\"b\":null}]}}",
        "\r\n\t {\r\n\t \"id\"\r\n\t :\r\n\t \"x\"\r\n\t }\r\n\t ",
        "{\u{a0}}",
        "{\u{0}}",
        "{\"coding\":[1,\"a\",null,{\"id\":\"x\"},[]]}",
        "{\"coding\":[{\"id\":\"x\"}",
        "{\"coding\":[{\"id\":\"x\"},",
        "{\"coding\":[{\"id\":\"x\"}}",
        "{\"coding\":[{\"id\":\"x\"]]}",
        "{\"item\":}",
        "{\"item\": [1, 2 ] }",
    ] {
        agree(text);
    }
}

/// Documents with one thing changed at a time; the same ones in every run.
#[test]
fn on_documents_that_are_damaged() {
    const CLAIM: &str = include_str!("../../../../wit/cases/claim-response/documented-sample.input.json");
    const PATIENT: &str = include_str!("../../../../wit/cases/patient/recorded.input.json");
    const OTHER: &str = r#"{"id":"\u0928","value":-1.5e3,"type":{"coding":[{"id":"a"},null,[],{"value":true}]},"item":{"a":[1,2,{"b":"\\"}]}}"#;
    const BYTES: &[u8] = b"\"\\{}[]:, \n\t\x01012.eE+-tfnu";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for document in [CLAIM, PATIENT, OTHER] {
        for _ in 0..4000 {
            let mut bytes = document.as_bytes().to_vec();
            for _ in 0..=random(2) {
                let at = random(bytes.len());
                match random(4) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, BYTES[random(BYTES.len())]),
                    2 => bytes[at] = BYTES[random(BYTES.len())],
                    _ => bytes.truncate(at.max(1)),
                }
            }
            if let Ok(text) = String::from_utf8(bytes) {
                agree(&text);
            }
        }
    }
}

/// Of everything that the writer writes.
#[derive(serde::Serialize)]
struct Written<'a> {
    #[serde(rename = "resourceType")]
    kind: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'a str>,
    empty: Option<&'a str>,
    list: Vec<Entry>,
    pair: (u8, char),
    nothing: [bool; 0],
    severity: crate::issue::Severity,
    by_name: std::collections::BTreeMap<String, i64>,
    as_it_is: Box<serde_json::value::RawValue>,
    last: bool,
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Entry {
    Number(i64),
    Count(u64),
    Inner { value: i8, nothing: Nothing },
    Raw(Box<serde_json::value::RawValue>),
}

#[derive(serde::Serialize)]
struct Nothing {}

fn raw(text: &str) -> Box<serde_json::value::RawValue> {
    serde_json::from_str(text).expect("JSON")
}

fn is_written_alike(text: &str) {
    let value = Written {
        kind: "Claim",
        text,
        left_out: None,
        empty: None,
        list: vec![
            Entry::Number(i64::MIN),
            Entry::Count(u64::MAX),
            Entry::Raw(raw(r#"{"a" : [1.50, "\u0041"]}"#)),
            Entry::Inner { value: -7, nothing: Nothing {} },
            Entry::Raw(raw("[]")),
        ],
        pair: (0, '"'),
        nothing: [],
        severity: crate::issue::Severity::Warning,
        by_name: [(text.to_owned(), 0), ("other".to_owned(), -1)].into(),
        as_it_is: raw("1.10"),
        last: true,
    };
    assert_eq!(to_json(&value).expect("JSON"), serde_json::to_string(&value).expect("JSON"));
    let empty: [&str; 0] = [];
    assert_eq!(to_json(&empty).expect("JSON"), "[]");
}

#[test]
fn on_what_is_written() {
    for character in (0..0x800).chain([0x939, 0xffff, 0x1_f600]).filter_map(char::from_u32) {
        for before in [0, 1, 6, 7, 8, 9, 15, 16] {
            is_written_alike(&format!("{}{character}after it", "b".repeat(before)));
        }
        is_written_alike(&character.to_string().repeat(3));
    }
    is_written_alike("");
    is_written_alike("\\\"\u{1f}\u{7f}नेपाल\n");
}

#[test]
fn what_has_no_place_in_a_document_is_refused() {
    use std::collections::BTreeMap;
    to_json(&0.1).expect_err("floats do not hold amounts");
    to_json(&BTreeMap::from([(1, "a key that is no text")])).expect_err("keys are texts");
    to_json(&Err::<&str, _>("a variant with data")).expect_err("no such thing in FHIR");
}
