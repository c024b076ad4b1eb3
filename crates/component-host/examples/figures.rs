//! What the mappings cost beside their calls (those: tests/bench): a start with and without compiled components on disk, an exchange:
//! `cargo run --release --example figures -- target/components [further folder]`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use component_host::{Limits, MappingHost, Sources};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;

fn main() -> Result<(), Failure> {
    for folder in std::env::args().skip(1) {
        println!("\n{folder}\n");
        measure(Path::new(&folder))?;
    }
    Ok(())
}

fn measure(built: &Path) -> Result<(), Failure> {
    // A copy, since files are replaced.
    let work = std::env::temp_dir().join(format!("mapping-figures-{}", std::process::id()));
    let (dir, cache) = (work.join("components"), work.join("compiled"));
    fs::create_dir_all(&dir)?;
    for entry in fs::read_dir(built)? {
        let from = entry?.path();
        if from.extension().is_some_and(|extension| extension == "wasm") {
            fs::copy(&from, dir.join(from.file_name().unwrap_or_default()))?;
        }
    }
    let plain = Sources { check: false, ..Sources::folder(&dir) };
    let cached = Sources { cache_dir: Some(cache), ..plain.clone() };
    let open = |sources: &Sources| MappingHost::open(sources.clone(), Limits::default());
    row("start, compiled anew", &times(ROUNDS, || open(&plain).map(drop))?);
    open(&cached)?;
    row("start, compiled components on disk", &times(ROUNDS, || open(&cached).map(drop))?);
    let checked = Sources { check: true, ..cached };
    row("the same, with the checks", &times(ROUNDS, || open(&checked).map(drop))?);

    let host = open(&Sources { check: true, ..plain })?;
    let file = host.mappings()[1].file.clone();
    let mut mark = 0;
    let exchanged = times(ROUNDS, || {
        mark += 1;
        exchange(&host, &file, mark)
    })?;
    row("exchange of the feedback mapping: read, compiled, checked, switched", &exchanged);
    fs::remove_dir_all(work)?;
    Ok(())
}

/// The same component with another section at its end, so that it is another file.
fn exchange(host: &MappingHost, file: &PathBuf, mark: u8) -> Result<(), Failure> {
    let mut bytes = fs::read(file)?;
    bytes.extend([0, 3, 1, b'm', mark]);
    fs::write(file, bytes)?;
    let reloaded = host.reload();
    if reloaded.switched.is_empty() { Err(format!("{reloaded:?}").into()) } else { Ok(()) }
}

fn times<E>(count: usize, mut what: impl FnMut() -> Result<(), E>) -> Result<Vec<Duration>, E> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        what()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times)
}

fn row(name: &str, times: &[Duration]) {
    println!("| {name} | {:.1?} | {:.1?} |", times[times.len() / 2], times[times.len() * 99 / 100]);
}
