//! Every fixture through the second door: the mappings as WebAssembly components in wasmtime. And what a broken component can do: nothing
//! but fail its own call.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flow::ports::{Mapper, MapperError};
use mapping::{MapResult, claim_response, feedback, patient};
use mediator_tests::fixtures::{cases, root};
use mediator_tests::running::components_dir;
use openimis_mediator::mapper::{Limits, LoadError, MappingHost};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::{Resolve, WorldId, WorldItem};

/// Mappings don't wait for anything, so any executor will do.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(answer)
}

fn built() -> MappingHost {
    MappingHost::load(&components_dir(), Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Both doors must give the same bytes; what they are, `native.rs` checks.
fn same(name: &str, native: &MapResult, component: Result<MapResult, MapperError>) {
    let component = component.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(native, &component, "{name}");
}

#[test]
fn every_claim_response_fixture_maps_to_the_same_bytes_in_its_component() {
    let host = built();
    for case in cases("claim-response") {
        let contact: Option<claim_response::ContactLink> = case.read("contact.json");
        let date: Option<String> = case.read("claim-date.json");
        let settings = case.read("settings.json");
        let native = claim_response::map(&case.input, date.as_deref(), contact.as_ref(), &settings);
        let component = host.claim_response(&case.input, date.as_deref(), contact.as_ref(), &settings);
        same(&case.name, &native, wait(component));
    }
}

#[test]
fn every_feedback_fixture_maps_to_the_same_bytes_in_its_component() {
    let host = built();
    for case in cases("feedback") {
        let settings = case.read("settings.json");
        let insuree: Option<String> = case.read("insuree.json");
        let (insuree, input) = (insuree.as_deref(), &case.input);
        same(&case.name, &feedback::map(input, insuree, &settings), wait(host.feedback(input, insuree, &settings)));
    }
}

#[test]
fn every_patient_fixture_maps_to_the_same_bytes_in_its_component() {
    let host = built();
    for case in cases("patient") {
        let (locations, settings): (Vec<String>, _) = (case.read("locations.json"), case.read("settings.json"));
        let native = patient::map(&case.input, &locations, &settings);
        same(&case.name, &native, wait(host.patient(&case.input, &locations, &settings)));
    }
}

#[test]
fn a_built_component_imports_nothing_and_exports_what_its_world_says() {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/mapping");
    let (package, _) = resolve.push_dir(wit).expect("readable WIT files");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(components_dir()).expect("built components") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().replace('_', "-");
        let bytes = std::fs::read(&path).expect("a readable file");
        assert_eq!(imports(&bytes), [""; 0], "{name} imports something");

        let world =
            resolve.select_world(&[package], Some(&format!("{name}-component"))).expect("a world per component");
        let DecodedWasm::Component(decoded, exported) = wit_component::decode(&bytes).expect("a component") else {
            panic!("{name} is no component");
        };
        assert_eq!(surface(&decoded, exported), surface(&resolve, world), "{name}");
        found.push(name);
    }
    found.sort();
    assert_eq!(found, ["map-claim-response", "map-feedback", "map-patient"]);
}

/// Names of what a component imports: its own imports, not those of the modules in it.
fn imports(component: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.expect("valid wasm") {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                names.extend(section.into_iter().map(|import| import.expect("an import").name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}

/// Everything that a world imports and exports: interfaces with their functions, parameters and types.
fn surface(resolve: &Resolve, world: WorldId) -> BTreeSet<String> {
    let world = &resolve.worlds[world];
    let mut lines = BTreeSet::new();
    for (way, items) in [("import", &world.imports), ("export", &world.exports)] {
        for (key, item) in items {
            let name = resolve.name_world_key(key);
            lines.insert(format!("{way} {name}"));
            let WorldItem::Interface { id, .. } = item else { continue };
            let interface = &resolve.interfaces[*id];
            lines.extend(interface.types.keys().map(|of| format!("{way} {name} type {of}")));
            for function in interface.functions.values() {
                let params: Vec<&str> = function.params.iter().map(|param| param.name.as_str()).collect();
                lines.insert(format!("{way} {name} {}({})", function.name, params.join(", ")));
            }
        }
    }
    lines
}

/// A folder with the built components, in which `map_feedback.wasm` is another one.
fn with_feedback(component: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["map_claim_response.wasm", "map_patient.wasm"] {
        std::fs::copy(components_dir().join(name), dir.path().join(name)).expect("a built component");
    }
    std::fs::write(dir.path().join("map_feedback.wasm"), component).expect("a written component");
    dir
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("a written file");
    }
    dir
}

/// What the components of these tests export.
const FEEDBACK: &str = "openimis-mediator:mapping/feedback@0.1.0#map-feedback";
/// A text, an insuree or none, two ratings; where the result lies.
const FEEDBACK_TYPE: &str = "(param i32 i32 i32 i32 i32 i32 i32) (result i32)";
const CLAIM_RESPONSE: &str = "openimis-mediator:mapping/claim-response@0.1.0#map-claim-response";
const PATIENT: &str = "openimis-mediator:mapping/patient@0.1.0#map-patient";

/// A component of a world of ours, from the WAT text of the module in it.
fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/mapping")).expect("WIT");
    let world = resolve.select_world(&[package], Some(world)).expect("a world");
    encode(&resolve, world, module)
}

/// A component of a world of somebody else.
fn foreign(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("foreign.wit", wit).expect("WIT");
    let world = resolve.select_world(&[package], None).expect("a world");
    encode(&resolve, world, module)
}

fn encode(resolve: &Resolve, world: WorldId, module: &str) -> Vec<u8> {
    let mut bytes = wat::parse_str(module).expect("WAT");
    wit_component::embed_component_metadata(&mut bytes, resolve, world, StringEncoding::UTF8, false).expect("metadata");
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.expect("a component")
}

/// A module with a memory of `pages`, an allocator that never frees and the function `map-feedback`.
/// The function gets the text's place and length, whether there is an insuree, its place and length, and both ratings; it returns the place of its result.
fn feedback_module(pages: u32, body: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") {pages})
            (global $next (mut i32) (i32.const 4096))
            (global $calls (mut i32) (i32.const 0))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
            (func $map (export "{FEEDBACK}") {FEEDBACK_TYPE} {body}))"#
    )
}

