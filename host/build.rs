//! Writes the inputs of the fixtures as a table, so that the program can try any mapping with them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What goes into a mapping beside the settings; what must come out is asked of the built-in mappings.
const INPUTS: [&str; 6] =
    ["input.json", "settings.json", "contact.json", "claim-date.json", "insuree.json", "locations.json"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").canonicalize()?;
    let mut table = "&[\n".to_owned();
    for mapping in ["claim-response", "feedback", "patient"] {
        let folder = fixtures.join(mapping);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut cases: Vec<PathBuf> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        cases.sort();
        for case in cases.iter().filter(|case| case.is_dir()) {
            let name = case.file_name().unwrap_or_default().to_string_lossy();
            write!(table, "    ({mapping:?}, {name:?}, &[").map_err(io::Error::other)?;
            for file in INPUTS.iter().filter(|file| case.join(file).is_file()) {
                let path = case.join(file);
                write!(table, "({file:?}, include_str!({path:?})), ").map_err(io::Error::other)?;
            }
            table.push_str("]),\n");
        }
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("fixtures.rs"), table)
}
