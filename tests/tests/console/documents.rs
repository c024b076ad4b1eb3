//! Two documents side by side, and what is hidden in the words of a peer.

use console::documents::{View, lines, marks};
use console::mask::{HIDDEN, masked};

fn written(json: &str) -> String {
    let lines = lines(json).expect("JSON");
    let line = |line: &console::documents::Line| {
        format!("{}{}{}{}", "  ".repeat(line.depth), line.key, line.value.as_deref().unwrap_or_default(), line.end)
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_document_keeps_its_order_and_its_numbers() {
    let json = r#"{"z":1.10,"a":[1e2,"é\u0041\"",{}, []],"z":null,"b":{"c":true}}"#;
    let expected = "{\n  \"z\": 1.10,\n  \"a\": [\n    1e2,\n    \"é\\u0041\\\"\",\n    {},\n    []\n  ],\n  \"z\": null,\n  \"b\": {\n    \"c\": true\n  }\n}";
    assert_eq!(written(json), expected);
    assert_eq!(written("7"), "7");
    for not_json in ["", "{", "text", "{\"a\":1} x", "<a/>"] {
        assert!(lines(not_json).is_none(), "{not_json}");
    }
    assert!(lines(&"[".repeat(100_000)).is_none(), "no depth breaks it");
    assert!(lines(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_none());
}

#[test]
fn of_a_very_long_document_the_beginning_is_compared_and_less_is_shown() {
    let json = format!("{{\"a\": [{}7]}}", "7,".repeat(500_000));
    let long = lines(&json).expect("JSON");
    assert!((10_000..30_000).contains(&long.len()), "{}", long.len());
    let marks = marks(&long, &long);
    let view = View { shown: true, known: &[], both: "both" };
    let page = view.document(&long, Some(&marks[0])).into_string();
    assert!(page.lines().count() < 4_000 && page.contains("… +"), "{}", page.len());
}

/// For each line of both documents its mark.
fn numbers(left: &str, right: &str) -> [Vec<Option<usize>>; 2] {
    let (left, right) = (lines(left).expect("JSON"), lines(right).expect("JSON"));
    let marks = marks(&left, &right);
    [(&left, &marks[0]), (&right, &marks[1])]
        .map(|(lines, marks)| (0..lines.len()).map(|at| marks.get(&at).copied()).collect())
}

#[test]
fn what_is_in_both_documents_has_the_same_number_however_it_is_written() {
    let uuid = "d3256498-ad16-4482-a2d2-4a6d9c78ba81";
    let left = format!(r#"{{"rating": 4, "only": "here", "claim": "{uuid}", "again": "4"}}"#);
    let plain = uuid.to_uppercase().replace('-', "");
    let right = format!(r#"{{"x": "Claim/{uuid}", "y": "4", "z": "else", "v": "urn:uuid:{plain}"}}"#);
    let [left, right] = numbers(&left, &right);
    assert_eq!(left, [None, Some(1), None, Some(2), Some(1), None]);
    assert_eq!(right, [None, Some(2), Some(1), None, Some(2), None]);
}

#[test]
fn what_says_nothing_of_its_origin_is_not_marked() {
    let all = r#"[true, false, null, "", " "]"#;
    assert!(numbers(all, all).iter().flatten().all(Option::is_none));
}

#[test]
fn hidden_values_leave_the_shape_and_what_the_page_shows_anyway() {
    let document = r#"{"resourceType": "Claim", "name": "Sita", "born": "1984-05-12", "code": "CHT979", "paid": true}"#;
    let shown = |shown: bool| {
        let view = View { shown, known: &["CHT979"], both: "both" };
        view.document(&lines(document).expect("JSON"), None).into_string()
    };
    let hidden = shown(false);
    assert_eq!(hidden.matches(HIDDEN).count(), 3, "{hidden}");
    for kept in ["resourceType", "Claim", "name", "born", "CHT979", "paid"] {
        assert!(hidden.contains(kept), "{kept}: {hidden}");
    }
    for personal in ["Sita", "1984", "true"] {
        assert!(!hidden.contains(personal) && shown(true).contains(personal), "{personal}");
    }
}

#[test]
fn the_words_of_a_peer_tell_no_number_address_or_name() {
    for (text, expected) in [
        (
            "openIMIS refused with 500: Insuree 070707070 not found",
            "openIMIS refused with 500: Insuree ••••• not found",
        ),
        ("phone +9779841234567, again", "phone •••••, again"),
        ("phone +977 984 123 4567 is taken", "phone ••••• is taken"),
        ("born 1984-05-12.", "born •••••."),
        ("born 12/05/1984, or 1984/05/12", "born •••••, or •••••"),
        ("no person \"Sita Kumari\" here", "no person ••••• here"),
        ("नाम \"सीता\" छैन", "नाम ••••• छैन"),
        ("mail sita@example.org now", "mail ••••• now"),
        (
            "CHT keeps it as report 8f9c0b1e-1111-4222-8333-444455556666",
            "CHT keeps it as report 8f9c0b1e-1111-4222-8333-444455556666",
        ),
        ("as 8f9c0b1e1111422283334444555566aa", "as 8f9c0b1e1111422283334444555566aa"),
        ("at 2026-11-21T08:42:23Z: HTTP 503", "at 2026-11-21T08:42:23Z: HTTP 503"),
        ("CHT answered 500: Missing form \"OP\"", "CHT answered 500: Missing form \"OP\""),
        ("openIMIS' uuid of the claim's patient", "openIMIS' uuid of the claim's patient"),
        ("GET /api/v1/contacts-by-phone", "GET /api/v1/contacts-by-phone"),
        ("no connection: 10.20.30.40:5984 is away", "no connection: 10.20.30.40:5984 is away"),
        ("from 127.0.0.1.", "from 127.0.0.1."),
        ("", ""),
    ] {
        assert_eq!(masked(text, &[]), expected);
    }
    assert_eq!(masked("claim CL000123 again", &["CL000123"]), "claim CL000123 again");
}
