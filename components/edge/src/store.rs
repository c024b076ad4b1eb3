//! Messages, links and watermarks in Spin's SQLite.
//!
//! Spin runs statements one by one, each in a transaction of its own, so whatever belongs together is one statement: a message stands in
//! one row with its document and its trail (a JSON object a line). States, lanes and leases are those of the native host's store.

mod inbox;
mod queue;

pub use queue::Leased;

use flow::message::{Acceptance, Kind, Message, MessageId, NewMessage, Outcome, TrailEntry};
use flow::ports::{Lease, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use spin_sdk::sqlite::{Connection, RowResult, Value};

/// What `edge_schema` says of the tables below.
const SCHEMA: i64 = 3;
/// What makes the tables of version 2 those of version 3.
const SINCE_2: [&str; 2] =
    ["ALTER TABLE message ADD COLUMN agrees TEXT", "ALTER TABLE message ADD COLUMN uncertain_since INTEGER"];
/// Times are milliseconds since 1970-01-01 UTC.
const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS message (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        kind         TEXT    NOT NULL,
        origin       TEXT    NOT NULL,
        state        TEXT    NOT NULL,
        dedupe_key   TEXT    NOT NULL UNIQUE,
        lane         TEXT    NOT NULL,
        claim_uuid   TEXT,
        claim_code   TEXT,
        insuree_uuid TEXT,
        received     BLOB,
        sent         TEXT,
        reason       TEXT,
        issues       TEXT,
        trail        TEXT    NOT NULL,
        attempts     INTEGER NOT NULL DEFAULT 0,
        leases       INTEGER NOT NULL DEFAULT 0,
        died         INTEGER NOT NULL DEFAULT 0,
        uncertain    INTEGER NOT NULL DEFAULT 0,
        received_at  INTEGER NOT NULL,
        since        INTEGER NOT NULL,
        due_at       INTEGER NOT NULL,
        settled_at   INTEGER,
        agrees       TEXT,
        uncertain_since INTEGER
    )",
    "CREATE INDEX IF NOT EXISTS message_due ON message (kind, due_at, id) WHERE state IN ('pending', 'leased')",
    "CREATE INDEX IF NOT EXISTS message_lane ON message (lane, id)",
    // What the drain counts and forgets is found without a look at every message there ever was.
    "CREATE INDEX IF NOT EXISTS message_dead ON message (id) WHERE state = 'dead'",
    "CREATE INDEX IF NOT EXISTS message_kept ON message (settled_at)
        WHERE received IS NOT NULL AND state IN ('delivered', 'skipped', 'discarded')",
    "CREATE TABLE IF NOT EXISTS link (
        insuree_uuid TEXT PRIMARY KEY, contact_id TEXT NOT NULL, how TEXT NOT NULL, created_at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS watermark (name TEXT PRIMARY KEY, at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS edge_schema (version INTEGER PRIMARY KEY)",
];

/// How long a proof that the database can be written is good for.
const PROBE_AGE: SignedDuration = SignedDuration::from_millis(250);

/// The default database of the app.
pub struct SpinStore(Connection);

/// How many messages are where.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// To be delivered, or in somebody's hands.
    pub waiting: i64,
    /// Dead letters.
    pub dead: i64,
}

impl SpinStore {
    /// Opens it; makes the tables when they are not there yet.
    pub fn open() -> Result<Self, StoreError> {
        let store = Self(Connection::open_default().map_err(failed)?);
        let version = match store.number("SELECT max(version) FROM edge_schema", &[]) {
            Ok(Some(2)) => store.upgrade()?,
            Ok(Some(version)) => version,
            _ => store.make_tables()?,
        };
        match version {
            SCHEMA => Ok(store),
            other => Err(StoreError(format!("the database is of version {other}; this edge knows {SCHEMA}"))),
        }
    }

