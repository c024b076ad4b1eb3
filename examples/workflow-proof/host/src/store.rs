//! What must outlive a crash, in SQLite. Every function that changes something is one transaction.
//!
//! A worker's commits carry its lease; one that lost it changes nothing.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Params, Transaction, TransactionBehavior, params};

use crate::runtime::{Answer, Call, Done, Entry, Kind};

/// How long a worker has a message.
pub const LEASE: u64 = 60;
/// How long a request may take, at most.
pub const TIMEOUT: u64 = 30;

/// A moment at which a process may die or the world may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// Before a transaction begins.
    Before(&'static str),
    /// In a transaction, after a statement that wrote.
    Within(&'static str),
    /// After a transaction is on disk.
    After(&'static str),
    /// The lease was looked at; the request is not sent yet.
    Send,
    /// The request was sent and answered; nothing of it is on disk.
    Sent,
}

/// Called at each point.
pub type Hook<'a> = &'a dyn Fn(Point) -> Result<(), Stop>;

/// Why a worker stops in the middle.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The process is dead.
    #[error("killed")]
    Killed,
    /// Another worker has the message.
    #[error("the lease is lost")]
    LeaseLost,
    /// SQLite's own error.
    #[error("the store: {0}")]
    Store(#[from] rusqlite::Error),
}

/// A message that a worker has.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Its number.
    pub id: i64,
    /// Goes up with each lease: who has an older one has none.
    pub lease: i64,
    /// Until when.
    pub until: u64,
    /// What it is about.
    pub body: String,
    /// The component and the settings that it began with.
    pub pinned: Option<(String, String)>,
    /// Answered calls.
    pub journal: Vec<Entry>,
}

/// Which of the rows of an end no longer has its version.
pub enum Ended {
    /// All is written.
    Written,
    /// Nothing is written: this row changed.
    Conflict(String),
}

/// What a message is, for tests and people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shown {
    /// `pending`, `waiting`, `parked` or `done`.
    pub state: String,
    /// Why it is parked.
    pub reason: String,
    /// How it ended.
    pub outcome: String,
}

/// The store.
pub struct Store<'a> {
    connection: Connection,
    hook: Hook<'a>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending',
  due INTEGER NOT NULL, lease INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0,
  component TEXT, settings TEXT, reason TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT '');