fn feedback_component(body: &str) -> Vec<u8> {
    component("map-feedback-component", &feedback_module(20, body))
}

/// `result<mapped, list<issue>>` at address 0: an error without issues.
const NO_ISSUES: &str =
    "(i32.store8 (i32.const 0) (i32.const 1)) (i64.store (i32.const 4) (i64.const 0)) (i32.const 0)";

const LIMITS: Limits = Limits { memory_bytes: 8 << 20, time: Duration::from_millis(300), instances: 8 };

/// Loads a broken feedback mapping beside the built ones, calls it twice, and checks that the others work as before.
fn broken(body: &str) -> MapperError {
    let dir = with_feedback(&feedback_component(body));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let first = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("a broken mapping");
    works(&host);
    let second = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("a broken mapping");
    works(&host);
    assert_eq!(first.to_string(), second.to_string());
    first
}

/// Whether the claim mapping of a host still gives what it should.
fn works(host: &MappingHost) {
    let (input, settings) = (sample(), claim_response::Settings::default());
    let native = claim_response::map(&input, None, None, &settings);
    assert!(native.is_ok());
    same("claim-response", &native, wait(host.claim_response(&input, None, None, &settings)));
}

fn sample() -> String {
    std::fs::read_to_string(root().join("claim-response/recorded-notification/input.json")).expect("a fixture")
}

