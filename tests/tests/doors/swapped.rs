//! Other mappings than the mediator's: one of feedback that takes nothing, as another country's might (it tells one issue, whatever
//! comes), one that traps, and some that want more than they get.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{PackageId, Resolve};

use crate::server::target;

/// What it says of everything.
pub const SAYS: &str = "this country sends no feedback";

/// Its file.
pub fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| written("swapped", &of_the_contract("map-feedback-component", &module())))
}

/// The file of a patient mapping that traps, whatever comes.
pub fn trapping() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let module = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
        (func (export "openimis-mediator:mapping/patient@0.1.0#map-patient")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))"#;
    FILE.get_or_init(|| written("trapping", &of_the_contract("map-patient-component", module)))
}

/// The file of a component that wants something of its host.
pub fn wanting(name: &str, import: &str) -> PathBuf {
    written(name, &wat::parse_str(format!("(component (import {import}))")).expect("WAT"))
}

/// The file of a feedback mapping that tells what the runtime says when it is asked for openIMIS' password.
pub fn curious() -> PathBuf {
    let module = r#"(module
        (import "fermyon:spin/variables@2.0.0" "get" (func $get (param i32 i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "openimis_password")
        (global $next (mut i32) (i32.const 4096))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
        (func (export "openimis-mediator:mapping/feedback@0.1.0#map-feedback")
            (param i32 i32 i32 i32 i32 i32 i32) (result i32) (local $text i32)
            (call $get (i32.const 64) (i32.const 17) (i32.const 200))
            ;; The value at 204, or the text of an error behind its kind.
            (local.set $text (i32.add (i32.const 204) (i32.mul (i32.load8_u (i32.const 200)) (i32.const 4))))
            (i32.store8 (i32.const 0) (i32.const 1))
            (i32.store (i32.const 4) (i32.const 16))
            (i32.store (i32.const 8) (i32.const 1))
            (i32.store8 (i32.const 16) (i32.const 1))
            (i32.store8 (i32.const 17) (i32.const 7))
            (i64.store (i32.const 28) (i64.load (local.get $text)))
            (i32.const 0)))"#;
    let wit = "
        package openimis-mediator:curious;
        world curious {
            import fermyon:spin/variables@2.0.0;
            export openimis-mediator:mapping/types@0.1.0;
            export openimis-mediator:mapping/feedback@0.1.0;
        }
        package fermyon:spin@2.0.0 {
            interface variables {
                get: func(name: string) -> result<string, error>;
                variant error { invalid-name(string), undefined(string), provider(string), other(string) }
            }
        }";
    let mut resolve = contract().0;
    let package = resolve.push_str("curious.wit", wit).expect("WIT");
    written("curious", &component(&resolve, package, "curious", module))
}

/// Tests in other processes may read it: it is there as a whole, or not at all.
fn written(name: &str, component: &[u8]) -> PathBuf {
    let file = target().join(format!("edge/{name}.wasm"));
    let part = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, component).expect("a component");
    std::fs::rename(&part, &file).expect("its name");
    file
}

/// `result<mapped, list<issue>>` at address 0: an error with the one issue at address 16, whose text is at address 64.
fn module() -> String {
    let function = "openimis-mediator:mapping/feedback@0.1.0#map-feedback";
    format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 64) "{SAYS}")
            (global $next (mut i32) (i32.const 4096))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
            (func (export "{function}") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                (i32.store8 (i32.const 0) (i32.const 1))
                (i32.store (i32.const 4) (i32.const 16))
                (i32.store (i32.const 8) (i32.const 1))
                (i32.store8 (i32.const 16) (i32.const 1))
                (i32.store8 (i32.const 17) (i32.const 7))
                (i32.store (i32.const 28) (i32.const 64))
                (i32.store (i32.const 32) (i32.const {}))
                (i32.const 0)))"#,
        SAYS.len()
    )
}

fn of_the_contract(world: &str, module: &str) -> Vec<u8> {
    let (resolve, package) = contract();
    component(&resolve, package, world, module)
}

fn contract() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/mapping")).expect("WIT");
    (resolve, package)
}

fn component(resolve: &Resolve, package: PackageId, world: &str, module: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).expect("a world");
    let mut bytes = wat::parse_str(module).expect("WAT");
    wit_component::embed_component_metadata(&mut bytes, resolve, world, StringEncoding::UTF8, false).expect("metadata");
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.expect("a component")
}