    fn make_tables(&self) -> Result<i64, StoreError> {
        self.has_a_file()?;
        // One write to the disk a commit instead of three, and no less safe. A remote database has its own ways and refuses.
        if let Err(error) = self.rows("PRAGMA journal_mode = WAL", &[]) {
            eprintln!("no write-ahead log: {error}");
        }
        for table in TABLES {
            self.rows(table, &[])?;
        }
        self.rows("INSERT OR IGNORE INTO edge_schema (version) VALUES (?1)", &[Value::Integer(SCHEMA)])?;
        Ok(SCHEMA)
    }

    /// Another request may be at it, or one may have stopped half-way: a column that is there is no fault.
    fn upgrade(&self) -> Result<i64, StoreError> {
        for change in SINCE_2 {
            if let Err(error) = self.rows(change, &[])
                && !error.0.contains("duplicate column")
            {
                return Err(error);
            }
        }
        self.rows("INSERT OR IGNORE INTO edge_schema (version) VALUES (?1)", &[Value::Integer(SCHEMA)])?;
        Ok(SCHEMA)
    }

    /// Without a state folder Spin gives each connection an empty database in memory: what is stored there is gone with the request.
    fn has_a_file(&self) -> Result<(), StoreError> {
        // A remote database refuses the question; it has a file somewhere.
        let Ok(databases) = self.rows("PRAGMA database_list", &[]) else { return Ok(()) };
        if databases.iter().any(|row| row.get::<&str>(2).is_some_and(|file| !file.is_empty())) {
            return Ok(());
        }
        let why =
            "the database is in memory and would forget every message: start Spin with a --state-dir (docs/edge.md)";
        Err(StoreError(why.to_owned()))
    }

    /// Whether it can be written. Anybody may ask: one write answers all who ask within [`PROBE_AGE`].
    pub fn probe(&self, now: Timestamp) -> Result<(), StoreError> {
        let last = self.number("SELECT at FROM watermark WHERE name = 'probe'", &[])?.map(at);
        let age = last.map(|at| now.duration_since(at));
        if age.is_some_and(|age| (SignedDuration::ZERO..PROBE_AGE).contains(&age)) {
            return Ok(());
        }
        self.put_watermark("probe", now)
    }

    /// How many messages are where.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let statement = "SELECT (SELECT count(*) FROM message WHERE state IN ('pending', 'leased')),
                                (SELECT count(*) FROM message WHERE state = 'dead')";
        let rows = self.rows(statement, &[])?;
        let row = rows.first().ok_or_else(|| StoreError("the messages were not counted".to_owned()))?;
        Ok(Counts { waiting: column(row, 0)?, dead: column(row, 1)? })
    }

    /// Forgets documents and trails of what was settled so long ago; the row stays, so that a repetition is recognised for ever.
    pub fn prune(&self, now: Timestamp, keep: SignedDuration) -> Result<(), StoreError> {
        let before = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
        let statement = "UPDATE message SET received = NULL, sent = NULL, trail = '' WHERE received IS NOT NULL
                         AND state IN ('delivered', 'skipped', 'discarded') AND settled_at < ?1";
        self.rows(statement, &[ms(before)]).map(drop)
    }

    fn put_watermark(&self, name: &str, at: Timestamp) -> Result<(), StoreError> {
        let statement =
            "INSERT INTO watermark (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = excluded.at";
        self.rows(statement, &[text(name), ms(at)]).map(drop)
    }

    fn rows(&self, statement: &str, values: &[Value]) -> Result<Vec<RowResult>, StoreError> {
        self.0.execute(statement, values).map(|result| result.rows).map_err(failed)
    }

    fn text(&self, statement: &str, values: &[Value]) -> Result<Option<String>, StoreError> {
        let rows = self.rows(statement, values)?;
        Ok(rows.first().and_then(|row| row.get::<&str>(0)).map(str::to_owned))
    }

    fn number(&self, statement: &str, values: &[Value]) -> Result<Option<i64>, StoreError> {
        Ok(self.rows(statement, values)?.first().and_then(|row| row.get(0)))
    }
}

