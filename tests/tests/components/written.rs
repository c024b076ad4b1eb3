//! Components written as text, each with one thing wrong.

use std::path::Path;

use mediator_tests::running::components_dir;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, WorldId};

/// A folder with the built components, in which `map_feedback.wasm` is another one.
pub fn with_feedback(component: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["map_claim_response.wasm", "map_patient.wasm"] {
        std::fs::copy(components_dir().join(name), dir.path().join(name)).expect("a built component");
    }
    std::fs::write(dir.path().join("map_feedback.wasm"), component).expect("a written component");
    dir
}

pub fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("a written file");
    }
    dir
}

/// What the components of these tests export.
pub const FEEDBACK: &str = "openimis-mediator:mapping/feedback@0.1.0#map-feedback";
/// A text, an insuree or none, two ratings; where the result lies.
pub const FEEDBACK_TYPE: &str = "(param i32 i32 i32 i32 i32 i32 i32) (result i32)";
pub const CLAIM_RESPONSE: &str = "openimis-mediator:mapping/claim-response@0.1.0#map-claim-response";
pub const PATIENT: &str = "openimis-mediator:mapping/patient@0.1.0#map-patient";

/// A component of a world of ours, from the WAT text of the module in it.
pub fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/mapping")).expect("WIT");
    let world = resolve.select_world(&[package], Some(world)).expect("a world");
    encode(&resolve, world, module)
}

/// A component of a world of somebody else.
pub fn foreign(wit: &str, module: &str) -> Vec<u8> {
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
pub fn feedback_module(pages: u32, body: &str) -> String {
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

pub fn feedback_component(body: &str) -> Vec<u8> {
    component("map-feedback-component", &feedback_module(20, body))
}

/// `result<mapped, list<issue>>` at address 0: an error without issues.
pub const NO_ISSUES: &str =
    "(i32.store8 (i32.const 0) (i32.const 1)) (i64.store (i32.const 4) (i64.const 0)) (i32.const 0)";
