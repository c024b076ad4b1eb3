//! Messages taken in, leased and settled on SQLite, without a detour. sqlx hands each statement to another thread, and each row back: with
//! hundreds of small statements in a commit that takes longer than SQLite does. The statements themselves are those of `inbox` and `queue`.

use std::path::{Path, PathBuf};

use flow::message::{Acceptance, Kind, Message, MessageId, Origin};
use flow::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::batch::{Arriving, Committed, Failure, LeaseBatch, LeaseRequest};
use super::checkpoint::Log;
use super::connect_settings::SQLITE;
use super::encryption::Seal;
use super::forgotten::forgotten_key;
use super::inbox::{INSERT_DOCUMENT, INSERT_MESSAGE, INSERT_NOTE, NewMessageRow, VALUES, code, issues_json};
use super::links::{LINK, RecentLinks};
use super::queue::{INSERT_TRAIL, NO_DOCUMENT, PARK, SENT, SETTLE, Settlement, lease_statement, unsure_since};
use super::{Dialect, Leased, Tables, at, failed, ms, text};

/// Statements that are kept prepared: all that there are.
const STATEMENTS: usize = 32;

/// What the messages' connection has more of than others: 8 MB of pages in memory, so that the inner ones of the indexes stay there.
const DIRECT: &str = "PRAGMA cache_size = -8192";
/// Whether a message of a key is there, or was once delivered.
pub(super) const KNOWN: &str =
    "SELECT 1 FROM message WHERE dedupe_key = $1 UNION ALL SELECT 1 FROM forgotten WHERE key = $2";

pub(super) const DOCUMENT: &str = "SELECT received FROM document WHERE message_id = $1";

/// The connection that hundreds of messages a second go through.
pub(super) struct SqliteWriter {
    path: PathBuf,
    seal: Seal,
    recent: RecentLinks,
    connection: Option<Connection>,
    log: Log,
    insert_message: String,
    insert_document: String,
    insert_note: String,
    insert_trail: String,
    lease: String,
}

impl SqliteWriter {
    /// Of a file that has its tables.
    pub fn new(path: &Path, tables: &Tables) -> Result<Self, StoreError> {
        let values = |columns: usize| super::placeholders(1, columns);
        Ok(Self {
            path: path.to_owned(),
            seal: tables.seal.clone(),
            recent: tables.recent.clone(),
            connection: None,
            log: Log::of(path.to_owned()).map_err(|error| failed(format!("no thread for the store: {error}")))?,
            insert_message: format!("{INSERT_MESSAGE} VALUES {}", values(VALUES)),
            insert_document: format!("{INSERT_DOCUMENT} VALUES {}", values(2)),
            insert_note: format!("{INSERT_NOTE} VALUES {}", values(4)),
            insert_trail: format!("{INSERT_TRAIL} VALUES {}", values(6)),
            lease: lease_statement(Dialect::Sqlite),
        })
    }

