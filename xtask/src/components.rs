//! Builds the mapping components: core modules for `wasm32-unknown-unknown`, turned into components that import nothing.

use std::path::Path;
use std::process::Command;

use wit_component::ComponentEncoder;

use crate::{Done, cargo, check, root, say, target_dir};

pub const TARGET: &str = "wasm32-unknown-unknown";
pub const COMPONENTS: [&str; 6] =
    ["map-claim", "map-claim-response", "map-eligibility", "map-facility", "map-feedback", "map-patient"];

/// Builds all components into `target/components`.
pub fn build() -> Done {
    install_std()?;
    say("building the mapping components");
    let mut args = vec!["build", "--quiet", "--profile", "guest", "--target", TARGET];
    for name in COMPONENTS {
        args.extend(["--package", name]);
    }
    cargo(&args)?;

    let out = target_dir().join("components");
    std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    for name in COMPONENTS {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let module = target_dir().join(TARGET).join("guest").join(&file);
        let component = encode(&module)?;
        let path = out.join(&file);
        std::fs::write(&path, &component).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&format!("  {file}: {} kB, imports nothing", component.len().div_ceil(1000)));
    }
    Ok(())
}

fn encode(module: &Path) -> Done<Vec<u8>> {
    let name = module.display();
    let bytes = std::fs::read(module).map_err(|error| format!("{name}: {error}"))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("{name}: {error:#}"))?;
    let imports = imports(&component).map_err(|error| format!("{name}: {error}"))?;
    if imports.is_empty() {
        Ok(component)
    } else {
        Err(format!("{name} imports {}; a mapping component must import nothing", imports.join(", ")))
    }
}

fn imports(component: &[u8]) -> Result<Vec<String>, wasmparser::BinaryReaderError> {
    let mut names = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload? {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// The standard library of the target of the mappings.
pub fn install_std() -> Done {
    install_std_of(TARGET)
}

/// A wasm target's standard library, by `rustup target add` or from Debian's `rust-src` where rustup can't download.
pub fn install_std_of(target: &str) -> Done {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("rustc could not be started: {error}"))?;
    let lib = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("lib/rustlib").join(target).join("lib");
    if lib.is_dir() {
        return Ok(());
    }
    say(&format!("installing the standard library of {target} (once)"));
    check(Command::new("bash").arg(root().join("xtask/install-wasm-std.sh")).arg(target), "xtask/install-wasm-std.sh")
}
