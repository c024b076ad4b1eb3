//! The playground as a folder of static files: the mediator reads the mapping from it, and any other web server can serve the whole.

use std::path::Path;

use crate::{Done, root, say, target_dir};

/// Samples of the page and the cases that they are; the program has the same list (`host/src/playground.rs`), a test compares.
const SAMPLES: [(&str, &str); 7] = [
    ("claim-response.json", "claim-response/documented-sample.input.json"),
    ("claim-response-bad.json", "claim-response/several-problems.input.json"),
    ("feedback.json", "feedback/documented.input.json"),
    ("feedback-bad.json", "feedback/everything-wrong.input.json"),
    ("patient.json", "patient/place-village.input.json"),
    ("patient.settings.json", "patient/place-village.settings.json"),
    ("patient-bad.json", "patient/everything-wrong.input.json"),
];
/// What a browser needs of the npm package; and at the end its manifest, by whose version the mediator knows that they belong together.
const WEB_BUILD: [&str; 6] = ["web.mjs", "face.mjs", "memory.mjs", "mapping.mjs", "mapping_bg.wasm", "package.json"];

/// Puts it together in `target/playground`; the npm package has to be built before.
pub fn build() -> Done {
    let out = target_dir().join("playground");
    for folder in ["mapping", "samples"] {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let page = root().join("host/playground");
    let entries = std::fs::read_dir(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    for entry in entries.flatten() {
        if entry.file_name() != "missing.html" {
            copy(&entry.path(), &out.join(entry.file_name()))?;
        }
    }
    for (name, case) in SAMPLES {
        copy(&root().join("wit/cases").join(case), &out.join("samples").join(name))?;
    }
    for name in WEB_BUILD {
        copy(&root().join("npm/dist").join(name), &out.join("mapping").join(name))?;
    }
    say("  playground: a folder for any web server, and for the mediator at /playground/");
    Ok(())
}

/// Takes an older mapping out of use: it would show what the mediator of now does not do.
pub fn forget() -> Done {
    let manifest = target_dir().join("playground/mapping/package.json");
    match std::fs::remove_file(&manifest) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", manifest.display())),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Done {
    std::fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}