#[test]
fn a_mapping_that_never_ends_is_stopped_in_time() {
    let begun = Instant::now();
    let error = broken("(loop $forever (br $forever)) (unreachable)");
    assert!(matches!(&error, MapperError::Deadline(name) if name == "feedback"), "{error:?}");
    assert_eq!(error.to_string(), "mapping feedback ran longer than allowed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_mapping_gets_the_time_it_is_allowed_and_little_more() {
    let dir = with_feedback(&feedback_component("(loop $forever (br $forever)) (unreachable)"));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let begun = Instant::now();
    let error = wait(host.feedback("{}", None, &feedback::Settings::default())).expect_err("an endless mapping");
    let ran = begun.elapsed();
    assert!(matches!(error, MapperError::Deadline(_)), "{error:?}");
    assert!(ran >= LIMITS.time && ran < LIMITS.time * 10, "{ran:?}");
}

#[test]
fn a_mapping_that_wants_ever_more_memory_is_stopped() {
    let error = broken("(loop $more (drop (memory.grow (i32.const 1))) (br $more)) (unreachable)");
    assert!(matches!(&error, MapperError::Memory(name) if name == "feedback"), "{error:?}");
    assert_eq!(error.to_string(), "mapping feedback wanted more memory than allowed");
}

#[test]
fn a_document_that_needs_more_memory_than_allowed_is_told_as_that() {
    let limits = Limits { memory_bytes: 4 << 20, ..LIMITS };
    let host = MappingHost::load(&components_dir(), limits).unwrap_or_else(|error| panic!("{error}"));
    let settings = feedback::Settings::default();
    let large = format!("{{\"care_rendered\": \"{}\"}}", "no ".repeat(2 << 20));
    let error = wait(host.feedback(&large, None, &settings)).expect_err("a document that does not fit");
    assert!(matches!(error, MapperError::Memory(_)), "{error:?}");
    same("after", &feedback::map("{}", None, &settings), wait(host.feedback("{}", None, &settings)));
}

#[test]
fn a_mapping_that_traps_fails_its_own_call_only() {
    let traps = [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -8))", "out of bounds"),
        (
            "(call $map (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6))",
            "stack",
        ),
    ];
    for (body, why) in traps {
        let error = broken(body);
        assert!(
            matches!(&error, MapperError::Trap(name, text) if name == "feedback" && text.contains(why)),
            "{error:?}"
        );
    }
}

#[test]
fn a_mapping_that_answers_nonsense_is_unusable() {
    // A result that lies outside the memory; one that is neither ok nor error; a body that is not UTF-8.
    for body in [
        "(i32.const -4)",
        "(i32.store8 (i32.const 0) (i32.const 7)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const 2)) (i32.store (i32.const 64) (i32.const 0xffff)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 64)) (i32.store (i32.const 8) (i32.const -1)) (i32.const 0)",
    ] {
        let error = broken(body);
        let told = error.to_string();
        assert!(matches!(error, MapperError::Unusable(..) | MapperError::Trap(..)), "{error:?}");
        assert!(told.starts_with("mapping feedback ") && told.len() < 300, "{told}");
    }
}

#[test]
fn nothing_of_one_call_reaches_the_next() {
    // Counts its calls in a global, marks its memory at both ends, and stops at any trace of a call before.
    let body = format!(
        "(if (i32.ne (global.get $calls) (i32.const 0)) (then (unreachable)))
         (global.set $calls (i32.const 1))
         (if (i32.ne (i32.load (i32.const 1024)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 1024) (i32.const 1))
         (if (i32.ne (i32.load (i32.const 1310716)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 1310716) (i32.const 1))
         (if (i32.ne (memory.grow (i32.const 40)) (i32.const 20)) (then (unreachable)))
         (if (i32.ne (i32.load (i32.const 3932156)) (i32.const 0)) (then (unreachable)))
         (i32.store (i32.const 3932156) (i32.const 1))
         {NO_ISSUES}"
    );
    let dir = with_feedback(&feedback_component(&body));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    for call in 0..50 {
        let result = wait(host.feedback("{\"name\": \"Sita Sharma\"}", None, &feedback::Settings::default()));
        assert!(matches!(&result, Ok(Err(issues)) if issues.is_empty()), "call {call}: {result:?}");
        works(&host);
    }
}

#[test]
fn calls_at_the_same_time_do_not_disturb_each_other() {
    let dir = with_feedback(&feedback_component("(loop $forever (br $forever)) (unreachable)"));
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    std::thread::scope(|scope| {
        let endless = scope.spawn(|| wait(host.feedback("{}", None, &feedback::Settings::default())));
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| works(&host)));
        }
        let endless = endless.join().expect("no panic");
        assert!(matches!(endless, Err(MapperError::Deadline(_))), "{endless:?}");
    });
}

fn load_error(dir: &Path) -> (LoadError, String) {
    let Err(error) = MappingHost::load(dir, LIMITS) else { panic!("a folder that cannot be used was loaded") };
    let text = error.to_string().replace(&dir.display().to_string(), "…");
    (error, text)
}

