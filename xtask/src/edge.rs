//! Builds what spin.toml points to beside the mapping components: the edge component, and the two composed into one file.

use std::path::Path;

use crate::{Done, cargo, components, root, say, target_dir};

const TARGET: &str = "wasm32-wasip2";

/// Builds `target/edge/edge.wasm` and, with the mappings in it, `target/edge/openimis-mediator.wasm`. The mappings are there already.
pub fn build() -> Done {
    components::install_std_of(TARGET)?;
    say("building the edge component");
    cargo(&["build", "--quiet", "--profile", "guest", "--target", TARGET, "--package", "edge"])?;
    let out = target_dir().join("edge");
    std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let component = out.join("edge.wasm");
    std::fs::copy(target_dir().join(TARGET).join("guest/edge.wasm"), &component)
        .map_err(|error| format!("{}: {error}", component.display()))?;
    let composed = out.join("openimis-mediator.wasm");
    let (manifest, output) = (root().join("spin.toml"), composed.display().to_string());
    cargo(&["run", "--quiet", "--package", "compose", "--", &manifest.display().to_string(), &output])?;
    for (file, what) in [(&component, "for Spin, which plugs the mappings in"), (&composed, "with the mappings in it")]
    {
        tell(file, what)?;
    }
    Ok(())
}

/// Builds the component that the bench compares the edge app with: `target/edge/hello.wasm`.
pub fn build_hello() -> Done {
    components::install_std_of(TARGET)?;
    cargo(&["build", "--quiet", "--profile", "guest", "--target", TARGET, "--package", "edge-hello"])?;
    let component = target_dir().join("edge/hello.wasm");
    std::fs::copy(target_dir().join(TARGET).join("guest/edge_hello.wasm"), &component)
        .map_err(|error| format!("{}: {error}", component.display()))?;
    Ok(())
}

/// The runtime that the tests run it in; Spin itself is used too, where it is installed.
pub fn build_harness() -> Done {
    cargo(&["build", "--quiet", "--package", "edge-harness"])
}

fn tell(file: &Path, what: &str) -> Done {
    let length = std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?.len();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("  {name}: {} kB, {what}", length.div_ceil(1000)));
    Ok(())
}
