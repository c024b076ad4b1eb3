//! What a mapping call costs: the Rust function, a component's instance that stays (a batch), and a fresh one for each message.
//!
//! `cargo bench --package mediator-bench [-- --quick]`, after `cargo xtask build`. Criterion measures; with
//! `MEDIATOR_BENCH_OUT` set, the medians are also written to `mapping.json` in that folder, a JSON object a line.

#[path = "mapping/documents.rs"]
mod documents;
#[path = "mapping/report.rs"]
mod report;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use component_host::{Limits, MappingHost};
use criterion::{Criterion, Throughput};
use documents::{Document, documents};
use mapping::codes::CodeRow;
use mapping::lookup::Outcome;
use mapping::{claim_response, eclaim, feedback, patient};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, PoolingAllocationConfig, Store};

fn main() {
    let components = target().join("components");
    let host = MappingHost::load(&components, Limits::default()).expect("components: run `cargo xtask build`");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .output_directory(&kept())
        .configure_from_args();
    let documents = documents();
    for document in &documents {
        measure(&mut criterion, document, &host);
    }
    tables(&mut criterion, &host);
    floor(&mut criterion);
    criterion.final_summary();
    if let Some(folder) = std::env::var_os("MEDIATOR_BENCH_OUT") {
        report::write(Path::new(&folder), &documents, &components).expect("the report can be written");
    }
}

/// Where cargo builds to.
fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir))
}

/// Where Criterion keeps what it found.
fn kept() -> PathBuf {
    target().join("criterion")
}

/// Criterion's name of a measurement.
pub fn place(mapping: &str, way: &str) -> String {
    format!("{mapping} {way}")
}

fn measure(criterion: &mut Criterion, document: &Document, host: &MappingHost) {
    let (text, size) = (document.text.as_str(), document.size);
    let claim = claim_response::Settings::default();
    let answers = feedback::Settings::default();
    let person = patient::Settings { default_place: "place".to_owned(), ..patient::Settings::default() };
    let mut batch = host.batch();
    let name = document.mapping;
    let mut run = |way: &str, call: &mut dyn FnMut() -> mapping::MapResult| {
        call().expect("the document can be mapped");
        let mut group = criterion.benchmark_group(place(name, way));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(size, |bencher| bencher.iter(|| black_box(call())));
    };
    match name {
        "claim-response" => {
            run("native", &mut || claim_response::map(black_box(text), None, None, &claim));
            run("batch", &mut || batch.claim_response(text, None, None, &claim).expect("an answer"));
            run("fresh", &mut || host.map_claim_response(text, None, None, &claim).expect("an answer"));
        }
        "feedback" => {
            run("native", &mut || feedback::map(black_box(text), None, &answers));
            run("batch", &mut || batch.feedback(text, None, &answers).expect("an answer"));
            run("fresh", &mut || host.map_feedback(text, None, &answers).expect("an answer"));
        }
        _ => {
            run("native", &mut || patient::map(black_box(text), &[], &person));
            run("batch", &mut || batch.patient(text, &[], &person).expect("an answer"));
            run("fresh", &mut || host.map_patient(text, &[], &person).expect("an answer"));
        }
    }
}

/// Rows of each code table, and how they are called.
pub const TABLES: [(usize, &str); 3] =
    [(100, "100 rows in a table"), (10_000, "10,000 rows in a table"), (100_000, "100,000 rows in a table")];

/// The first call for a hospital's claim, whose codes are looked up in tables of many rows.
fn tables(criterion: &mut Criterion, host: &MappingHost) {
    let case = include_str!("../../../wit/cases/claim/claim-alone.txtar");
    let text = cases::archive::section(case, "input.json").expect("a document");
    let settings = include_str!("../../../wit/cases/claim/settings.json");
    let own: eclaim::Settings = serde_json::from_str(settings).expect("settings");
    for (rows, size) in TABLES {
        let source = |number: usize| format!("https://codes.example.org|{number:06}");
        let code = |number| CodeRow { source: source(number), openimis: "B54".to_owned() };
        let item = |number| eclaim::ItemRow { source: source(number), ..own.items[0].clone() };
        let facility =
            |number| eclaim::FacilityRow { source: source(number), openimis: format!("HF{number}"), enterer: None };
        let mut settings = own.clone();
        settings.diagnoses.extend((0..rows).map(code));
        settings.practitioners.extend((0..rows).map(code));
        settings.items.extend((0..rows).map(item));
        settings.facilities.extend((0..rows).map(facility));
        let call = || host.map_claim(text, Some("2026-11-12T10:00:00Z"), &[], &settings).expect("an answer");
        assert!(
            matches!(call(), Outcome::Needs(_)),
            "the claim's codes are found, and what openIMIS has of them is asked for"
        );
        criterion.benchmark_group(place("claim", "fresh")).bench_function(size, |bencher| {
            bencher.iter(|| black_box(call()));
        });
    }
}

/// What no mapping can go below: an instance of a component that does nothing, a fresh one and one that stays.
fn floor(criterion: &mut Criterion) {
    const NOTHING: &str = r#"(component
        (core module $module (memory (export "memory") 1) (func (export "nothing")))
        (core instance $instance (instantiate $module))
        (func (export "nothing") (canon lift (core func $instance "nothing"))))"#;
    let mut pool = PoolingAllocationConfig::new();
    pool.linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 16);
    let mut config = Config::new();
    config.epoch_interruption(true).allocation_strategy(pool);
    let engine = Engine::new(&config).expect("an engine");
    let component = Component::new(&engine, wat::parse_str(NOTHING).expect("text")).expect("a component");
    let ready = Linker::new(&engine).instantiate_pre(&component).expect("no imports");
    let mut store = Store::new(&engine, ());
    let instance = ready.instantiate(&mut store).expect("an instance");
    let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").expect("a function");
    criterion.bench_function("nothing batch", |bencher| {
        bencher.iter(|| {
            store.set_epoch_deadline(1);
            nothing.call(&mut store, ()).expect("an answer");
        });
    });
    criterion.bench_function("nothing fresh", |bencher| {
        bencher.iter(|| {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let instance = ready.instantiate(&mut store).expect("an instance");
            let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing").expect("a function");
            nothing.call(&mut store, ()).expect("an answer");
        });
    });
}
