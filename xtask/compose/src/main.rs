//! `compose <spin.toml> <output>`: the edge component with the mappings that the manifest names, as one file.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [manifest, output] = &args[..] else {
        eprintln!("Usage: compose <spin.toml> <output>");
        return ExitCode::from(2);
    };
    match compose(Path::new(manifest), Path::new(output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("compose: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn compose(manifest: &Path, output: &Path) -> Result<(), String> {
    let dir = manifest.parent().unwrap_or(Path::new("."));
    let composed = compose::Manifest::read(manifest)?.edge()?.composed(dir)?;
    std::fs::write(output, &composed).map_err(|error| format!("{}: {error}", output.display()))?;
    println!("  it needs {}", compose::needs(composed)?.join(", "));
    Ok(())
}