-- answer NULL: an effect that may have been sent
CREATE TABLE IF NOT EXISTS journal (
  message INTEGER NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, request TEXT NOT NULL,
  until INTEGER, answer TEXT, PRIMARY KEY (message, seq), UNIQUE (message, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waits (message INTEGER NOT NULL, signal TEXT NOT NULL, PRIMARY KEY (message, signal)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signal (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, consumed_by INTEGER, UNIQUE (name, id));
CREATE TABLE IF NOT EXISTS row (key TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link (left TEXT PRIMARY KEY, right TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trail (message INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL);
";

impl<'a> Store<'a> {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// SQLite's.
    pub fn open(path: &Path, hook: Hook<'a>) -> Result<Self, Stop> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, hook })
    }

    /// Leaves flushing to the system: what a process has written outlives the process, but not a loss of power.
    ///
    /// # Errors
    /// SQLite's.
    pub fn without_flush(self) -> Result<Self, Stop> {
        self.connection.pragma_update(None, "synchronous", "off")?;
        Ok(self)
    }

    /// Runs the hook outside of a transaction.
    ///
    /// # Errors
    /// The hook's.
    pub fn point(&self, point: Point) -> Result<(), Stop> {
        (self.hook)(point)
    }

    /// A new message; one that is there is left as it is.
    ///
    /// # Errors
    /// SQLite's.
    pub fn accept(&mut self, origin: &str, body: &str, now: u64) -> Result<(), Stop> {
        let sql = "INSERT OR IGNORE INTO message (origin, body, due) VALUES (?, ?, ?)";
        self.connection.execute(sql, params![origin, body, now])?;
        Ok(())
    }

    /// A signal; the same one twice is one. Who waits for it becomes due in the same transaction.
    ///
    /// # Errors
    /// SQLite's.
    pub fn signal(&mut self, name: &str, id: &str, body: &str, now: u64) -> Result<(), Stop> {
        self.commit("signal", |work| {
            work.run("INSERT OR IGNORE INTO signal (name, id, body) VALUES (?, ?, ?)", params![name, id, body])?;
            work.run(
                "UPDATE message SET due = min(due, ?2) WHERE state = 'waiting' AND id IN (SELECT message FROM waits WHERE signal = ?1)",
                params![name, now],
            )
        })?;
        Ok(())
    }

    /// Takes the message that is due first. An effect that was begun under an earlier lease has an unknown outcome from now on.
    ///
    /// # Errors
    /// SQLite's.
    pub fn lease(&mut self, now: u64) -> Result<Option<Leased>, Stop> {
        let due = "SELECT id FROM message WHERE state IN ('pending', 'waiting') AND due <= ?1 AND lease_until <= ?1 ORDER BY due, id";
        if self.connection.query_row(due, [now], |row| row.get::<_, i64>(0)).optional()?.is_none() {
            return Ok(None);
        }
        self.commit("lease", |work| {
            let id = work.tx.query_row(due, [now], |row| row.get::<_, i64>(0)).optional()?;
            let Some(id) = id else { return Ok(None) };
            let until = now + LEASE;
            work.run("UPDATE message SET lease = lease + 1, lease_until = ?2 WHERE id = ?1", params![id, until])?;
            let unknown = encode(&Answer::Unknown);
            if work.run("UPDATE journal SET answer = ?2 WHERE message = ?1 AND answer IS NULL", params![id, unknown])?
                > 0
            {
                work.trail(id, now, "an effect was begun and its outcome is not known")?;
            }
            let sql = "SELECT lease, body, component, settings FROM message WHERE id = ?";
            let (lease, body, pinned) = work.tx.query_row(sql, [id], |row| {
                let pinned = Option::zip(row.get(2)?, row.get(3)?);
                Ok((row.get(0)?, row.get(1)?, pinned))
            })?;
            Ok(Some(Leased { id, lease, until, body, pinned, journal: journal(work.tx, id)? }))
        })
    }

    /// Before an effect: the answers since the last commit, that it may have been sent, component and settings, and a lease that lasts.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn intent(
        &mut self,
        message: &Leased,
        since: &[Entry],
        call: &Call,
        pinned: (&str, &str),
        now: u64,
    ) -> Result<u64, Stop> {
        let until = now + TIMEOUT + LEASE;
        self.commit("intent", |work| {
            work.guard(message)?;
            work.run("UPDATE message SET lease_until = ?2 WHERE id = ?1", params![message.id, until])?;
            work.entries(message.id, since, pinned)?;
            work.entry(message.id, call, None)?;
            work.trail(message.id, now, &format!("sends {}", call.name))
        })?;
        Ok(until)
    }

    /// After an effect: its answer.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn answer(&mut self, message: &Leased, name: &str, answer: &Answer, now: u64) -> Result<(), Stop> {
        self.commit("answer", |work| {
            work.guard(message)?;
            let sql = "UPDATE journal SET answer = ?3 WHERE message = ?1 AND name = ?2 AND answer IS NULL";
            work.run(sql, params![message.id, name, encode(answer)])?;
            work.trail(message.id, now, &format!("{name} is answered"))
        })
    }

    /// An effect that was surely not done: no trace of it is left, nor of the look-ups just before it, which will be old by the next attempt.
    /// The journal is cut at its end, never in its middle: what is left is what was there at an earlier moment.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn clear(&mut self, message: &Leased, name: &str, due: u64, now: u64) -> Result<(), Stop> {
        self.commit("clear", |work| {
            work.guard(message)?;
            let sql = "DELETE FROM journal WHERE message = ?1 AND seq > (
              SELECT coalesce(max(seq), -1) FROM journal WHERE message = ?1 AND answer IS NOT NULL AND kind NOT IN (?2, ?3))";
            work.run(sql, params![message.id, Kind::Read as u8, Kind::Row as u8])?;
            let sql = "UPDATE message SET state = 'pending', due = ?2, lease_until = 0 WHERE id = ?1";
            work.run(sql, params![message.id, due])?;
            work.trail(message.id, now, &format!("{name} was refused and surely not done"))
        })
    }

    /// Claims a pair, and records which one counts.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn link(
        &mut self,
        message: &Leased,
        since: &[Entry],
        call: &Call,
        pinned: (&str, &str),
    ) -> Result<Answer, Stop> {
        let (left, right) = call.request.split_once(' ').unwrap_or((&call.request, ""));
        self.commit("link", |work| {
            work.guard(message)?;
            work.entries(message.id, since, pinned)?;
            work.run("INSERT OR IGNORE INTO link (left, right) VALUES (?, ?)", params![left, right])?;
            let counts = work.tx.query_row("SELECT right FROM link WHERE left = ?", [left], |row| row.get(0))?;
            let answer = Answer::Text(counts);
            work.entry(message.id, call, Some(&answer))?;
            Ok(answer)
        })
    }

    /// Waits, unless a signal is there or a time is over: then these are the answers, and the lease stays.
    ///
    /// Whether the signal is there is asked in the transaction that begins to wait: one that comes in between would not be noticed.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn wait(
        &mut self,
        message: &Leased,
        since: &[Entry],
        waits: &[Call],
        pinned: (&str, &str),
        now: u64,
    ) -> Result<Vec<Entry>, Stop> {
        self.commit("wait", |work| {
            work.guard(message)?;
            work.entries(message.id, since, pinned)?;
            work.run("DELETE FROM waits WHERE message = ?", [message.id])?;
            let mut answered = Vec::new();
            for call in waits {
                let Some(answer) = work.waited(message.id, call, now)? else { continue };
                work.entry(message.id, call, Some(&answer))?;
                work.trail(message.id, now, &format!("{} is over", call.name))?;
                answered.push(Entry { call: call.clone(), answer });
            }
            if answered.is_empty() {
                let due = waits.iter().filter_map(|call| call.until).min().unwrap_or(i64::MAX as u64);
                let sql = "UPDATE message SET state = 'waiting', due = ?2, lease_until = 0 WHERE id = ?1";
                work.run(sql, params![message.id, due])?;
                for call in waits.iter().filter(|call| call.kind == Kind::Signal) {
                    let sql = "INSERT OR IGNORE INTO waits (message, signal) VALUES (?, ?)";
                    work.run(sql, params![message.id, call.request])?;
                }
            }
            Ok(answered)
        })
    }

    /// The end: outcome, rows, new messages, what was answered since the last commit, trail. All of it or nothing.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn end(
        &mut self,
        message: &Leased,
        since: &[Entry],
        pinned: (&str, &str),
        done: &Done,
        now: u64,
    ) -> Result<Ended, Stop> {
        let written = self.commit("end", |work| {
            work.guard(message)?;
            work.entries(message.id, since, pinned)?;
            for row in &done.rows {
                let sql = if row.expected == 0 {
                    "INSERT OR IGNORE INTO row (key, document, version) VALUES (?1, ?2, ?3 + 1)"
                } else {
                    "UPDATE row SET document = ?2, version = ?3 + 1 WHERE key = ?1 AND version = ?3"
                };
                if work.run(sql, params![row.key, row.document, row.expected])? == 0 {
                    return Err(Failed::Conflict(row.key.clone()));
                }
            }
            for (number, body) in done.messages.iter().enumerate() {
                let sql = "INSERT INTO message (origin, body, due, state) VALUES (?, ?, ?, 'outgoing')";
                work.run(sql, params![format!("{}/{number}", message.id), body, now])?;
            }
            let sql = "UPDATE message SET state = 'done', outcome = ?2, lease_until = 0 WHERE id = ?1";
            work.run(sql, params![message.id, done.outcome])?;
            work.trail(message.id, now, "done").map_err(Failed::Stop)
        });
        match written {
            Ok(()) => Ok(Ended::Written),
            Err(Failed::Conflict(key)) => Ok(Ended::Conflict(key)),
            Err(Failed::Stop(stop)) => Err(stop),
        }
    }

    /// Leaves the message to a person. The journal stays: nothing may be sent on the ground of a shorter one.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn park(&mut self, message: &Leased, reason: &str, now: u64) -> Result<(), Stop> {
        self.commit("park", |work| {
            work.guard(message)?;
            let sql = "UPDATE message SET state = 'parked', reason = ?2, lease_until = 0 WHERE id = ?1";
            work.run(sql, params![message.id, reason])?;
            work.trail(message.id, now, reason)
        })
    }

    /// Another message in the place of this one, with an empty journal, bound to no component.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn checkpoint(&mut self, message: &Leased, body: &str, now: u64) -> Result<(), Stop> {
        self.commit("checkpoint", |work| {
            work.guard(message)?;
            work.run("DELETE FROM journal WHERE message = ?", [message.id])?;
            let sql = "UPDATE message SET state = 'pending', body = ?2, due = ?3, lease_until = 0, component = NULL, settings = NULL WHERE id = ?1";
            work.run(sql, params![message.id, body, now])?;
            work.trail(message.id, now, "checkpoint")
        })
    }

    /// Without an effect so far: the journal of another component or other settings is dropped.
    ///
    /// # Errors
    /// The lease is lost; SQLite's.
    pub fn restart(&mut self, message: &Leased, now: u64) -> Result<(), Stop> {
        self.commit("restart", |work| {
            work.guard(message)?;
            work.run("DELETE FROM journal WHERE message = ?", [message.id])?;
            work.run("UPDATE message SET component = NULL, settings = NULL WHERE id = ?", [message.id])?;
            work.trail(message.id, now, "begins again with another component")
        })
    }

    /// A person has another component go on with a parked message.
    ///
    /// # Errors
    /// SQLite's.
    pub fn adopt(&mut self, id: i64, component: &str, now: u64) -> Result<(), Stop> {
        self.commit("adopt", |work| {
            let sql = "UPDATE message SET component = ?2, state = 'pending', reason = '', due = ?3 WHERE id = ?1 AND state = 'parked'";
            work.run(sql, params![id, component, now])?;
            work.trail(id, now, "goes on with another component")
        })
    }

    /// A row of the table: `<version> <document>`.
    ///
    /// # Errors
    /// SQLite's.
    pub fn row(&self, key: &str) -> Result<Option<String>, Stop> {
        let sql = "SELECT version || ' ' || document FROM row WHERE key = ?";
        Ok(self.connection.query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    /// Somebody else writes a row.
    ///
    /// # Errors
    /// SQLite's.
    pub fn write_row(&mut self, key: &str, document: &str) -> Result<(), Stop> {
        let sql = "INSERT INTO row VALUES (?1, 1, ?2) ON CONFLICT DO UPDATE SET version = version + 1, document = ?2";
        self.connection.execute(sql, [key, document])?;
        Ok(())
    }

    /// When a message is due next, whether leased or not.
    ///
    /// # Errors
    /// SQLite's.
    pub fn next_due(&self) -> Result<Option<u64>, Stop> {
        let sql = "SELECT min(max(due, lease_until)) FROM message WHERE state IN ('pending', 'waiting')";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// What became of a message.
    ///
    /// # Errors
    /// SQLite's.
    pub fn show(&self, id: i64) -> Result<Shown, Stop> {
        let sql = "SELECT state, reason, outcome FROM message WHERE id = ?";
        let shown =
            |row: &rusqlite::Row<'_>| Ok(Shown { state: row.get(0)?, reason: row.get(1)?, outcome: row.get(2)? });
        Ok(self.connection.query_row(sql, [id], shown)?)
    }

    /// Answered calls of a message.
    ///
    /// # Errors
    /// SQLite's.
    pub fn journal(&self, id: i64) -> Result<Vec<Entry>, Stop> {
        Ok(journal(&self.connection, id)?)
    }

    /// One number, for tests.
    ///
    /// # Errors
    /// SQLite's.
    pub fn number(&self, sql: &str, params: impl Params) -> Result<i64, Stop> {
        Ok(self.connection.query_row(sql, params, |row| row.get(0))?)
    }

    fn commit<T, E: From<Stop> + From<rusqlite::Error>>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Work<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        (self.hook)(Point::Before(name))?;
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&Work { tx: &tx, name, hook: self.hook })?;
        tx.commit()?;
        (self.hook)(Point::After(name))?;
        Ok(value)
    }
}

