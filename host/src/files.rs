//! Files that people write: settings, keys, tables. Editors put a byte order mark before them, or another encoding into them.

use std::path::Path;

use mapping::encoding;

/// A file's text, without a byte order mark; else why there is none.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    encoding::text(&bytes).map(str::to_owned).map_err(|issue| issue.diagnostics)
}

/// A file of certificates or keys in PEM, which is text as well.
pub(crate) fn pem(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    match encoding::other_than_utf8(&bytes) {
        Some(other) => Err(format!("expected PEM; found {other}")),
        None => Ok(encoding::unmarked(&bytes).to_vec()),
    }
}
