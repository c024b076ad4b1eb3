//! The mappings in programs of somebody else's: the example in Rust, and the one in Python that docs/embedding.md shows.

#[path = "../../examples/embed-rust/src/main.rs"]
#[allow(dead_code)]
mod embed;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mapping::claim_response::{self, Calendar, Settings};
use mediator_tests::fixtures;
use mediator_tests::running::{components_dir, sample_claim, skipped, workspace};
use tempfile::NamedTempFile;

/// What PyPI's package is tested with.
const WASMTIME: &str = "wasmtime==50.0.1";

/// The document of a case, as a file.
fn document(case: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    let text = fixtures::text(&format!("claim-response/{case}/input.json"));
    file.write_all(text.as_bytes()).expect("a file that can be written");
    file
}

#[test]
fn the_example_in_rust_maps_as_the_mediator_does() {
    let settings = Settings { calendar: Calendar::Gregorian, ..Settings::default() };
    let expected = claim_response::map(&sample_claim(), None, None, &settings).expect("a record").body;
    let body =
        embed::map(&components_dir(), document("documented-sample").path()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(body, expected);
    let outcome = embed::map(&components_dir(), document("malformed").path()).unwrap_or_else(|error| panic!("{error}"));
    assert!(outcome.starts_with(r#"{"resourceType":"OperationOutcome""#), "{outcome}");
    assert!(embed::map(Path::new("/no/such/folder"), document("malformed").path()).is_err());
}

/// A Python with wasmtime, in a place of its own. The error says why that cannot be had here.
fn python() -> Result<PathBuf, String> {
    let place = components_dir().parent().expect("the target folder").join("python-wasmtime");
    let python = place.join("bin/python");
    let run = |program: &Path, args: &[&str]| match Command::new(program).args(args).output() {
        Ok(ran) if ran.status.success() => Ok(()),
        Ok(ran) => Err(String::from_utf8_lossy(&ran.stderr).trim().lines().last().unwrap_or_default().to_owned()),
        Err(error) => Err(format!("{}: {error}", program.display())),
    };
    let version = WASMTIME.rsplit('=').next().unwrap_or_default();
    let fits = format!("from importlib.metadata import version; assert version('wasmtime') == '{version}'");
    if run(&python, &["-c", &fits]).is_err() {
        run(Path::new("python3"), &["-m", "venv", "--clear", &place.display().to_string()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", WASMTIME])?;
    }
    Ok(python)
}

#[test]
fn the_example_in_python_maps_as_the_mediator_does() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skipped("embedding: the example in Python", &why),
    };
    let run = |case: &str| {
        let mut command = Command::new(&python);
        command.arg(workspace().join("tests/embedding/embed.py")).arg(components_dir().join("map_claim_response.wasm"));
        let document = document(case);
        let Output { status, stdout, stderr } = command.arg(document.path()).output().expect("Python runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    };
    let mapped = claim_response::map(&sample_claim(), None, None, &Settings::default()).expect("a record");
    let warnings: String = mapped.warnings.iter().map(|issue| format!("{issue}\n")).collect();
    assert_eq!(run("documented-sample"), (Some(0), format!("{}\n", mapped.body), warnings));
    let expected = fixtures::text("claim-response/created-missing/error.txt");
    assert_eq!(run("created-missing"), (Some(1), expected, String::new()));
}

/// What a page shows is what is tried here.
#[test]
fn the_page_shows_the_examples_as_they_are() {
    let read = |path: &str| std::fs::read_to_string(workspace().join(path)).expect("a file");
    let page = read("docs/embedding.md");
    let call = read("examples/embed-rust/src/main.rs");
    let call =
        call.split_once("    // A mapping that").expect("the call").1.trim_end().trim_end_matches('}').trim_end();
    assert!(page.contains(call), "docs/embedding.md shows another call than examples/embed-rust/src/main.rs");
    let class = read("tests/embedding/embed.py");
    let class = class.split_once("class Mapping:").expect("the class").1.split_once("\n\n\n").expect("its end").0;
    assert!(page.contains(class), "docs/embedding.md shows another class than tests/embedding/embed.py");
}
