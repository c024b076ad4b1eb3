//! What connections to the databases begin with, and how their addresses are written.

use std::path::Path;

use flow::ports::StoreError;
use url::Url;

use super::failed;

/// What each connection to SQLite begins with. Full: what was acknowledged outlives a power failure. Of pages they keep half a megabyte each,
/// the system keeps the rest. The log is carried over into the database by the messages' connection, unless that does not keep up.
pub(super) const SQLITE: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
     PRAGMA cache_size = -512; PRAGMA wal_autocheckpoint = 16000";
/// What each connection to PostgreSQL begins with. A server that commits before the disk has it would make us acknowledge what a power
/// failure takes away. The planner is kept to the indexes, and to reading them in order, which a bitmap does not: what it knows of a table
/// that was empty a minute ago is wrong in a full one.
pub(super) const POSTGRES: &str =
    "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false), set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
    set_config('statement_timeout', '9s', false), set_config('lock_timeout', '5s', false),
    set_config('idle_in_transaction_session_timeout', '15s', false)";

/// Any's options are a URL; the path is quoted by the rules of one.
pub(super) fn address(path: &Path) -> Result<String, StoreError> {
    let file = Url::from_file_path(std::path::absolute(path).map_err(failed)?)
        .map_err(|()| StoreError("not a path of a file".to_owned()))?;
    Ok(format!("sqlite://{}", file.path()))
}

/// What went wrong, without an address that holds a password.
pub(super) fn without_password(error: sqlx::Error, url: &str) -> String {
    let text = error.to_string();
    if text.contains(url) {
        "the address cannot be used: expected postgres://user@host/database".to_owned()
    } else {
        text
    }
}