enum Failed {
    Conflict(String),
    Stop(Stop),
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Stop(error.into())
    }
}

/// A transaction that may be killed after each statement.
struct Work<'a> {
    tx: &'a Transaction<'a>,
    name: &'static str,
    hook: Hook<'a>,
}

impl Work<'_> {
    fn run(&self, sql: &str, params: impl Params) -> Result<usize, Stop> {
        let changed = self.tx.prepare_cached(sql)?.execute(params)?;
        (self.hook)(Point::Within(self.name))?;
        Ok(changed)
    }

    fn guard(&self, message: &Leased) -> Result<(), Stop> {
        let lease: i64 = self.tx.query_row("SELECT lease FROM message WHERE id = ?", [message.id], |row| row.get(0))?;
        if lease == message.lease { Ok(()) } else { Err(Stop::LeaseLost) }
    }

    fn trail(&self, id: i64, now: u64, what: &str) -> Result<(), Stop> {
        self.run("INSERT INTO trail VALUES (?, ?, ?)", params![id, now, what]).map(drop)
    }

    fn entries(&self, id: i64, entries: &[Entry], (component, settings): (&str, &str)) -> Result<(), Stop> {
        let sql = "UPDATE message SET component = ?2, settings = ?3 WHERE id = ?1 AND component IS NULL";
        self.run(sql, params![id, component, settings])?;
        entries.iter().try_for_each(|entry| self.entry(id, &entry.call, Some(&entry.answer)))
    }

    fn entry(&self, id: i64, call: &Call, answer: Option<&Answer>) -> Result<(), Stop> {
        let sql = "INSERT INTO journal (message, seq, name, kind, request, until, answer)
          SELECT ?1, (SELECT coalesce(max(seq), -1) + 1 FROM journal WHERE message = ?1), ?2, ?3, ?4, ?5, ?6";
        let answer = answer.map(encode);
        self.run(sql, params![id, call.name, call.kind as u8, call.request, call.until, answer]).map(drop)
    }

    /// The answer to a wait that is over. A signal goes before a time.
    fn waited(&self, id: i64, call: &Call, now: u64) -> Result<Option<Answer>, Stop> {
        if call.kind == Kind::Signal {
            let sql = "SELECT number, body FROM signal WHERE name = ? AND consumed_by IS NULL ORDER BY number LIMIT 1";
            let found = self.tx.query_row(sql, [&call.request], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
            if let Some((number, body)) = found.optional()? {
                self.run("UPDATE signal SET consumed_by = ?2 WHERE number = ?1", params![number, id])?;
                return Ok(Some(Answer::Text(body)));
            }
        }
        Ok(call.until.is_some_and(|until| until <= now).then_some(Answer::Passed))
    }
}

