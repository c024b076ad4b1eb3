//! `disk`: write, make durable, again. No commit of one message alone can be faster than this.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

/// SQLite's page, and the block of most disks.
const BYTES: usize = 4096;
/// A log is not longer than this before it is begun anew; a file that only grows would measure the file system's bookkeeping, too.
const FILE: u64 = 4 << 20;

/// Where, and for how long.
#[derive(Args, Debug)]
pub struct Options {
    /// Directory on the disk that is meant
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// For how long
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

/// Prints the rate.
pub fn command(options: &Options) -> anyhow::Result<ExitCode> {
    let rate = durable_writes(&options.dir, Duration::from_secs_f64(options.seconds))?;
    println!("{rate:.0} durable writes a second (4 KiB and fdatasync, one after the other)");
    Ok(ExitCode::SUCCESS)
}

/// Durable writes a second, one after the other.
pub fn durable_writes(dir: &Path, lasting: Duration) -> std::io::Result<f64> {
    let path = dir.join(format!("durable-writes-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    // The name is gone at once, the file with the last handle.
    std::fs::remove_file(&path)?;
    file.write_all(&vec![0; FILE as usize])?;
    file.sync_all()?;
    let (begun, mut count, page) = (Instant::now(), 0u64, [7u8; BYTES]);
    while begun.elapsed() < lasting {
        file.seek(SeekFrom::Start(count * BYTES as u64 % FILE))?;
        file.write_all(&page)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