    /// All of it in one commit; on return it is on disk.
    pub fn write(
        &mut self,
        accepts: &[&Arriving],
        settlements: &[&Settlement],
        wanted: &[LeaseRequest],
    ) -> Result<Committed, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let written = self.write_on(&mut connection, accepts, settlements, wanted);
        // One that could not even be rolled back is of no use any more.
        self.connection = Some(connection).filter(Connection::is_autocommit);
        Ok(written?)
    }

    fn write_on(
        &self,
        connection: &mut Connection,
        accepts: &[&Arriving],
        settlements: &[&Settlement],
        wanted: &[LeaseRequest],
    ) -> rusqlite::Result<Committed> {
        // The lock comes first, so that it is waited for and never refused half-way.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let accepted = accepts.iter().map(|one| self.accept(&tx, one)).collect::<Result<_, _>>()?;
        let settled = settlements.iter().map(|one| self.settle(&tx, one)).collect::<Result<_, _>>()?;
        let taken = wanted.iter().map(|wanted| self.lease(&tx, wanted)).collect::<Result<_, _>>()?;
        tx.commit()?;
        Ok(Committed { accepted, settled, taken })
    }

    /// For a moment when nobody waits for an answer.
    pub fn tidy(&mut self) {
        if let Some(connection) = &self.connection {
            self.log.committed(connection);
        }
    }

    fn accept(&self, tx: &Transaction<'_>, one: &Arriving) -> rusqlite::Result<Option<Acceptance>> {
        let (row, new, now) = (NewMessageRow::of(one), &one.new, ms(one.now));
        // Asked before: an insertion that comes to nothing would take a number.
        if tx.prepare_cached(KNOWN)?.exists(params![new.dedupe_key, forgotten_key(&new.dedupe_key)])? {
            return Ok(None);
        }
        tx.prepare_cached(&self.insert_message)?.execute(params![
            new.kind.stored(),
            new.origin.word(),
            row.state().word(),
            new.dedupe_key,
            new.lane,
            new.claim_uuid,
            new.claim_code.as_deref().map(code),
            new.insuree_uuid,
            row.reason,
            issues_json(&new.issues),
            now,
            now,
            now,
            row.dead.then_some(now),
            row.traceparent,
            new.sender,
            row.bytes(),
            self.seal.written(&new.agreement.facts, &new.dedupe_key),
        ])?;
        let id = tx.last_insert_rowid();
        let body = self.seal.close(&new.body, &new.lane);
        tx.prepare_cached(&self.insert_document)?.execute(params![id, &*body])?;
        self.note(tx, id, now, "received", &row.received())?;
        if let Some(reason) = &row.reason {
            self.note(tx, id, now, "dead letter", reason)?;
        }
        Ok(Some(Acceptance::New(MessageId(id))))
    }

    fn note(&self, tx: &Transaction<'_>, id: i64, at: i64, event: &str, detail: &str) -> rusqlite::Result<()> {
        tx.prepare_cached(&self.insert_note)?.execute(params![id, at, event, text(detail)]).map(|_| ())
    }

    /// False: that lease was somebody else's by then.
    fn settle(&self, tx: &Transaction<'_>, one: &Settlement) -> rusqlite::Result<bool> {
        let settled = tx.prepare_cached(SETTLE)?.execute(params![
            one.state.word(),
            one.due_at,
            one.reason,
            one.uncertain,
            one.uncertain,
            one.known,
            one.uncertain_since,
            one.uncounted,
            one.issues,
            one.settled_at,
            one.id.0,
            one.lease,
        ])?;
        if settled == 0 {
            return Ok(false);
        }
        if let Some(sent) = &one.sent {
            tx.prepare_cached(SENT)?.execute(params![sent, one.id.0])?;
        }
        for line in &one.trail {
            tx.prepare_cached(&self.insert_trail)?.execute(params![
                one.id.0,
                ms(line.at),
                text(&line.event),
                text(&line.detail),
                line.status.map(i64::from),
                line.duration_ms,
            ])?;
        }
        Ok(true)
    }

    fn lease(&self, tx: &Transaction<'_>, wanted: &LeaseRequest) -> rusqlite::Result<LeaseBatch> {
        let held = serde_json::to_string(&wanted.held).unwrap_or_default();
        let values = params![
            wanted.kind.stored(),
            ms(wanted.now),
            held,
            i64::from(wanted.limit),
            ms(wanted.until),
            ms(wanted.now)
        ];
        let mut statement = tx.prepare_cached(&self.lease)?;
        let mut all = statement.query_map(values, leased)?.collect::<rusqlite::Result<Vec<_>>>()?;
        all.sort_by_key(|(leased, _)| leased.message.id);
        let (mut readable, mut unreadable) = (Vec::with_capacity(all.len()), Vec::new());
        for (mut leased, insuree) in all {
            if let Some(insuree) = insuree.filter(|_| leased.message.kind == Kind::ClaimResponse) {
                self.look_ahead(tx, &insuree)?;
            }
            let id = leased.message.id;
            match self.document(tx, &leased.message)? {
                Ok(body) => {
                    leased.message.body = body;
                    readable.push(leased);
                }
                Err(why) => {
                    tx.prepare_cached(PARK)?.execute(params![why, ms(wanted.now), id.0])?;
                    self.note(tx, id.0, ms(wanted.now), "dead letter", &why)?;
                    unreadable.push((id, why));
                }
            }
        }
        Ok((readable, unreadable))
    }

    /// The delivery is about to ask for it, and would have to go another way.
    fn look_ahead(&self, tx: &Transaction<'_>, insuree_uuid: &str) -> rusqlite::Result<()> {
        let contact: Option<String> =
            tx.prepare_cached(LINK)?.query_row([insuree_uuid], |row| row.get(0)).optional()?;
        match contact {
            Some(contact) => self.recent.remember(insuree_uuid, &contact),
            None => self.recent.forget(insuree_uuid),
        }
        Ok(())
    }

    fn document(&self, tx: &Transaction<'_>, message: &Message) -> rusqlite::Result<Result<Vec<u8>, String>> {
        let mut statement = tx.prepare_cached(DOCUMENT)?;
        let sealed: Option<Vec<u8>> = statement.query_row([message.id.0], |row| row.get(0)).optional()?;
        Ok(sealed.map_or_else(|| Err(NO_DOCUMENT.to_owned()), |sealed| self.seal.open(sealed, &message.lane)))
    }
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SQLITE)?;
    connection.execute_batch(DIRECT)?;
    // Else SQLite plans a statement anew for each value that a partial index might depend on: none of ours does.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Nobody would notice before the power fails.
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if synchronous != 2 {
        let why = format!("commits are not on disk when they are acknowledged (synchronous = {synchronous})");
        return Err(Failure::OfAll(StoreError(why)));
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Log::watch(&connection);
    Ok(connection)
}

/// A leased message, and whom it is about; its body is read after it.
fn leased(row: &Row<'_>) -> rusqlite::Result<(Leased, Option<String>)> {
    let since = row.get("since")?;
    let message = Message {
        id: MessageId(row.get("id")?),
        kind: word(row, "kind", Kind::from_stored)?,
        origin: word(row, "origin", Origin::from_word)?,
        lane: row.get("lane")?,
        claim_uuid: row.get("claim_uuid")?,
        body: Vec::new(),
        received_at: at(since),
        attempt: row.get("attempts")?,
        lease: row.get("leases")?,
        uncertain: unsure_since(row.get("uncertain")?, row.get("uncertain_since")?, since),
        is_ageless: false,
    };
    Ok((Leased { message, traceparent: row.get("traceparent")? }, row.get("insuree_uuid")?))
}

fn word<T>(row: &Row<'_>, column: &str, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let unknown = || format!("column {column} holds an unknown word");
    read(&text).ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, unknown().into()))
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let of_one = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
        let error = failed(error);
        if of_one { Self::OfOne(error) } else { Self::OfAll(error) }
    }
}
