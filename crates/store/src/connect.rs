//! Opening the database and bringing its tables up to date.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::ports::StoreError;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tokio::time::timeout;

use super::connect_settings::{POSTGRES, SQLITE, address, without_password};
use super::encryption::Seal;
use super::migrations::migrator;
use super::postgres::Postgres;
use super::sqlite::SqliteWriter;
use super::writer::{Backend, Writers};
use super::{Dialect, LIMIT, SqlStore, Tables, bounded, failed, ms};
use crate::settings::{Place, StoreSettings};

/// Connections to PostgreSQL, beside the three of the writers.
const CONNECTIONS: u32 = 8;
/// Readers of a SQLite file.
const READERS: u32 = 4;
/// How long a SQLite file may take until it is open.
const OPENING: Duration = Duration::from_secs(60);
impl SqlStore {
    /// Opens the store; makes its tables if they are not there.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let seal = Seal::from_file(settings.key_file.as_deref())?;
        let (tables, writers, file) = match settings.place()? {
            Place::Sqlite(path) => {
                let named =
                    |error: StoreError| StoreError(format!("{}: {}{}", path.display(), error.0, restore(&error.0)));
                let tables = sqlite(&path, seal).await.map_err(named)?;
                let writers =
                    Writers::start(&tables, || Ok(Backend::Sqlite(Box::new(SqliteWriter::new(&path, &tables)?))))?;
                (tables, writers, Some(path))
            }
            Place::Postgres(url) => {
                let named = |error: StoreError| StoreError(format!("PostgreSQL (store.url): {}", error.0));
                let tables = postgres(url.expose_secret(), seal).await.map_err(named)?;
                let writers =
                    Writers::start(&tables, || Ok(Backend::Postgres(Box::new(Postgres::new(url.clone(), &tables)))))?;
                (tables, writers, None)
            }
        };
        tables.check_seal().await?;
        Ok(Self { tables, writers, counted: Arc::default(), file })
    }

    /// Whether several mediators may share this store.
    pub fn is_shared(&self) -> bool {
        self.tables.dialect == Dialect::Postgres
    }

    /// Gives back what a process that died had in its hands. Only for a store that nobody else leases from, before the first lease.
    pub async fn release_leases(&self, due: Timestamp) -> Result<u64, StoreError> {
        let statement = "UPDATE message SET state = 'pending', uncertain = 1, uncertain_since = $1, due_at = $2 WHERE state = 'leased'";
        let released = sqlx::query(statement).bind(ms(due)).bind(ms(due));
        bounded(async { self.tables.execute(released).await }).await
    }

    /// Makes due what waits beyond `latest`, which only a clock that was wrong can have set; leases end at `lease_end` then.
    pub async fn pull_forward(
        &self,
        now: Timestamp,
        lease_end: Timestamp,
        latest: Timestamp,
    ) -> Result<u64, StoreError> {
        let statement = "UPDATE message SET due_at = CASE state WHEN 'leased' THEN $1 ELSE $2 END
             WHERE state IN ('pending', 'leased') AND due_at > $3";
        let pulled = sqlx::query(statement).bind(ms(lease_end)).bind(ms(now)).bind(ms(latest));
        bounded(async { self.tables.execute(pulled).await }).await
    }

    /// Takes the turn for work that one of several mediators does at a time, until `until`. False: another one has it. A turn that ends
    /// more than a minute later is of a clock that was wrong.
    pub async fn take_turn(&self, name: &str, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(true);
        }
        let statement = "INSERT INTO watermark (name, at) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE watermark.at <= $3 OR watermark.at > $4";
        let taken = sqlx::query(statement).bind(name).bind(ms(until)).bind(ms(now)).bind(ms(until) + 60_000);
        bounded(async { self.tables.execute(taken).await.map(|rows| rows == 1) }).await
    }

    /// Writes something in the way in which messages are stored: fails where they could not be stored.
    pub async fn probe(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.writers.ended() {
            return Err(StoreError("its writer has ended".to_owned()));
        }
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let statement = "INSERT INTO watermark (name, at) VALUES ('ready', $1)
                 ON CONFLICT (name) DO UPDATE SET at = excluded.at";
            sqlx::query(statement).bind(ms(now)).execute(&mut *tx).await.map_err(failed)?;
            tx.commit().await.map_err(failed)
        })
        .await
    }
}

