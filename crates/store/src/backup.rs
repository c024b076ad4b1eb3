//! A copy of a SQLite store, taken while a mediator works on it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flow::ports::StoreError;
use sqlx::{AnyConnection, Connection};
use url::Url;

use super::failed;

/// What a backup holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backup {
    /// Messages, of all states.
    pub messages: i64,
    /// Length of the file.
    pub bytes: u64,
}

/// Writes a copy of the store at `from` into the new file `to`: all that was committed when it began, and nothing of what came later.
/// It does not change the store, so that a newer program can back up what an older one keeps.
pub async fn back_up(from: &Path, to: &Path) -> Result<Backup, StoreError> {
    sqlx::any::install_default_drivers();
    let told = |path: &Path, what: &dyn std::fmt::Display| StoreError(format!("{}: {what}", path.display()));
    if !from.is_file() {
        return Err(told(from, &"there is no such file"));
    }
    if to.exists() {
        return Err(told(to, &"is there already; a backup does not replace another one"));
    }
    // Under another name until it is whole: a copy that broke off is not to be taken for a backup.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // Patient data: for this user only, from the first byte on.
    let made = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part);
    let file = made.map_err(|error| told(&part, &error))?;
    let copied = copy(from, &part).await;
    let kept = match copied {
        Ok(messages) => {
            keep(&file, &part, to).map(|bytes| Backup { messages, bytes }).map_err(|error| told(to, &error))
        }
        Err(error) => Err(error),
    };
    if kept.is_err() {
        // What cannot be removed either stays as `.part`, which nobody takes for a backup.
        drop(std::fs::remove_file(&part));
    }
    kept
}

async fn copy(from: &Path, part: &Path) -> Result<i64, StoreError> {
    let mut source = AnyConnection::connect(&address(from, "rw")?).await.map_err(failed)?;
    sqlx::query("PRAGMA busy_timeout = 5000").execute(&mut source).await.map_err(failed)?;
    let name = part.to_str().ok_or_else(|| StoreError("the path of a backup has to be UTF-8 text".to_owned()))?;
    sqlx::query("VACUUM INTO $1").bind(name).execute(&mut source).await.map_err(failed)?;
    source.close().await.map_err(failed)?;

    let mut copy = AnyConnection::connect(&address(part, "ro")?).await.map_err(failed)?;
    let check: String = sqlx::query_scalar("PRAGMA quick_check").fetch_one(&mut copy).await.map_err(failed)?;
    if check != "ok" {
        return Err(StoreError(format!("the copy is damaged: {check}")));
    }
    let messages = sqlx::query_scalar("SELECT count(*) FROM message").fetch_one(&mut copy).await.map_err(failed)?;
    copy.close().await.map_err(failed)?;
    Ok(messages)
}

/// On the disk, then under its name.
fn keep(file: &File, part: &Path, to: &Path) -> std::io::Result<u64> {
    file.sync_all()?;
    std::fs::rename(part, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(std::fs::metadata(to)?.len())
}

fn address(path: &Path, mode: &str) -> Result<String, StoreError> {
    let file = Url::from_file_path(std::path::absolute(path).map_err(failed)?)
        .map_err(|()| StoreError("not a path of a file".to_owned()))?;
    Ok(format!("sqlite://{}?mode={mode}", file.path()))
}
