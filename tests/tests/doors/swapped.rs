//! A feedback mapping that takes nothing, as another country's might: it tells one issue, whatever comes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::server::target;

/// What it says of everything.
pub const SAYS: &str = "this country sends no feedback";

/// Its file.
pub fn file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = target().join("edge/swapped.wasm");
        std::fs::write(&file, component()).expect("a component");
        file
    })
}

/// `result<mapped, list<issue>>` at address 0: an error with the one issue at address 16, whose text is at address 64.
fn component() -> Vec<u8> {
    let function = "openimis-mediator:mapping/feedback@0.1.0#map-feedback";
    let module = format!(
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
    );
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/mapping")).expect("WIT");
    let world = resolve.select_world(&[package], Some("map-feedback-component")).expect("a world");
    let mut bytes = wat::parse_str(module).expect("WAT");
    wit_component::embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8, false)
        .expect("metadata");
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    encoded.expect("a component")
}
