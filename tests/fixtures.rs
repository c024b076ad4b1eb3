//! Fixture folders: `tests/fixtures/<map>/<case>/` with `input.json`, what else goes in, and what must come out.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use mapping::MapResult;

/// One folder.
pub struct Case {
    /// `<map>/<case>`.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// `input.json`.
    pub input: String,
}

impl Case {
    /// Reads a further JSON file of the folder; its default if there is none.
    pub fn read<T: serde::de::DeserializeOwned + Default>(&self, file: &str) -> T {
        match std::fs::read_to_string(self.dir.join(file)) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/{file}: {error}", self.name)),
            Err(_) => T::default(),
        }
    }
}

/// `tests/fixtures`.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All cases of a map, by name.
pub fn cases(map: &str) -> Vec<Case> {
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(root().join(map))
        .unwrap_or_else(|error| panic!("fixtures/{map}: {error}"))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .collect();
    dirs.sort();
    dirs.into_iter()
        .map(|dir| {
            let name = format!("{map}/{}", dir.file_name().unwrap_or_default().to_string_lossy());
            let input =
                std::fs::read_to_string(dir.join("input.json")).unwrap_or_else(|error| panic!("{name}: {error}"));
            Case { name, dir, input }
        })
        .collect()
}

/// A map's result as a fixture shows it: the document with its key and warnings, or the issues.
fn shown(result: &MapResult) -> (&'static str, String) {
    let mut text = String::new();
    match result {
        Ok(mapped) => {
            let body: serde_json::Value = serde_json::from_str(&mapped.body).expect("a mapped body is JSON");
            let warnings: Vec<String> = mapped.warnings.iter().map(ToString::to_string).collect();
            let whole =
                serde_json::json!({"body": body, "idempotency_key": mapped.idempotency_key, "warnings": warnings});
            writeln!(text, "{whole:#}").expect("text can be written");
            ("expected.json", text)
        }
        Err(issues) => {
            for issue in issues {
                writeln!(text, "{issue}").expect("text can be written");
            }
            ("error.txt", text)
        }
    }
}

/// Maps every case and compares with `expected.json` or `error.txt`. All differences are told at once; `BLESS=1` writes them down.
pub fn check_all(map: &str, run: impl Fn(&Case) -> MapResult) {
    let mut misses = String::new();
    let cases = cases(map);
    assert!(!cases.is_empty(), "fixtures/{map} holds no case");
    for case in &cases {
        assert!(case.dir.join("SOURCE.md").is_file(), "{}: SOURCE.md says where a case comes from", case.name);
        let (file, found) = shown(&run(case));
        let other = if file == "error.txt" { "expected.json" } else { "error.txt" };
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(case.dir.join(file), &found).expect("a fixture can be written");
            drop(std::fs::remove_file(case.dir.join(other)));
            continue;
        }
        let expected = std::fs::read_to_string(case.dir.join(file)).unwrap_or_else(|_| format!("(no {file})\n"));
        if found != expected {
            writeln!(misses, "== {}\n-- expected\n{expected}-- found\n{found}", case.name)
                .expect("text can be written");
        }
    }
    assert!(misses.is_empty(), "{misses}BLESS=1 writes what was found");
}
