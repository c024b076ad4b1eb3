//! What holds for any text at all: a mapping answers, it does not panic, and both doors answer the same. Fixtures with bytes taken out,
//! put in and changed stand for "any text"; the order is fixed, so that a failure can be seen again.

use component_host::{Limits, MappingHost};
use flow::ports::{Mapper, MapperError};
use mapping::{MapResult, Severity, claim_response, feedback, patient};
use mediator_tests::fixtures::cases;
use mediator_tests::running::components_dir;

/// Texts made of each fixture.
const PER_FIXTURE: usize = 80;
/// Every which of them also goes through the components.
const SAMPLE: usize = 20;

/// What is put into a text: where JSON, FHIR and the maps have their corners.
const PIECES: &[&str] = &[
    "",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "4.0",
    "\u{0}",
    "\n",
    "é",
    "०",
    "👍",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "2025-08-25",
    "T24:00:00Z",
    "+99:99",
    "0000",
    "urn:uuid:",
    "Patient/",
    "/_history/",
    "Code",
    "UUID",
    "+",
    "00",
    "(0)",
];

/// Splitmix64: the same numbers for ever.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % end.max(1) as u64) as usize
    }
}

/// A text with one to three places changed. What is no longer UTF-8 becomes U+FFFD, as no door takes other text.
fn changed(text: &str, numbers: &mut Numbers) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..[1, 1, 1, 2, 3][numbers.below(5)] {
        let at = numbers.below(bytes.len() + 1);
        let until = (at + numbers.below(6)).min(bytes.len());
        match numbers.below(8) {
            0 => drop(bytes.drain(at..until)),
            1 | 2 => drop(bytes.splice(at..until, PIECES[numbers.below(PIECES.len())].bytes())),
            3 => drop(bytes.splice(at..at, bytes[at..until].to_vec())),
            4 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] = numbers.below(128) as u8,
            _ => bytes.push(numbers.below(256) as u8),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Maps many changed texts of every fixture; returns how many could be mapped and how many not.
fn holds(
    map: &str,
    native: impl Fn(&str) -> MapResult,
    component: impl Fn(&str) -> Result<MapResult, MapperError>,
) -> (usize, usize) {
    let mut numbers = Numbers(2082);
    let (mut mapped, mut refused) = (0, 0);
    for case in cases(map).into_iter().filter(|case| case.input.len() < 4000) {
        for _ in 0..PER_FIXTURE {
            let text = changed(&case.input, &mut numbers);
            let result = native(&text);
            match &result {
                Ok(done) => {
                    mapped += 1;
                    serde_json::from_str::<serde_json::Value>(&done.body).expect("a mapped body is JSON");
                    assert!(done.warnings.iter().all(|issue| issue.severity >= Severity::Warning), "{text}");
                }
                Err(issues) => {
                    refused += 1;
                    assert!(issues.iter().any(|issue| issue.severity <= Severity::Error), "{text}");
                    assert!(issues.iter().all(|issue| issue.diagnostics.len() < 300), "{text}");
                }
            }
            if (mapped + refused) % SAMPLE == 0 {
                let other = component(&text).unwrap_or_else(|error| panic!("{error} on {text}"));
                assert_eq!(result, other, "{text}");
            }
        }
    }
    (mapped, refused)
}

/// Both kinds of answers must come up often, or the texts test nothing.
fn often((mapped, refused): (usize, usize)) {
    assert!(mapped > 100 && refused > 100, "{mapped} mapped, {refused} refused");
}

fn host() -> MappingHost {
    MappingHost::load(&components_dir(), Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(answer)
}

#[test]
fn any_claim_response_is_mapped_or_refused() {
    let (host, settings) = (host(), claim_response::Settings::default());
    often(holds(
        "claim-response",
        |text| {
            claim_response::envelope(text);
            claim_response::map(text, None, None, &settings)
        },
        |text| wait(host.claim_response(text, None, None, &settings)),
    ));
}

#[test]
fn any_claim_date_is_taken_or_refused() {
    let (input, settings) = (r#"{"resourceType": "ClaimResponse"}"#, claim_response::Settings::default());
    let mut numbers = Numbers(345);
    for text in ["2025-08-25T23:59:59.999+05:45", "2025-08-25", "2025-08-25T10:00Z", "9999-12-31T23:59:60-18:00"] {
        for _ in 0..2000 {
            let date = changed(text, &mut numbers);
            let issues = claim_response::map(input, Some(&date), None, &settings).expect_err("the rest is missing");
            assert!(issues.iter().all(|issue| issue.diagnostics.len() < 300), "{date}");
        }
    }
}

#[test]
fn any_feedback_is_mapped_or_refused() {
    let (host, settings) = (host(), feedback::Settings::default());
    often(holds(
        "feedback",
        |text| {
            feedback::envelope(text);
            feedback::map(text, None, &settings)
        },
        |text| wait(host.feedback(text, None, &settings)),
    ));
}

#[test]
fn any_patient_is_mapped_or_refused() {
    let settings = patient::Settings {
        default_place: "national".to_owned(),
        phone_prefix: "+977".to_owned(),
        ..patient::Settings::default()
    };
    let host = host();
    often(holds("patient", |text| patient::map(text, &[], &settings), |text| wait(host.patient(text, &[], &settings))));
}
