//! `map`: documents in, documents out.

use std::process::Stdio;
use std::time::Instant;

use mediator_tests::fixtures;
use mediator_tests::running::{program, sample_claim, sample_feedback};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{components, expected, folder, run};

#[tokio::test]
async fn each_mapping_reads_a_file_or_standard_input_and_prints_json() {
    let dir = folder();
    let mut env = components();
    for (key, value) in
        [("PLACES", r#"[{location_code = "R1D1", place_id = "district-clinic"}]"#), ("DEFAULT_PLACE", "national")]
    {
        env.insert(format!("OPENIMIS_MEDIATOR__MAPPING__PATIENT__{key}"), value.to_owned());
    }
    for (mapping, case, more) in [
        ("claim-response", "claim-response/documented-sample", vec![]),
        ("feedback", "feedback/documented", vec![]),
        ("patient", "patient/recorded", vec!["--location", "R1D1M1V1", "--location", "R1D1"]),
    ] {
        let path = fixtures::root().join(format!("{case}.input.json"));
        let input = std::fs::read_to_string(&path).expect("the fixture");
        let (path, expected) = (path.display().to_string(), expected(case));
        let standard_input = if mapping == "patient" { vec![] } else { vec!["-"] }; // nothing said is the same
        for (source, stdin) in [(vec![path.as_str()], ""), (standard_input, input.as_str())] {
            let args = [vec!["map", mapping], source, more.clone()].concat();
            let ran = run(&args, stdin, &env, &dir).await;
            assert_eq!((ran.code, ran.json()), (Some(0), expected.clone()), "{args:?} {ran}");
            assert_eq!(
                ran.err.contains("warning conflict"),
                mapping == "claim-response",
                "warnings go to stderr: {ran}"
            );
        }
    }
}

#[tokio::test]
async fn a_claim_is_mapped_with_the_contact_and_the_date_that_are_given() {
    let args = ["map", "claim-response", "--contact", "12345", "--claim-date", "2025-08-24"];
    let ran = run(&args, &sample_claim(), &components(), &folder()).await;
    let record = ran.json();
    assert_eq!((ran.code, &record["patient_id"], &record["op_day"]), (Some(0), &json!("12345"), &json!("8")), "{ran}");
}

#[tokio::test]
async fn what_cannot_be_mapped_is_printed_as_an_operation_outcome_with_exit_code_1() {
    let broken = json!({"resourceType": "ClaimResponse", "created": "yesterday"}).to_string();
    for (input, least) in [(broken.as_str(), 4), ("{", 1), ("", 1), (r#"{"resourceType": "Patient"}"#, 1)] {
        let ran = run(&["map", "claim-response"], input, &components(), &folder()).await;
        let outcome = ran.json();
        assert_eq!((ran.code, &outcome["resourceType"]), (Some(1), &json!("OperationOutcome")), "{ran}");
        let issues = outcome["issue"].as_array().expect("issues");
        assert!(issues.len() >= least, "all issues: {ran}");
        assert!(
            issues.iter().all(|issue| ["severity", "code", "diagnostics"].iter().all(|key| issue[key].is_string())),
            "{ran}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_on_stderr_with_exit_code_1() {
    let dir = folder();
    for (args, told) in
        [(["map", "feedback", "no-such-file.json"], "no-such-file.json"), (["map", "feedback", "."], "is a directory")]
    {
        let ran = run(&args, "", &components(), &dir).await;
        assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains(told), "{args:?} {ran}");
    }
    let ran = run(&["map", "claims"], "", &components(), &dir).await;
    assert!(ran.code == Some(2) && ran.err.contains("claim-response"), "the mappings that there are: {ran}");
}

#[tokio::test]
async fn ndjson_gives_a_line_for_a_line_and_a_summary() {
    let dir = folder();
    let good = |rating: &str| {
        let feedback: Value =
            serde_json::from_str(&sample_feedback().replace("\"4\"", &format!("\"{rating}\""))).expect("JSON");
        feedback.to_string()
    };
    let text = format!("{}\n\n{}\nnot json\n{}\r\n{}", good("1"), good("9"), good("2"), good("3"));
    let file = dir.path().join("feedback.ndjson");
    std::fs::write(&file, &text).expect("a file");
    let from_file = run(&["map", "feedback", "feedback.ndjson"], "", &components(), &dir).await;
    let from_stdin = run(&["map", "feedback", "--ndjson"], &text, &components(), &dir).await;
    for ran in [from_file, from_stdin] {
        let lines = ran.lines();
        let kinds: Vec<&str> = lines.iter().filter_map(|line| line["resourceType"].as_str()).collect();
        assert_eq!(
            kinds,
            ["Communication", "OperationOutcome", "OperationOutcome", "Communication", "Communication"],
            "{ran}"
        );
        assert_eq!(lines[3]["payload"][4]["contentString"], "2", "in the order of the input");
        assert!(ran.err.contains("3 mapped (0 with warnings), 2 could not be mapped"), "{ran}");
        assert_eq!(ran.code, Some(1));
    }
    let ran = run(&["map", "feedback", "--ndjson"], &format!("{}\n", good("1")), &components(), &dir).await;
    assert!(ran.code == Some(0) && ran.err.contains("1 mapped (0 with warnings), 0 could not be mapped"), "{ran}");
}

#[tokio::test]
async fn a_thousand_documents_are_mapped_in_bulk() {
    let sample: Value = serde_json::from_str(&sample_feedback()).expect("JSON");
    let text = format!("{sample}\n").repeat(1000);
    let begun = Instant::now();
    let ran = run(&["map", "feedback", "--ndjson"], &text, &components(), &folder()).await;
    assert!(ran.code == Some(0) && ran.err.contains("1000 mapped"), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1000);
    println!("1000 documents in {:?}", begun.elapsed());
}

/// Feedbacks of claims in their order; every tenth cannot be mapped.
fn many(count: usize) -> (String, Vec<Option<String>>) {
    let feedback: Value = serde_json::from_str(&sample_feedback()).expect("JSON");
    let (mut text, mut expected) = (String::new(), Vec::new());
    for number in 0..count {
        let mut one = feedback.clone();
        let uuid = format!("00000000-0000-4000-8000-{number:012}");
        one["claimuuid"] = json!(if number % 10 == 9 { "none" } else { uuid.as_str() });
        text += &format!("{one}\n");
        expected.push((number % 10 != 9).then(|| format!("Claim/{uuid}")));
    }
    (text, expected)
}

#[tokio::test]
async fn the_order_of_the_lines_is_kept_whatever_the_number_of_jobs() {
    let dir = folder();
    let (text, expected) = many(5000); // more than a megabyte: several chunks for each job
    std::fs::write(dir.path().join("many.ndjson"), &text).expect("a file");
    for jobs in ["1", "2", "7"] {
        let ran = run(&["map", "feedback", "many.ndjson", "--jobs", jobs], "", &components(), &dir).await;
        let found: Vec<Option<String>> =
            ran.lines().iter().map(|line| Some(line["about"][0]["reference"].as_str()?.to_owned())).collect();
        assert!(found == expected, "{jobs} jobs: {} lines, {}", found.len(), ran.err);
        assert!(ran.err.contains("4500 mapped (0 with warnings), 500 could not be mapped"), "{}", ran.err);
    }
}

#[tokio::test]
async fn what_is_worth_a_look_is_told_with_the_number_of_its_line() {
    let dir = folder();
    let claim: Value = serde_json::from_str(&sample_claim()).expect("JSON"); // with a warning
    let mut plain = claim.clone();
    plain["request"] = Value::Null;
    std::fs::write(dir.path().join("claims.ndjson"), format!("{claim}\n\n{plain}\n{{}}\n")).expect("a file");
    let args = ["map", "claim-response", "claims.ndjson", "--issues", "issues.ndjson"];
    let ran = run(&args, "", &components(), &dir).await;
    assert_eq!((ran.code, ran.lines().len()), (Some(1), 3), "{ran}");
    let told = std::fs::read_to_string(dir.path().join("issues.ndjson")).expect("the file");
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let short: Vec<Value> =
        told.iter().map(|line| json!([line["line"], line["mapped"], line["resourceType"]])).collect();
    assert_eq!(short, [json!([1, true, "OperationOutcome"]), json!([4, false, "OperationOutcome"])]);
    assert_eq!(told[0]["issue"][0]["severity"], "warning");
    assert!(told[1]["issue"].as_array().is_some_and(|issues| issues.len() > 3), "{}", told[1]);
}

#[tokio::test]
async fn a_line_that_breaks_costs_its_own_line_only() {
    let dir = folder();
    let good = serde_json::from_str::<Value>(&sample_feedback()).expect("JSON").to_string();
    let long = good.replacen('{', &format!("{{\"note\": \"{}\", ", "x".repeat(700 << 10)), 1); // several blocks
    let mut bytes = format!("{good}\n{{\"name\": \"").into_bytes();
    bytes.extend(b"\xe9\"}\n");
    bytes.extend(format!("{long}\n{}\n{good}", "[".repeat(1 << 20)).into_bytes());
    std::fs::write(dir.path().join("some.ndjson"), bytes).expect("a file");
    let mut env = components();
    // Room for a long document.
    env.insert("OPENIMIS_MEDIATOR__COMPONENTS__MEMORY_LIMIT_BYTES".to_owned(), (8 << 20).to_string());
    let ran = run(&["map", "feedback", "some.ndjson"], "", &env, &dir).await;
    let kinds: Vec<Value> = ran.lines().iter().map(|line| line["resourceType"].clone()).collect();
    let outcome = "OperationOutcome";
    assert_eq!(kinds, ["Communication", outcome, "Communication", outcome, "Communication"], "{}", ran.err);
    assert_eq!(ran.lines()[1]["issue"][0]["diagnostics"], "not UTF-8 text (byte 10)");
}

#[tokio::test]
async fn a_file_without_line_ends_is_refused_before_it_fills_the_memory() {
    let dir = folder();
    let file = std::fs::File::create(dir.path().join("zeros.ndjson")).expect("a file");
    file.set_len(200 << 20).expect("a hole");
    let ran = run(&["map", "feedback", "zeros.ndjson"], "", &components(), &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty(), "{ran}");
    assert!(ran.err.contains("line 1: longer than 64 MiB"), "{ran}");
}

#[tokio::test]
async fn the_command_ends_quietly_when_nobody_reads_on() {
    let dir = folder();
    std::fs::write(dir.path().join("many.ndjson"), many(20_000).0).expect("a file");
    let mut command = Command::new(program());
    command
        .args(["map", "feedback", "many.ndjson"])
        .env_clear()
        .envs(components())
        .current_dir(&dir)
        .kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().await.expect("its end");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// The documented feedback, as editors and other systems save it.
#[tokio::test]
async fn a_byte_order_mark_is_passed_over_in_a_document_and_in_lines() {
    let dir = folder();
    let line = serde_json::from_str::<Value>(&sample_feedback()).expect("JSON").to_string();
    std::fs::write(dir.path().join("one.json"), format!("\u{feff}{}", sample_feedback())).expect("a file");
    // The first line of a file, and that of a second file behind it.
    std::fs::write(dir.path().join("some.ndjson"), format!("\u{feff}{line}\r\n\u{feff}{line}\n{line}"))
        .expect("a file");
    let ran = run(&["map", "feedback", "one.json"], "", &components(), &dir).await;
    assert_eq!((ran.code, ran.json()), (Some(0), expected("feedback/documented")), "{ran}");
    let ran = run(&["map", "feedback", "some.ndjson"], "", &components(), &dir).await;
    assert!(ran.code == Some(0) && ran.err.contains("3 mapped"), "{ran}");
    let ran = run(&["map", "feedback", "-"], &format!("\u{feff}{line}"), &components(), &dir).await;
    assert_eq!((ran.code, ran.json()), (Some(0), expected("feedback/documented")), "{ran}");
}

#[tokio::test]
async fn what_is_no_document_is_told_as_what_it_is() {
    let dir = folder();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let files: [(&str, Vec<u8>, &str); 8] = [
        ("empty.json", Vec::new(), "found an empty text"),
        ("utf16.json", utf16(&sample_feedback()), "UTF-16 (little endian)"),
        ("marked16.json", utf16(&format!("\u{feff}{}", sample_feedback())), "UTF-16 (little endian)"),
        ("packed.json", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), "data packed with gzip"),
        ("two.json", b"{}\n{}".to_vec(), "(line 2, column 1): a further document begins; expected one"),
        ("comment.json", b"{ // none\n}".to_vec(), "(line 1, column 3): a comment; JSON has none"),
        ("nan.json", b"{\"assessment_rating\": NaN}".to_vec(), "NaN is no number of JSON"),
        ("latin1.json", b"{\"name\": \"Andr\xe9\"}".to_vec(), "not UTF-8 text (byte 14)"),
    ];
    for (name, bytes, says) in files {
        std::fs::write(dir.path().join(name), bytes).expect("a file");
        let ran = run(&["map", "feedback", name], "", &components(), &dir).await;
        assert_eq!(ran.code, Some(1), "{name}: {ran}");
        let told = ran.json()["issue"][0]["diagnostics"].to_string();
        assert!(told.contains(says), "{name}: {ran}");
    }
    let ran = run(&["map", "feedback", "."], "", &components(), &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains(".: is a directory"), "{ran}");
    // In lines of UTF-16 nothing is where it seems to be.
    std::fs::write(dir.path().join("utf16.ndjson"), utf16("{}\n{}\n")).expect("a file");
    let ran = run(&["map", "feedback", "utf16.ndjson"], "", &components(), &dir).await;
    assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.contains("is UTF-16 (little endian)"), "{ran}");
    std::fs::write(dir.path().join("broken.ndjson"), "{} {}\n").expect("a file");
    let ran = run(&["map", "feedback", "broken.ndjson"], "", &components(), &dir).await;
    let told = ran.lines()[0]["issue"][0]["diagnostics"].to_string();
    assert!(told.contains("a further document begins"), "{ran}");
}
