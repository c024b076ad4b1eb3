//! The fuzz targets without a fuzzer: on the regressions in `fuzz/corpus`, on what the cases make for the fuzzer, and on pieces of those put
//! together. An input that a fuzzer finds becomes a file in the corpus, and so a test.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mediator_tests::fixtures;
use mediator_tests::running::workspace;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

fn corpus(target: &str) -> PathBuf {
    workspace().join("fuzz/corpus").join(target)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

/// Inputs that are made of each seed.
const PER_SEED: usize = 8;
/// Longest seed of which inputs are made; the fuzzer cuts off at the same length.
const LONGEST: usize = 8192;

/// The beginning of one seed and the end of another one. The order is fixed, so that a failure can be seen again.
fn crossed(seeds: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut random = fastrand::Rng::with_seed(seeds.len() as u64);
    let mut crossed = Vec::new();
    for (name, seed) in seeds.iter().filter(|(_, seed)| seed.len() <= LONGEST) {
        for _ in 0..PER_SEED {
            let (other, end) = &seeds[random.usize(..seeds.len())];
            let (until, from) = (random.usize(..=seed.len()), random.usize(..=end.len()));
            crossed.push((format!("{name}[..{until}] and {other}[{from}..]"), [&seed[..until], &end[from..]].concat()));
        }
    }
    crossed
}

/// Runs a target on all its inputs, and reports those on which it panics.
fn holds(target: &str, cases_of: Option<&str>) {
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("a readable file"));
    let folder = corpus(target);
    let mut inputs: Vec<_> = if folder.is_dir() { files(&folder).into_iter().map(read).collect() } else { Vec::new() };
    let seeds: Vec<_> = cases_of.into_iter().flat_map(fixtures::cases).flat_map(|case| case.seeds()).collect();
    inputs.extend(crossed(&seeds));
    inputs.extend(seeds);
    assert!(inputs.len() > 5, "{target} has {} inputs", inputs.len());
    let fails = |(_, data): &&(String, Vec<u8>)| catch_unwind(|| fuzz_targets::run(target, data)).is_err();
    let failed: Vec<&String> = inputs.iter().filter(fails).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{target} fails on {failed:#?}");
}

#[test]
fn every_target_has_a_shell_for_the_fuzzer_and_every_corpus_a_target() {
    let mut names: Vec<&str> = fuzz_targets::TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let named = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let corpora: Vec<String> = files(&workspace().join("fuzz/corpus")).iter().map(named).collect();
    let shells: Vec<String> = files(&workspace().join("fuzz/fuzz_targets")).iter().map(named).collect();
    assert!(corpora.iter().all(|name| names.contains(&name.as_str())), "{corpora:?}");
    assert_eq!(shells, names);
}

#[test]
fn the_claim_response_mapping_stands_what_was_found() {
    holds("map_claim_response", Some("claim-response"));
}

#[test]
fn the_feedback_mapping_stands_what_was_found() {
    holds("map_feedback", Some("feedback"));
}

#[test]
fn the_patient_mapping_stands_what_was_found() {
    holds("map_patient", Some("patient"));
}

#[test]
fn the_claim_mapping_stands_what_was_found() {
    holds("map_claim", Some("claim"));
}

#[test]
fn the_mapping_of_adjudications_stands_what_was_found() {
    holds("map_claim_answer", Some("claim-answer"));
}

#[test]
fn the_eligibility_mapping_stands_what_was_found() {
    holds("map_eligibility", Some("eligibility"));
}

#[test]
fn the_facility_mapping_stands_what_was_found() {
    holds("map_facility", Some("facility"));
}

#[test]
fn bodies_of_claim_responses_stand_what_was_found() {
    holds("body_claim_response", Some("claim-response"));
}

#[test]
fn bodies_of_feedback_stand_what_was_found() {
    holds("body_feedback", Some("feedback"));
}

#[test]
fn delivery_stands_every_answer_that_was_found() {
    holds("peer_answer", None);
}

#[test]
fn the_configuration_stands_what_was_found() {
    holds("configuration", None);
}

#[test]
fn the_component_loader_stands_what_was_found() {
    holds("component_loader", None);
}

const CLAIM_RESPONSE: &str = "openimis-mediator:mapping/claim-response@0.1.0#map-claim-response";
const FEEDBACK: &str = "openimis-mediator:mapping/feedback@0.1.0#map-feedback";
const PATIENT: &str = "openimis-mediator:mapping/patient@0.1.0#map-patient";

/// A module for all three mappings, each of which does the same.
fn module(pages: u32, body: &str) -> String {
    let params = |count: usize| format!("(param{}) (result i32)", " i32".repeat(count));
    format!(
        r#"(module
            (memory (export "memory") {pages})
            (func (export "cabi_realloc") {} (i32.const 4096))
            (func (export "{CLAIM_RESPONSE}") (param i32) (result i32) {body})
            (func (export "{FEEDBACK}") {} {body})
            (func (export "{PATIENT}") {} {body}))"#,
        params(4),
        params(7),
        params(14),
    )
}

fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(workspace().join("wit/mapping")).expect("WIT");
    let world = resolve.select_world(&[package], Some(world)).expect("a world");
    let mut bytes = wat::parse_str(module).expect("WAT");
    wit_component::embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8, false)
        .expect("metadata");
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.expect("a component")
}

/// Components of our contract as it is now, small enough to be changed byte by byte.
fn component_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let all = |body: &str| component("mappings", &module(1, body));
    vec![
        (
            "seed-answers",
            all("(i32.store8 (i32.const 0) (i32.const 1)) (i64.store (i32.const 4) (i64.const 0)) (i32.const 0)"),
        ),
        ("seed-answers-nonsense", all("(i32.store8 (i32.const 0) (i32.const 7)) (i32.const 0)")),
        ("seed-empty", wat::parse_str("(component)").expect("WAT")),
        ("seed-endless", all("(loop $again (br $again)) (unreachable)")),
        ("seed-feedback-only", component("map-feedback-component", &module(1, "(unreachable)"))),
        ("seed-large", component("mappings", &module(100, "(unreachable)"))),
        ("seed-memory", all("(loop $more (drop (memory.grow (i32.const 1))) (br $more)) (unreachable)")),
        ("seed-module", wat::parse_str(module(1, "(unreachable)")).expect("WAT")),
        ("seed-text", b"Not found".to_vec()),
        ("seed-traps", all("(unreachable)")),
    ]
}

#[test]
fn the_seeds_of_the_component_loader_are_of_the_contract_as_it_is() {
    for (name, bytes) in component_seeds() {
        let path = corpus("component_loader").join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(corpus("component_loader")).expect("a folder");
            std::fs::write(&path, &bytes).expect("a written seed");
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(found == bytes, "{} is another one: BLESS=1 writes it", path.display());
    }
}