impl Store for SpinStore {
    async fn accept(&self, new: NewMessage, now: Timestamp) -> Result<Acceptance, StoreError> {
        self.take_in(&new, now)
    }

    /// What is held need not be left out: a request delivers one message after the other.
    async fn lease(&self, wanted: &Lease<'_>) -> Result<Vec<Message>, StoreError> {
        Ok(self.take(wanted, None)?.into_iter().map(|leased| leased.message).collect())
    }

    async fn settle(
        &self,
        message: &Message,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_outcome(message, outcome, mapped, trail, now)
    }

    async fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError> {
        let statement = "SELECT min(due_at) FROM message WHERE kind = ?1 AND state IN ('pending', 'leased')";
        Ok(self.number(statement, &[text(kind.stored())])?.map(at))
    }

    async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        let statement = "SELECT dedupe_key FROM message WHERE dedupe_key IN (SELECT value FROM json_each(?1))
                         AND (state IN ('leased', 'delivered', 'discarded') OR origin = 'selected')";
        let rows = self.rows(statement, &[text(&json!(keys).to_string())])?;
        rows.iter().map(|row| column::<&str>(row, 0).map(str::to_owned)).collect()
    }

    async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError> {
        let statement =
            "SELECT insuree_uuid FROM message WHERE lane = ?1 AND kind = ?2 AND insuree_uuid IS NOT NULL LIMIT 1";
        self.text(statement, &[text(claim_uuid), text(Kind::ClaimResponse.stored())])
    }

    async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError> {
        self.text("SELECT contact_id FROM link WHERE insuree_uuid = ?1", &[text(insuree_uuid)])
    }

    async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        // The no-op update makes RETURNING give the row that was there.
        let statement = "INSERT INTO link (insuree_uuid, contact_id, how, created_at) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (insuree_uuid) DO UPDATE SET contact_id = link.contact_id RETURNING contact_id";
        let kept = self.text(statement, &[text(insuree_uuid), text(contact_id), text(how), ms(now)])?;
        kept.ok_or_else(|| StoreError("a link was not stored".to_owned()))
    }

    async fn unlink(&self, insuree_uuid: &str, contact_id: &str) -> Result<bool, StoreError> {
        let statement = "DELETE FROM link WHERE insuree_uuid = ?1 AND contact_id = ?2 RETURNING contact_id";
        Ok(self.text(statement, &[text(insuree_uuid), text(contact_id)])?.is_some())
    }

    async fn watermark(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.number("SELECT at FROM watermark WHERE name = ?1", &[text(name)])?.map(at))
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.number("SELECT received_at FROM message ORDER BY id DESC LIMIT 1", &[])?.map(at))
    }

    async fn save_watermark(&self, name: &str, moment: Timestamp) -> Result<(), StoreError> {
        self.put_watermark(name, moment)
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::Null, self::text)
}

fn ms(at: Timestamp) -> Value {
    Value::Integer(at.as_millisecond())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn column<'r, T: TryFrom<&'r Value>>(row: &'r RowResult, index: usize) -> Result<T, StoreError> {
    row.get(index).ok_or_else(|| StoreError(format!("column {index} holds something else")))
}

fn word<T>(row: &RowResult, index: usize, read: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    read(column(row, index)?).ok_or_else(|| StoreError(format!("column {index} holds an unknown word")))
}

fn issues_json(issues: &[mapping::Issue]) -> Value {
    if issues.is_empty() { Value::Null } else { text(&serde_json::to_string(issues).unwrap_or_default()) }
}

/// A line of a trail.
fn line(at: Timestamp, event: &str, detail: &str, status: Option<u16>, duration_ms: Option<i64>) -> String {
    format!("{}\n", json!({"at": at, "event": event, "detail": detail, "status": status, "duration_ms": duration_ms}))
}

/// The number of a row that a statement returned.
fn id(rows: &[RowResult]) -> Option<MessageId> {
    rows.first().and_then(|row| row.get(0)).map(MessageId)
}
