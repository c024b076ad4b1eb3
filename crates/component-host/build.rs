//! Writes the inputs of the fixtures as a table, so that the program can try any mapping with them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What goes into a mapping beside the settings; what must come out is asked of the built-in mappings.
const INPUTS: [&str; 11] = [
    "input.json",
    "settings.json",
    "contact.json",
    "claim-date.json",
    "insuree.json",
    "locations.json",
    "known.json",
    "received.json",
    "sent.json",
    "original.json",
    "valuated.json",
];
/// Every one is tried before a component is used; from a folder with very many, some are enough.
const MAPPINGS: [(&str, usize); 7] = [
    ("claim-response", usize::MAX),
    ("feedback", usize::MAX),
    ("patient", usize::MAX),
    ("claim", 20),
    ("claim-answer", 20),
    ("eligibility", 20),
    ("facility", 20),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").canonicalize()?;
    let mut table = "&[\n".to_owned();
    for (mapping, most) in MAPPINGS {
        let folder = fixtures.join(mapping);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut cases: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        cases.retain(|case| case.is_dir());
        cases.sort();
        for case in cases.iter().step_by(cases.len().div_ceil(most).max(1)) {
            let name = case.file_name().unwrap_or_default().to_string_lossy();
            write!(table, "    ({mapping:?}, {name:?}, &[").map_err(io::Error::other)?;
            for file in INPUTS {
                // What openIMIS knows is the same in most cases of a folder.
                let own = case.join(file);
                let path = if file == "known.json" && !own.is_file() { folder.join(file) } else { own };
                if !path.is_file() {
                    continue;
                }
                write!(table, "({file:?}, include_str!({path:?})), ").map_err(io::Error::other)?;
            }
            table.push_str("]),\n");
        }
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("fixtures.rs"), table)
}
