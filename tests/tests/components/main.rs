//! Every fixture through the second door: the mappings as WebAssembly components in wasmtime. And what a broken component can do: nothing
//! but fail its own call.

mod batch;
mod broken;
mod cache;
mod loading;
mod running;
mod written;

use std::collections::BTreeSet;
use std::path::Path;

use component_host::{Limits, MappingHost};
use flow::ports::{Mapper, MapperError};
use mapping::{MapResult, claim_response, feedback, patient};
use mediator_tests::fixtures::cases;
use mediator_tests::running::components_dir;
use wit_component::DecodedWasm;
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
    let built = ["map-claim", "map-claim-response", "map-eligibility", "map-facility", "map-feedback", "map-patient"];
    assert_eq!(found, built);
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
