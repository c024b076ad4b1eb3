//! Builds the workflows for WebAssembly and makes components of them, so that `cargo test` needs no step before.

use std::path::Path;
use std::process::Command;

use wit_component::ComponentEncoder;

const WORKFLOWS: [&str; 6] = ["pay", "pay_later_words", "pay_with_fee", "pay_careless", "traps", "long"];
const TARGET: &str = "wasm32-unknown-unknown";

fn main() {
    for folder in ["../Cargo.toml", "../kit", "../workflows", "../wit"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let out = std::env::var_os("OUT_DIR").expect("cargo names it");
    let out = Path::new(&out);
    let modules = out.join("modules"); // of its own: the outer cargo holds the lock of its target folder
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo names it"));
    cargo.args(["build", "--quiet", "--locked", "--package", "workflow-kit", "--examples", "--profile", "guest"]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&modules).current_dir("..");
    // What the outer cargo wants of the host's code: Clippy, flags.
    for variable in ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().expect("cargo can be started").success(), "the workflows cannot be built");
    for name in WORKFLOWS {
        let module = modules.join(TARGET).join("guest/examples").join(name).with_extension("wasm");
        let bytes = std::fs::read(&module).unwrap_or_else(|error| panic!("{}: {error}", module.display()));
        let component =
            ComponentEncoder::default().validate(true).module(&bytes).and_then(|mut encoder| encoder.encode());
        let component = component.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        std::fs::write(out.join(format!("{name}.wasm")), component).expect("a folder to write to");
    }
}
