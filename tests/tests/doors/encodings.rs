//! How bodies come: a byte order mark is passed over, everything else that is not UTF-8 is told as what it is.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use mediator_tests::running::{sample_claim, sample_feedback};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answers::{issues, read};
use crate::server::{CLAIM, CREDENTIALS, FEEDBACK, On, World};

const LIMIT: usize = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_and(bytes, 0)
}

/// Something and so many blanks.
fn gzip_and(bytes: &[u8], mut blanks: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).expect("packed");
    while blanks > 0 {
        let some = blanks.min(1 << 16);
        packed.write_all(&[b' '; 1 << 16][..some]).expect("packed");
        blanks -= some;
    }
    packed.finish().expect("packed")
}

async fn send(world: &World, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let request =
        world.client.post(format!("{}{CLAIM}", world.url)).basic_auth(CREDENTIALS.0, Some(CREDENTIALS.1)).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

fn diagnostics(outcome: &Value) -> &str {
    issues(outcome)[0]["diagnostics"].as_str().expect("text")
}

pub async fn a_byte_order_mark_makes_no_other_message(on: On) {
    let world = World::start(on, &[]).await;
    for (path, document, number) in [(CLAIM, sample_claim(), 1), (FEEDBACK, sample_feedback(), 2)] {
        for (mark, duplicate) in [("\u{feff}", false), ("", true), ("\u{feff}", true)] {
            let answer = read(world.post(path, format!("{mark}{document}")).await).await;
            let expected = json!({"status": "accepted", "id": number, "duplicate": duplicate});
            assert_eq!(answer, (StatusCode::ACCEPTED, expected), "{path}");
        }
        world.settled().await;
    }
    // Of a document that names nothing the bytes are the key.
    for body in ["\u{feff}{\"a\": 1}", "{\"a\": 1}"] {
        assert_eq!(read(world.post(CLAIM, body).await).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let stored = world.settled().await;
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[0].received.as_deref(), Some(sample_claim().as_bytes()), "the mark is not of the document");
    assert_eq!((world.sandbox.cht.records().len(), world.sandbox.openimis.communications().len()), (1, 1));
}

pub async fn what_is_no_json_is_told_as_what_it_is(on: On) {
    let world = World::start(on, &[]).await;
    let utf16 = |mark: &str| -> Vec<u8> {
        format!("{mark}{}", sample_claim()).encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let two = [sample_claim(), sample_claim()].join("\n");
    for (body, says) in [
        (Vec::new(), "expected a JSON document; found an empty text"),
        (b" \r\n".to_vec(), "expected a JSON document; found an empty text"),
        ("\u{feff}".into(), "expected a JSON document; found an empty text"),
        (utf16(""), "UTF-16 (little endian)"),
        (utf16("\u{feff}"), "UTF-16 (little endian)"),
        (gzip(sample_claim().as_bytes()), "data packed with gzip"),
        (b"{\"name\": \"Andr\xe9\"}".to_vec(), "not UTF-8 text (byte 14)"),
        (two.into(), "a further document begins; expected one"),
        (b"{} // done".to_vec(), "a comment; JSON has none"),
        (b"{\"rating\": NaN}".to_vec(), "NaN is no number of JSON"),
        (b"{'rating': 1}".to_vec(), "single quotes; JSON has double ones"),
        (b"{\"rating\": 1,}".to_vec(), "a comma with nothing behind it"),
        (b"<ClaimResponse/>".to_vec(), "XML or HTML, not JSON"),
        (b"{\"rating\": ".to_vec(), "it ends too early"),
    ] {
        let (status, outcome) = read(world.post(CLAIM, body).await).await;
        assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::BAD_REQUEST, &json!("structure")), "{outcome}");
        assert!(diagnostics(&outcome).ends_with(says), "{says}: {outcome}");
    }
    assert!(world.messages().await.is_empty());
}

pub async fn a_charset_other_than_utf8_is_refused(on: On) {
    let world = World::start(on, &[]).await;
    for charset in ["iso-8859-1", "utf-16", "\"windows-1252\"", "us-ascii", ""] {
        for kind in ["application/json", "application/fhir+json"] {
            let content_type = format!("{kind}; charset={charset}");
            let answer = send(&world, &[("content-type", &content_type)], sample_claim()).await;
            assert_eq!(answer.headers()["accept"], "application/json, application/fhir+json");
            let (status, outcome) = read(answer).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
            assert!(diagnostics(&outcome).contains("charset"), "{outcome}");
        }
    }
    assert!(world.messages().await.is_empty());
    for parameters in ["; charset=\"UTF-8\"", ";charset=utf8", "; Charset = utf-8 ; fhirVersion=4.0", ";"] {
        let content_type = format!("application/json{parameters}");
        let answer = send(&world, &[("content-type", &content_type)], sample_claim()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{content_type}");
    }
}

pub async fn a_content_coding_that_is_not_read_is_refused_and_the_answer_says_which_is(on: On) {
    let world = World::start(on, &[]).await;
    let json = ("content-type", "application/json");
    let taken = if on == On::Host { "gzip" } else { "identity" };
    let mut refused = vec!["br", "zstd", "deflate", "compress", "gzip, br", "gzip, gzip", "gzip;q=1", "x"];
    refused.extend((on != On::Host).then_some("gzip"));
    for coding in refused {
        let answer = send(&world, &[json, ("content-encoding", coding)], gzip(sample_claim().as_bytes())).await;
        assert_eq!(answer.headers()["accept-encoding"], taken, "{coding}");
        let (status, outcome) = read(answer).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{coding}");
        assert!(diagnostics(&outcome).contains("Content-Encoding"), "{outcome}");
    }
    assert!(world.messages().await.is_empty());
    for coding in ["identity", "Identity, ", ""] {
        let answer = send(&world, &[json, ("content-encoding", coding)], sample_claim()).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{coding}");
    }
}

/// The native host unpacks gzip, as far as a body may be long.
#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_unpacked_within_the_limit_of_bodies() {
    let world = World::start(On::Host, &[]).await;
    let packed = |coding: &'static str| [("content-type", "application/json"), ("content-encoding", coding)];
    let claim = sample_claim();
    let marked = format!("\u{feff}{claim}");
    let (first, second) = claim.as_bytes().split_at(claim.len() / 2);
    for (coding, body) in [
        ("gzip", gzip(claim.as_bytes())),
        ("GZip", gzip(marked.as_bytes())),
        ("x-gzip, identity", gzip(claim.as_bytes())),
        ("gzip", [gzip(first), gzip(second)].concat()),
    ] {
        let answer = read(send(&world, &packed(coding), body).await).await;
        assert_eq!((answer.0, &answer.1["id"]), (StatusCode::ACCEPTED, &json!(1)), "{coding}: {}", answer.1);
    }
    assert_eq!(world.messages().await[0].received.as_deref(), Some(claim.as_bytes()), "kept unpacked");

    // As long as a body may be; one byte more; a hundred times as much.
    let blanks = |length: usize| gzip_and(claim.as_bytes(), length - claim.len());
    assert_eq!(send(&world, &packed("gzip"), blanks(LIMIT)).await.status(), StatusCode::ACCEPTED);
    for length in [LIMIT + 1, 100 * LIMIT] {
        let (status, outcome) = read(send(&world, &packed("gzip"), blanks(length)).await).await;
        assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too-long")));
    }
    let whole = gzip(claim.as_bytes());
    let mut other_sum = whole.clone();
    let sum = other_sum.len() - 8;
    other_sum[sum] ^= 1;
    let cut = whole[..whole.len() - 12].to_vec();
    let followed = [whole, b"more".to_vec()].concat();
    for body in [claim.into_bytes(), cut, other_sum, followed, Vec::new()] {
        let (status, outcome) = read(send(&world, &packed("gzip"), body).await).await;
        assert_eq!((status, &issues(&outcome)[0]["code"]), (StatusCode::BAD_REQUEST, &json!("structure")));
        assert!(diagnostics(&outcome).contains("Content-Encoding"), "{outcome}");
    }
    assert_eq!(world.messages().await.len(), 1);
}
