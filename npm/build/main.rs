//! Makes the npm package: glue for Node and for browsers around one WebAssembly module, with what npm/package holds.
//!
//! Called by `cargo xtask build`: `npm-build <module.wasm> <npm/package> <out> <version> <LICENSE>`. A program of its own, so that
//! nothing else has to wait for the glue's generator to be built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, sources, out, version, license] = &arguments[..] else {
        eprintln!("npm-build <module.wasm> <npm/package> <out> <version> <LICENSE>");
        return ExitCode::from(2);
    };
    match build(module, sources, out, &version.to_string_lossy(), license) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("npm-build: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn build(module: &Path, sources: &Path, out: &Path, version: &str, license: &Path) -> Done {
    if out.is_dir() {
        fs::remove_dir_all(out)?;
    }
    fs::create_dir_all(out)?;
    // What is there only once lies in the package as it is.
    for name in ["README.md", "index.cjs", "index.mjs", "face.mjs", "memory.mjs", "web.mjs", "web.d.mts"] {
        fs::copy(sources.join(name), out.join(name))?;
    }
    fs::copy(license, out.join("LICENSE"))?;
    for name in ["index.d.cts", "index.d.mts"] {
        fs::copy(sources.join("index.d.ts"), out.join(name))?;
    }
    for name in ["face", "memory"] {
        let module = fs::read_to_string(sources.join(format!("{name}.mjs")))?;
        fs::write(out.join(format!("{name}.cjs")), as_common_js(&module)?)?;
    }
    let manifest = fs::read_to_string(sources.join("package.json"))?;
    fs::write(out.join("package.json"), replaced(&manifest, "\"0.0.0\"", &format!("\"{version}\""))?)?;

    let (node, for_node) = glue(module, |bindgen| {
        bindgen.nodejs(true)?;
        Ok(())
    })?;
    let (web, for_web) = glue(module, |bindgen| {
        bindgen.web(true)?;
        Ok(())
    })?;
    if for_node != for_web {
        return Err("the module differs between Node and browsers: it has to be in the package twice".into());
    }
    fs::write(out.join("mapping.cjs"), node)?;
    fs::write(out.join("mapping.mjs"), web)?;
    fs::write(out.join("mapping_bg.wasm"), for_node)?;
    Ok(())
}

/// The glue for one target, and the module that goes with it.
fn glue(module: &Path, target: impl Fn(&mut Bindgen) -> Done) -> Done<(String, Vec<u8>)> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("mapping").typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    // `init()` without an address; and a fresh instance after a trap, for memory.mjs.
    bindgen.omit_default_module_path(false).reset_state_function(true);
    target(&mut bindgen)?;
    let mut output = bindgen.generate_output()?;
    let script = output.js().to_owned();
    Ok((script, output.wasm_mut().emit_wasm()))
}

/// What is for both imports nothing and ends with its only `export`.
fn as_common_js(module: &str) -> Done<String> {
    let exported = replaced(module, "\nexport {", "\nmodule.exports = {")?;
    Ok(format!("'use strict';\n\n{exported}"))
}

fn replaced(text: &str, what: &str, by: &str) -> Done<String> {
    match text.matches(what).count() {
        1 => Ok(text.replace(what, by)),
        count => Err(format!("{what:?} is there {count} times; expected it once").into()),
    }
}
