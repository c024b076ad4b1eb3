//! Where messages are kept: SQLite in one file, or PostgreSQL for several mediators at once.
//!
//! The statements are the same for both but for the few words in [`Dialect`]. What is answered with "accepted" is on disk before.
//!
//! # Layout
//! - `inbox`: taking messages in. `queue`: leasing and settling them. `writer`: many of both in one commit, by `sqlite` on SQLite and by
//!   `postgres`. `checkpoint`: SQLite's log into its file.
//! - `links`: contacts and watermarks. `admin`: lists, trails, retry, discard, audit. `retention`: what is kept how long.
//! - `patients`: contacts that may be an insuree. `places`: the imported table of places. `facilities`: a registry's facilities.
//! - `filter`: which messages a list is about. `console`: counts for the console and the metrics. `eclaim`: where hospitals' claims are.
//! - `figures`: what the metrics tell of it. `explain`: the statements that every message meets. `quota`: what a client has stored here.
//! - `conflict`: documents that came with the key of another one. `damage`: a file that is damaged. `waits`: why messages wait untried.
//! - `connect`: opening it, with `migrations`, the steps that make its tables, and `connect_settings`. `sql`: what statements are made of. `batch`: the work of one commit.
//!   `forgotten`: messages that are no longer stored.
//! - `openhim`: transactions that are to be told. `encryption`: documents encrypted at rest.

mod admin;
pub mod backup;
mod batch;
mod checkpoint;
mod conflict;
mod connect;
mod connect_settings;
mod console;
mod damage;
mod eclaim;
mod encryption;
mod explain;
mod facilities;
mod figures;
mod filter;
mod forgotten;
mod inbox;
mod links;
pub mod metrics;
mod migrations;
mod openhim;
mod patients;
mod places;
mod postgres;
mod queue;
mod quota;
mod retention;
pub mod settings;
mod sql;
mod sqlite;
mod waits;
mod writer;

pub use admin::{AuditLine, Summary, TrailLine, View};
pub use console::Tally;
pub use eclaim::Which;
pub use encryption::check_key_file;
pub use facilities::{FacilityFilter, FacilityLine, FacilityView, Holder, RunLine};
pub use figures::{Backlog, Disk, DiskLevel};
pub use filter::Filter;
pub use openhim::{Pending, peek_openhim_settings};
pub use patients::{Decided, PROPOSAL_STATES, Proposal, ProposalFilter, ProposalView, Unlinked};
pub use places::Imported;
pub use quota::Held;
pub use retention::Pruned;
pub use settings::{Place, StoreSettings};

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use flow::MessageId;
use flow::message::{Acceptance, Kind, Message, NewMessage, Outcome, TrailEntry};
use flow::ports::{Lease, Store, StoreError};
use flow::proposal::{Person, PossibleMatch};
use jiff::Timestamp;
use mapping::patient::PlaceLink;
use sqlx::any::AnyArguments;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool};
use tokio::sync::{Mutex, OwnedMutexGuard};

use batch::{Arriving, LeaseRequest};
use encryption::Seal;
use links::RecentLinks;
use metrics::{Arrival, StoreFigures};
use observe::trace::{self, MESSAGE_ID, SpanKind};
use sql::{LIMIT, at, bounded, failed, list_of, ms, pieces, placeholders, sql, text, word};
use writer::{Work, Writers};

/// How often an outcome is tried to be stored before it is left: for about half a minute.
const SETTLE_TRIES: u32 = 9;

/// Messages, trails, links and watermarks in a database. Cheap to clone.
#[derive(Clone)]
pub struct SqlStore {
    tables: Tables,
    writers: Writers,
    counted: Arc<console::Counted>,
    file: Option<std::path::PathBuf>, // of SQLite
}

/// The database as the statements see it.
#[derive(Clone)]
struct Tables {
    dialect: Dialect,
    /// On SQLite one connection: it has one writer, and waiting for it here is fairer than its busy loop.
    writer: AnyPool,
    /// On SQLite: held by who writes. The messages have a connection of their own (`sqlite`).
    turn: Arc<Mutex<()>>,
    reader: AnyPool,
    recent: RecentLinks,
    seal: Seal,
    figures: StoreFigures,
    damage: damage::Damage,
}

/// The right to write, and a connection to do it on.
struct Turn {
    connection: PoolConnection<Any>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Deref for Turn {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

impl Tables {
    /// Waits for its turn.
    async fn write(&self) -> Result<Turn, StoreError> {
        self.turn_and_connection().await.map_err(failed)
    }

    async fn turn_and_connection(&self) -> Result<Turn, sqlx::Error> {
        let connection = self.writer.acquire().await?;
        let turn = match self.dialect {
            Dialect::Sqlite => Some(self.turn.clone().lock_owned().await),
            Dialect::Postgres => None,
        };
        Ok(Turn { connection, _turn: turn })
    }

    /// One statement that writes; how many rows it changed.
    async fn execute(&self, statement: Query<'_, Any, AnyArguments>) -> Result<u64, StoreError> {
        let mut turn = self.write().await?;
        statement.execute(&mut *turn).await.map(|done| done.rows_affected()).map_err(failed)
    }
}

/// What differs between the databases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that writes. On SQLite the lock comes first, so that it is waited for and never refused half-way.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Lets nobody else in who locks the same text, up to the end of the transaction. On SQLite only one writes anyway.
    fn lock(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            // Nothing to read: the type of the function itself is none that every database has.
            Self::Postgres => Some("SELECT 1 WHERE pg_advisory_xact_lock(hashtextextended($1, 0))::text <> 'x'"),
        }
    }

