//! What is needed to run the mediator elsewhere, and the tools with which `deploy/` is validated.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Done, cargo, check, components, npm, playground, root, say, sbom, target_dir};

/// `cargo xtask dist [folder]`: the release build of the program, with its mappings and the playground next to it, where it expects them.
pub fn dist(options: &[String]) -> Done {
    let out = options.first().map_or_else(|| target_dir().join("dist"), PathBuf::from);
    components::build()?;
    npm::build()?;
    playground::build()?;
    say("building the program for use");
    cargo(&["build", "--release", "--package", "openimis-mediator"])?;
    std::fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    // Under another name first: the program of a running mediator cannot be written to, but it can be replaced.
    let (program, new) = (out.join("openimis-mediator"), out.join("openimis-mediator.new"));
    copy(&target_dir().join("release/openimis-mediator"), &new)?;
    std::fs::rename(&new, &program).map_err(|error| format!("{}: {error}", program.display()))?;
    for folder in ["components", "playground"] {
        copy_all(&target_dir().join(folder), &out.join(folder))?;
    }
    for file in ["config.example.toml", "config.schema.json", "LICENSE", "NOTICE"] {
        copy(&root().join(file), &out.join(file))?;
    }
    sbom::write(&out)?;
    say(&format!("  {}: copy it as it is; mappings and playground are found beside the program", out.display()));
    Ok(())
}

/// Copies a folder with all that is in it.
pub fn copy_all(from: &Path, to: &Path) -> Done {
    std::fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let entries = std::fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_all(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Done {
    std::fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

/// Installs what validates the manifests (`tests/deploy/requirements.txt`) into `target`, where Python and the network are. Without it
/// the test skips itself and says so.
pub fn install_tools() {
    if let Err(reason) = tools() {
        say(&format!("the tools that validate deploy/ were not installed: {reason}"));
    }
}

fn tools() -> Done {
    let wanted = root().join("tests/deploy/requirements.txt");
    let wanted_text = std::fs::read(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    let place = target_dir().join("deploy-tools");
    let installed = place.join("requirements.txt");
    if std::fs::read(&installed).is_ok_and(|text| text == wanted_text) {
        return Ok(());
    }
    say("installing what validates the manifests");
    let python = ["python3.13", "python3.12", "python3.11", "python3"]
        .into_iter()
        .find(|python| crate::system::succeeds(python, &["-c", "import venv, ensurepip, tomllib"]))
        .ok_or("Python 3.11 or later with venv is not here")?;
    check(Command::new(python).args(["-m", "venv", "--clear"]).arg(&place), "python -m venv")?;
    let mut pip = Command::new(place.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--retries=1", "--timeout=30", "-r"]);
    check(pip.arg(&wanted), "pip install")?;
    std::fs::write(&installed, wanted_text).map_err(|error| format!("{}: {error}", installed.display()))
}
