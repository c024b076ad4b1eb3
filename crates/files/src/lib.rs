//! Files that the settings name, or that lie in folders that they name. Only regular files are read, and only so much of them: whoever puts
//! a pipe or an endless device in a file's place must neither hold the program up nor fill its memory. Editors put a byte order mark
//! before them, or another encoding into them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use mapping::encoding;
use rustix::fs::OFlags;

/// Longest file: a component, a table, a bundle of certificates.
pub const LARGE: u64 = 64 << 20;

/// Opens a regular file, by whatever name; waits for nobody.
pub fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    match file.metadata()? {
        found if found.is_file() => Ok(file),
        found if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, not a file")),
        _ => Err(io::Error::other("is a pipe, a socket or a device, not a file")),
    }
}

/// The whole of a file that is not longer than this.
pub fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    whole(open(path)?, limit_bytes)
}

/// The same of a stream.
pub fn whole(stream: impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit_bytes {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is longer than {limit_bytes} bytes"))),
        false => Ok(bytes),
    }
}

/// A file's text, without a byte order mark; else why there is none.
pub fn text(path: &Path) -> Result<String, String> {
    let bytes = read(path, LARGE).map_err(|error| error.to_string())?;
    encoding::text(&bytes).map(str::to_owned).map_err(|issue| issue.diagnostics)
}

/// A file of certificates or keys in PEM, which is text as well.
pub fn pem(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read(path, LARGE).map_err(|error| error.to_string())?;
    match encoding::other_than_utf8(&bytes) {
        Some(other) => Err(format!("expected PEM; found {other}")),
        None => Ok(encoding::unmarked(&bytes).to_vec()),
    }
}

/// Whether anybody on this machine may read a file.
pub fn is_public(path: &Path) -> bool {
    allows(path, 0o004, 0o001)
}

/// Whether others than its owner may write to a file or into a folder.
pub fn is_shared(path: &Path) -> bool {
    allows(path, 0o002, 0o001) || allows(path, 0o020, 0o011)
}

/// Whether a file has one of the bits and each folder on the way one of the others.
fn allows(path: &Path, file: u32, folders: u32) -> bool {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.mode());
    let Ok(real) = fs::canonicalize(path) else { return false };
    mode(&real) & file != 0 && real.ancestors().skip(1).all(|folder| mode(folder) & folders != 0)
}
