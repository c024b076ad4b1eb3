//! Where messages are kept.

use std::path::PathBuf;

use flow::ports::StoreError;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The store.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// SQLite file; it is made if it is not there. A relative path starts at the working directory.
    ///
    /// Default: `"mediator.db"`.
    pub path: PathBuf,
    /// Instead of `path`: PostgreSQL, which several mediators may share, as
    /// `postgres://user:password@host/database?sslmode=verify-full`; or a SQLite file once more. Keep a password out of
    /// this file: DATABASE_URL, or a file that DATABASE_URL_FILE names.
    ///
    /// Optional, for example `"postgres://mediator@db.example.org/mediator?sslmode=verify-full"`.
    pub url: Option<SecretString>,
    /// File with the key that seals documents in the store: base64 of 32 bytes, made with `openssl rand -base64 32`. To
    /// change the key, put the new one before the old one, a line each.
    ///
    /// Optional, for example `"/etc/openimis-mediator/store.key"`. Without it: documents are stored as they came.
    pub key_file: Option<PathBuf>,
    /// Dead letters of one client at a time. What it posts beyond them is answered with 429 until an admin has retried or
    /// discarded some. `0`: as many as come.
    ///
    /// Default: `10000`.
    pub client_dead_letters: u64,
    /// Bytes of the documents of one client that are stored at a time. What it posts beyond them is answered with 507 until
    /// some are pruned (`retention.documents`). `0`: as many as come.
    ///
    /// Default: `21474836480` (20 GiB).
    pub client_bytes: u64,
    /// Bytes that are left free on the disk of a SQLite file, or a twentieth of the disk if that is less: what is posted is
    /// answered with 503 until there is more room. What is stored is delivered meanwhile. A warning comes at four times this.
    ///
    /// Default: `134217728` (128 MiB).
    pub reserve_bytes: u64,
}

/// Which database.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(SecretString),
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("mediator.db"),
            url: None,
            key_file: None,
            client_dead_letters: 10_000,
            client_bytes: 20 << 30,
            reserve_bytes: 128 << 20,
        }
    }
}

impl StoreSettings {
    /// A SQLite file, everything else as by default.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Which database is meant.
    pub fn place(&self) -> Result<Place, StoreError> {
        let Some(url) = &self.url else { return Ok(Place::Sqlite(self.path.clone())) };
        let text = url.expose_secret();
        if let Some(path) = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")) {
            // `?mode=rwc` and the like are for other programs: the mediator has its own ways with its file.
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            return Ok(Place::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Place::Postgres(url.clone()));
        }
        Err(StoreError(EXPECTED.to_owned()))
    }

    /// For people: where the store is, without a password.
    pub fn shown(&self) -> String {
        match self.place() {
            Ok(Place::Sqlite(path)) => path.display().to_string(),
            Ok(Place::Postgres(url)) => match url::Url::parse(url.expose_secret()) {
                Ok(url) => format!("PostgreSQL at {}{}", url.host_str().unwrap_or("this machine"), url.path()),
                Err(_) => "PostgreSQL".to_owned(),
            },
            Err(error) => error.0,
        }
    }
}

/// What an address of a store looks like.
pub const EXPECTED: &str = "expected postgres://user@host/database (or sqlite:path), in store.url or DATABASE_URL";