    /// Locks the rows that were read, where others write at the same time.
    fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE OF m",
        }
    }

    /// The same, but passing over what somebody else has locked.
    fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE OF m SKIP LOCKED",
        }
    }
}

/// A leased message, and the trace in which it came in.
#[derive(Clone, Debug)]
pub struct Leased {
    /// The message.
    pub message: Message,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

impl SqlStore {
    /// [`Store::lease`] with the traces of the messages.
    pub async fn lease_traced(&self, wanted: &Lease<'_>) -> Result<Vec<Leased>, StoreError> {
        let wanted = Box::new(LeaseRequest::of(wanted));
        self.batched(|answer| Work::Lease(wanted, answer)).await
    }

    /// The moment by the clock that all who share the store go by: the database's, or this machine's for a file.
    pub async fn now(&self, here: Timestamp) -> Result<Timestamp, StoreError> {
        if self.tables.dialect == Dialect::Sqlite {
            return Ok(here);
        }
        let asked = sqlx::query_scalar("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")
            .fetch_one(&self.tables.reader);
        bounded(async { asked.await.map(at).map_err(failed) }).await
    }
}

impl Store for SqlStore {
    async fn accept(&self, new: NewMessage, now: Timestamp) -> Result<Acceptance, StoreError> {
        let arrival = Arrival::of(&new);
        let arriving = Box::new(Arriving { new, now, traceparent: trace::traceparent() });
        let step = trace::step("store.accept", SpanKind::Internal, Vec::new);
        let accepted = step.run(self.batched(|answer| Work::Accept(arriving, answer))).await;
        self.tables.figures.received(&arrival, &accepted);
        match &accepted {
            Ok(accepted) => step.attribute(MESSAGE_ID, accepted.id().0),
            Err(_) => step.failed("not stored"),
        }
        accepted
    }

    async fn lease(&self, wanted: &Lease<'_>) -> Result<Vec<Message>, StoreError> {
        Ok(self.lease_traced(wanted).await?.into_iter().map(|leased| leased.message).collect())
    }

    async fn settle(
        &self,
        message: &Message,
        outcome: &Outcome,
        mapped: Option<&str>,
        trail: &[TrailEntry],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let settlement = self.tables.settlement(message, outcome, mapped, trail, now);
        let _step = trace::step("store.settle", SpanKind::Internal, Vec::new);
        // The peer has it by now: an outcome that is not written costs a whole lease and a look-up. So a database that is away for a
        // moment is waited for.
        let mut wait = Duration::from_millis(250);
        for _ in 0..SETTLE_TRIES {
            let settlement = settlement.clone();
            match self.batched(|answer| Work::Settle(Box::new(settlement), answer)).await {
                Err(error) => tracing::warn!(id = %message.id, %error, "an outcome could not be stored yet"),
                settled => return settled,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        self.batched(|answer| Work::Settle(Box::new(settlement), answer)).await
    }

    async fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError> {
        bounded(self.tables.next_due(kind)).await
    }

    async fn settled_keys(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        bounded(self.tables.settled_keys(keys)).await
    }

    async fn insuree_of(&self, claim_uuid: &str) -> Result<Option<String>, StoreError> {
        bounded(self.tables.insuree_of(claim_uuid)).await
    }

    async fn link(&self, insuree_uuid: &str) -> Result<Option<String>, StoreError> {
        bounded(self.tables.link(insuree_uuid)).await
    }

    async fn save_link(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        bounded(self.tables.save_link(insuree_uuid, contact_id, how, now)).await
    }

    async fn save_match(
        &self,
        insuree_uuid: &str,
        contact_id: &str,
        how: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        bounded(self.tables.save_match(insuree_uuid, contact_id, how, now)).await
    }

    async fn unlink(&self, insuree_uuid: &str, contact_id: &str) -> Result<bool, StoreError> {
        bounded(self.tables.unlink(insuree_uuid, contact_id)).await
    }

    async fn add_remark(&self, message: MessageId, line: &TrailEntry) -> Result<(), StoreError> {
        bounded(self.tables.add_remark(message, line)).await
    }

    fn keeps_proposals(&self) -> bool {
        true
    }

    async fn refused_contacts(&self, insuree_uuid: &str) -> Result<Vec<String>, StoreError> {
        bounded(self.tables.refused_contacts(insuree_uuid)).await
    }

    async fn propose(
        &self,
        message: MessageId,
        insuree: &Person,
        possible: &[PossibleMatch],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        bounded(self.tables.propose(message, insuree, possible, now)).await
    }

    async fn has_places(&self) -> Result<bool, StoreError> {
        bounded(self.tables.has_places()).await
    }

    async fn places(&self, location_codes: &[String]) -> Result<Vec<PlaceLink>, StoreError> {
        bounded(self.tables.places(location_codes)).await
    }

    async fn key_of(&self, message: MessageId) -> Result<Option<String>, StoreError> {
        bounded(self.tables.key_of(message)).await
    }

    async fn wake(&self, dedupe_key: &str, now: Timestamp) -> Result<(), StoreError> {
        bounded(self.tables.wake(dedupe_key, now)).await
    }

    async fn watermark(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        bounded(self.tables.watermark(name)).await
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        bounded(self.tables.newest()).await
    }

    async fn save_watermark(&self, name: &str, moment: Timestamp) -> Result<(), StoreError> {
        bounded(self.tables.save_watermark(name, moment)).await
    }
}
