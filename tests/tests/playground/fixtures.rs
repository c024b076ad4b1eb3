//! Every fixture through the browser, one of the places where the same mapping runs; and how long a call takes there.

use std::path::PathBuf;
use std::time::Instant;

use mapping::{Issue, MapResult, Mapped, claim_response, feedback, patient};
use mediator_tests::fixtures::{Case, cases, check_all};
use mediator_tests::running::components_dir;
use serde_json::{Value, json};

/// What goes into a case, for the page.
fn given(map: &str, case: &Case) -> Value {
    json!({
        "map": map,
        "input": case.input,
        "settings": case.read::<Value>("settings.json"),
        "contact": case.read::<Value>("contact.json"),
        "claimDate": case.read::<Value>("claim-date.json"),
        "insureeUuid": case.read::<Value>("insuree.json"),
        "locationCodes": case.read::<Value>("locations.json"),
    })
}

/// Maps cases in the page, all in one go.
const RUN: &str = "(async (cases) => {
    // The same module as the page's, which has loaded it.
    const { mapClaimResponse, mapFeedback, mapPatient } = await import('./mapping/web.mjs');
    const maps = {
        'claim-response': [mapClaimResponse, 'contact', 'claimDate'],
        feedback: [mapFeedback, 'insureeUuid'],
        patient: [mapPatient, 'locationCodes'],
    };
    const one = (given) => {
        const [map, ...names] = maps[given.map];
        const options = Object.fromEntries(names.map((name) => [name, given[name] ?? undefined]));
        return () => map(given.input, { settings: given.settings ?? undefined, ...options });
    };
    return (RUNNER)(cases.map(one));
})(CASES)";

fn run(runner: &str, cases: &[Value]) -> String {
    RUN.replace("RUNNER", runner).replace("CASES", &json!(cases).to_string())
}

fn result(answer: &Value) -> MapResult {
    let issues = |value: &Value| -> Vec<Issue> { serde_json::from_value(value.clone()).expect("issues") };
    match answer["issues"].is_array() {
        true => Err(issues(&answer["issues"])),
        false => Ok(Mapped {
            body: answer["body"].as_str().expect("a body").to_owned(),
            idempotency_key: answer["key"].as_str().expect("a key").to_owned(),
            warnings: issues(&answer["warnings"]),
        }),
    }
}

fn natively(map: &str, case: &Case) -> MapResult {
    match map {
        "claim-response" => {
            let contact: Option<claim_response::ContactLink> = case.read("contact.json");
            let date: Option<String> = case.read("claim-date.json");
            claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &case.read("settings.json"))
        }
        "feedback" => {
            let insuree: Option<String> = case.read("insuree.json");
            feedback::map(&case.input, insuree.as_deref(), &case.read("settings.json"))
        }
        _ => {
            let locations: Vec<String> = case.read("locations.json");
            patient::map(&case.input, &locations, &case.read("settings.json"))
        }
    }
}

const MAPS: [&str; 3] = ["claim-response", "feedback", "patient"];

#[tokio::test]
async fn every_fixture_maps_in_the_browser_as_written_and_byte_for_byte_as_natively() {
    open_page!(browser, mediator, page);
    let runner = "(calls) => calls.map((call) => { try { const { body, idempotencyKey: key, warnings } = call(); \
        return { body, key, warnings }; } catch (error) { if (!error.issues) throw error; return { issues: error.issues }; } })";
    for map in MAPS {
        let cases = cases(map);
        let given: Vec<Value> = cases.iter().map(|case| given(map, case)).collect();
        let answers = page.evaluate(&run(runner, &given)).await;
        let answers = answers.as_array().expect("answers");
        assert_eq!(answers.len(), cases.len());
        let of = |case: &Case| {
            let at = cases.iter().position(|other| other.name == case.name).expect("a case");
            result(&answers[at])
        };
        check_all(map, of);
        for case in &cases {
            assert_eq!(of(case), natively(map, case), "{}", case.name);
        }
    }
    mediator.stop().await;
}

#[tokio::test]
#[ignore = "measures: cargo test --test playground -- --ignored --nocapture"]
async fn how_long_a_call_takes_in_the_browser() {
    open_page!(browser, mediator, page);
    let wasm: PathBuf = components_dir().with_file_name("playground").join("mapping/mapping_bg.wasm");
    println!("module: {} bytes", wasm.metadata().expect("the module").len());
    for (map, name) in MAPS.into_iter().zip(["documented-sample", "documented", "recorded"]) {
        let case = cases(map).into_iter().find(|case| case.name.ends_with(&format!("/{name}"))).expect("a fixture");
        let runner = "async ([call]) => { const rounds = []; for (let round = 0; round < 11; round += 1) { \
            const begun = performance.now(); for (let i = 0; i < 2000; i += 1) call(); \
            rounds.push((performance.now() - begun) / 2); } return rounds.sort((a, b) => a - b)[5]; }";
        let begun = Instant::now();
        let microseconds = page.evaluate(&run(runner, &[given(map, &case)])).await;
        println!(
            "{}: {:.1} µs a call (median of 11 rounds of 2000; {:.1?} in all)",
            case.name,
            microseconds.as_f64().expect("a number"),
            begun.elapsed()
        );
    }
    mediator.stop().await;
}