/// A module for all three mappings, each of which traps.
fn trapping_module() -> String {
    format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
            (func (export "{CLAIM_RESPONSE}") (param i32) (result i32) (unreachable))
            (func (export "{FEEDBACK}") {FEEDBACK_TYPE} (unreachable))
            (func (export "{PATIENT}") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable)))"#
    )
}

#[test]
fn one_component_may_hold_all_mappings() {
    let dir = folder(&[("all.wasm", &component("mappings", &trapping_module()))]);
    let host = MappingHost::load(dir.path(), LIMITS).unwrap_or_else(|error| panic!("{error}"));
    let all = dir.path().join("all.wasm");
    assert_eq!(host.files(), ["claim-response", "feedback", "patient"].map(|name| (name, all.as_path())));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = PathBuf::from("/no/such/folder");
    let (error, text) = load_error(&dir);
    assert!(matches!(error, LoadError::File(..)), "{error:?}");
    assert!(text.starts_with("…: No such file"), "{text}");
}

#[test]
fn a_missing_mapping_is_named_with_what_to_do() {
    let dir = folder(&[("README.txt", b"not a component, and not looked at")]);
    let (error, text) = load_error(dir.path());
    assert!(matches!(error, LoadError::Missing(..)), "{error:?}");
    assert_eq!(text, "no component in … exports claim-response: run `cargo xtask build`, or set components.dir");
}

#[test]
fn a_mapping_that_is_there_twice_is_named_with_both_files() {
    let all = component("mappings", &trapping_module());
    let one = feedback_component(NO_ISSUES);
    let dir = folder(&[("all.wasm", &all), ("one.wasm", &one)]);
    let (error, text) = load_error(dir.path());
    assert!(matches!(error, LoadError::Twice(..)), "{error:?}");
    assert_eq!(text, "…/all.wasm and …/one.wasm both export feedback: remove one");
}

#[test]
fn a_file_that_is_no_mapping_component_is_named_with_the_reason() {
    let module = wat::parse_str("(module)").expect("WAT");
    let empty = wat::parse_str("(component)").expect("WAT");
    let importing = foreign(
        "package somebody:else@1.0.0; interface clock { now: func() -> u64; } world w { import clock; }",
        r#"(module (import "somebody:else/clock@1.0.0" "now" (func (result i64))))"#,
    );
    let other_function = foreign(
        "package openimis-mediator:mapping@0.1.0; interface feedback { other: func(feedback: u32); } world w { export feedback; }",
        r#"(module (func (export "openimis-mediator:mapping/feedback@0.1.0#other") (param i32)))"#,
    );
    let other_version = foreign(
        "package openimis-mediator:mapping@0.2.0; interface feedback { map-feedback: func(feedback: u32); } world w { export feedback; }",
        r#"(module (func (export "openimis-mediator:mapping/feedback@0.2.0#map-feedback") (param i32)))"#,
    );
    let too_large = component("map-feedback-component", &feedback_module(1000, NO_ISSUES));
    let files: [(&str, &[u8], &str); 7] = [
        ("text", b"Not found", "failed to parse WebAssembly"),
        ("module", &module, "a wasm module"),
        ("empty", &empty, "it exports no mapping interface"),
        ("importing", &importing, "component imports instance `somebody:else/clock@1.0.0`"),
        ("other function", &other_function, "it exports no mapping interface"),
        ("other version", &other_version, "it exports no mapping interface"),
        ("too large", &too_large, "exceeds the limit of 0x800000 bytes"),
    ];
    for (name, bytes, reason) in files {
        let dir = with_feedback(bytes);
        let (error, text) = load_error(dir.path());
        assert!(matches!(error, LoadError::Component(..)), "{name}: {error:?}");
        assert!(text.starts_with("…/map_feedback.wasm is not a mapping component: "), "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
    }
}

#[test]
fn a_mapping_with_other_types_is_refused_at_load() {
    let other_type = foreign(
        "package openimis-mediator:mapping@0.1.0; interface feedback { map-feedback: func(feedback: string) -> string; }
         world w { export feedback; }",
        &feedback_module(1, "(unreachable)").replace(FEEDBACK_TYPE, "(param i32 i32) (result i32)"),
    );
    let dir = with_feedback(&other_type);
    let (error, told) = load_error(dir.path());
    assert!(matches!(error, LoadError::Component(..)), "{error:?}");
    assert!(told.contains("type mismatch"), "{told}");
}