async fn sqlite(path: &Path, seal: Seal) -> Result<Tables, StoreError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    keep_private(path).map_err(failed)?;
    let url = format!("{}?mode=rwc", address(path)?);
    let connect = async |connections| {
        let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(LIMIT / 2);
        let options = options.test_before_acquire(false); // no network that could be away: it would cost more than a look-up
        // On a full disk SQLite ends a transaction by itself, of which sqlx does not know: such a connection is of no use any more.
        let options = options.before_acquire(|connection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        });
        let prepared = options
            .after_connect(|connection, _| Box::pin(async move { connection.execute(SQLITE).await.map(|_| ()) }));
        // Each connection begins with writes to the disk, which on a busy machine take longer than a pool waits.
        let begun = Instant::now();
        loop {
            match prepared.clone().connect(&url).await {
                Ok(pool) => return Ok(pool),
                Err(error) => match reason(error, &url, SQLITE).await {
                    sqlx::Error::PoolTimedOut if begun.elapsed() < OPENING => {}
                    reason => return Err(failed(reason)),
                },
            }
        }
    };
    let writer: AnyPool = connect(1).await?;
    migrator(Dialect::Sqlite).run(&writer).await.map_err(failed)?;
    let reader = connect(READERS).await?;
    // Nobody would notice before the power fails.
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&writer).await.map_err(failed)?;
    if synchronous != 2 {
        return Err(StoreError(format!(
            "commits are not on disk when they are acknowledged (synchronous = {synchronous})"
        )));
    }
    let (turn, recent, figures, damage) = Default::default();
    Ok(Tables { dialect: Dialect::Sqlite, writer, turn, reader, recent, seal, figures, damage })
}

async fn postgres(url: &str, seal: Seal) -> Result<Tables, StoreError> {
    let options = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(LIMIT / 2);
    let prepared =
        options.after_connect(|connection, _| Box::pin(async move { connection.execute(POSTGRES).await.map(|_| ()) }));
    let writer = match prepared.connect(url).await {
        Ok(pool) => pool,
        Err(error) => return Err(StoreError(without_password(reason(error, url, POSTGRES).await, url))),
    };
    // Longer than a statement may take: the first mediator makes the tables, or an index on large ones, while the others wait for it.
    let unhurried = AnyPoolOptions::new().max_connections(1).after_connect(|connection, _| {
        let begin = "SET statement_timeout = 0; SET lock_timeout = 0";
        Box::pin(async move { connection.execute(begin).await.map(|_| ()) })
    });
    let migrating = unhurried.connect(url).await.map_err(|error| StoreError(without_password(error, url)))?;
    migrator(Dialect::Postgres).run(&migrating).await.map_err(failed)?;
    migrating.close().await;
    let (turn, recent, figures, damage) = Default::default();
    Ok(Tables { dialect: Dialect::Postgres, reader: writer.clone(), writer, turn, recent, seal, figures, damage })
}

/// What to do with a file that SQLite cannot read.
fn restore(error: &str) -> &'static str {
    match error.contains("malformed") || error.contains("is not a database") {
        true => "; the file is damaged: restore it (docs/operations.md)",
        false => "",
    }
}

/// Why no connection was made: a pool tries again until its time is up, and then tells no more than that.
async fn reason(error: sqlx::Error, url: &str, begin: &'static str) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    let tried = async { AnyConnection::connect(url).await?.execute(begin).await.map(|_| ()) };
    match timeout(LIMIT / 2, tried).await {
        Ok(Err(reason)) => reason,
        _ => error,
    }
}

/// Patient data is in there: the file, and what SQLite puts beside it, is for this user only.
fn keep_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ())
}
