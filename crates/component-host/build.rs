//! Writes the inputs of the cases in `wit/cases` as a table, so that the program can try any mapping with them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

use cases::{EXPECTED, ISSUES};

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/cases").canonicalize()?;
    // Cases share texts: each is written once.
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    let mut table = "&[\n".to_owned();
    for (mapping, most) in MAPPINGS {
        let folder = root.join(mapping);
        println!("cargo::rerun-if-changed={}", folder.display());
        let read = |path: &Path| fs::read_to_string(path).map_err(|error| error.to_string());
        let cases = cases::in_folder(&folder, read).map_err(io::Error::other)?;
        for case in cases.iter().step_by(cases.len().div_ceil(most).max(1)) {
            write!(table, "    ({mapping:?}, {:?}, &[", case.name).map_err(io::Error::other)?;
            // What must come out is asked of the built-in mappings.
            for (section, text) in case.sections().filter(|(section, _)| ![EXPECTED, ISSUES].contains(section)) {
                let next = texts.len();
                let number = *texts.entry(text.to_owned()).or_insert(next);
                write!(table, "({section:?}, TEXT_{number}), ").map_err(io::Error::other)?;
            }
            table.push_str("]),\n");
        }
    }
    table.push(']');
    let texts: String = texts.iter().map(|(text, number)| format!("const TEXT_{number}: &str = {text:?};\n")).collect();
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("cases.rs"), format!("{{\n{texts}{table}\n}}\n"))
}