fn journal(connection: &Connection, id: i64) -> rusqlite::Result<Vec<Entry>> {
    let sql =
        "SELECT name, kind, request, until, answer FROM journal WHERE message = ? AND answer IS NOT NULL ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let entry = |row: &rusqlite::Row<'_>| {
        let call = Call { name: row.get(0)?, kind: kind(row.get(1)?), request: row.get(2)?, until: row.get(3)? };
        Ok(Entry { call, answer: decode(&row.get::<_, String>(4)?) })
    };
    statement.query_map([id], entry)?.collect()
}

fn kind(number: u8) -> Kind {
    let all = [Kind::Read, Kind::Row, Kind::Time, Kind::Once, Kind::Link, Kind::Signal];
    all.into_iter().find(|kind| *kind as u8 == number).unwrap_or(Kind::Sleep)
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Text(text) => format!("={text}"),
        Answer::Nothing => "nothing".to_owned(),
        Answer::Unknown => "unknown".to_owned(),
        Answer::Passed => "passed".to_owned(),
    }
}

fn decode(answer: &str) -> Answer {
    match answer {
        "unknown" => Answer::Unknown,
        "passed" => Answer::Passed,
        _ => answer.strip_prefix('=').map_or(Answer::Nothing, |text| Answer::Text(text.to_owned())),
    }
}
