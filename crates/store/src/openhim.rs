//! Which transactions of OpenHIM are to be told what became of their message.

use flow::message::{MessageId, State};
use flow::openhim::report::Report;
use flow::ports::StoreError;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};

use super::connect_settings::{address, without_password};
use super::{Dialect, SqlStore, at, bounded, failed, ms, sql, word};
use crate::settings::{Place, StoreSettings};

/// One of them, in a reporter's hands.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its number.
    pub id: i64,
    /// Of this message.
    pub message: MessageId,
    /// OpenHIM's id.
    pub transaction: String,
    /// What it was told before.
    pub told: Option<State>,
    /// How often it was tried to tell it.
    pub tries: u32,
    /// Since when it waits.
    pub created_at: Timestamp,
    /// Where the message is.
    pub state: State,
    /// When it came, or was last put back.
    since: Timestamp,
}

impl Pending {
    fn is_due(&self) -> bool {
        Report::is_due(self.state) && self.told != Some(self.state)
    }

    /// Until the next look at a message that has nothing new.
    fn rest(&self, now: Timestamp) -> SignedDuration {
        if self.told == Some(self.state) {
            return DEAD;
        }
        (now.duration_since(self.since.max(self.created_at)) / 2).clamp(SOONEST, LONGEST)
    }
}

/// Shortest time between two looks at a message that has not come to its end.
const SOONEST: SignedDuration = SignedDuration::from_millis(500);
/// Longest.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);
/// The same for a dead letter that was told; when an admin puts it back it is looked at at once.
const DEAD: SignedDuration = SignedDuration::from_hours(1);

impl SqlStore {
    /// Remembers that a transaction is to be told. False: the message is no longer kept, so there is nothing to wait for.
    pub async fn add_report(
        &self,
        message: MessageId,
        transaction: &str,
        now: Timestamp,
        due: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = "INSERT INTO openhim_report (message_id, transaction_id, created_at, due_at)
             SELECT id, $1, $2, $3 FROM message WHERE id = $4
             ON CONFLICT (message_id, transaction_id) DO UPDATE SET due_at = excluded.due_at";
        let added = sqlx::query(statement).bind(transaction).bind(ms(now)).bind(ms(due)).bind(message.0);
        bounded(async { self.tables.execute(added).await.map(|rows| rows == 1) }).await
    }

    /// Takes those whose messages have come to an end that was not told yet; nobody else takes them until then. Others are put off by half
    /// of their age, so that a look costs the same whether ten messages wait or a hundred thousand. Also says whether there may be more.
    pub async fn take_reports(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<(Vec<Pending>, bool), StoreError> {
        bounded(async {
            // Mostly there is none, and a look does not write.
            let first: Option<i64> =
                sqlx::query_scalar("SELECT due_at FROM openhim_report ORDER BY due_at, id LIMIT 1")
                    .fetch_optional(&self.tables.reader)
                    .await
                    .map_err(failed)?;
            if first.is_none_or(|first| first > ms(now)) {
                return Ok((Vec::new(), false));
            }
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            let skip_locked = match self.tables.dialect {
                Dialect::Sqlite => "",
                Dialect::Postgres => "FOR UPDATE OF r SKIP LOCKED",
            };
            let statement = format!(
                "SELECT r.id, r.message_id, r.transaction_id, r.told, r.tries, r.created_at, m.state, m.since
                 FROM openhim_report r JOIN message m ON m.id = r.message_id
                 WHERE r.due_at <= $1 ORDER BY r.due_at, r.id LIMIT $2 {skip_locked}"
            );
            let looked_at = sqlx::query(sql(statement)).bind(ms(now)).bind(i64::from(limit));
            let rows = looked_at.fetch_all(&mut *tx).await.map_err(failed)?;
            let mut taken = Vec::new();
            for row in &rows {
                let mut report = pending(row)?;
                let due = report.is_due();
                report.tries = if due { report.tries + 1 } else { 0 };
                let next = if due { until } else { now.saturating_add(report.rest(now)).unwrap_or(until) };
                put(&mut tx, &report, next).await?;
                taken.extend(due.then_some(report));
            }
            tx.commit().await.map_err(failed)?;
            Ok((taken, rows.len() as u32 == limit))
        })
        .await
    }

    /// Gives some back untried.
    pub async fn put_reports_back(&self, reports: &[Pending], due: Timestamp) -> Result<(), StoreError> {
        bounded(async {
            let mut connection = self.tables.write().await?;
            let mut tx = connection.begin_with(self.tables.dialect.begin()).await.map_err(failed)?;
            for report in reports {
                let untried = Pending { tries: report.tries.saturating_sub(1), ..report.clone() };
                put(&mut tx, &untried, due).await?;
            }
            tx.commit().await.map_err(failed)
        })
        .await
    }

    /// Gives one back: it is looked at again then. `told`: what it was told by now; `tried`: whether that was a try.
    pub async fn put_report_off(
        &self,
        report: &Pending,
        due: Timestamp,
        told: Option<State>,
        tried: bool,
    ) -> Result<(), StoreError> {
        let tries = if tried { i64::from(report.tries) } else { 0 };
        let statement = "UPDATE openhim_report SET due_at = $1, told = $2, tries = $3 WHERE id = $4";
        let put_off = sqlx::query(statement).bind(ms(due)).bind(told.map(State::word)).bind(tries).bind(report.id);
        bounded(async { self.tables.execute(put_off).await.map(drop) }).await
    }

    /// Forgets one: it was told, or never will be.
    pub async fn remove_report(&self, report: &Pending) -> Result<(), StoreError> {
        let removed = sqlx::query("DELETE FROM openhim_report WHERE id = $1").bind(report.id);
        bounded(async { self.tables.execute(removed).await.map(drop) }).await
    }

    /// What the console of OpenHIM said last to the mediator of this name.
    pub async fn openhim_settings(&self, urn: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT settings FROM openhim_settings WHERE urn = $1").bind(urn);
        let found = found.fetch_optional(&self.tables.reader);
        bounded(async { found.await.map_err(failed) }).await
    }

    /// Keeps what it said.
    pub async fn save_openhim_settings(&self, urn: &str, settings: &str) -> Result<(), StoreError> {
        let statement = "INSERT INTO openhim_settings (urn, settings) VALUES ($1, $2)
             ON CONFLICT (urn) DO UPDATE SET settings = excluded.settings";
        let saved = sqlx::query(statement).bind(urn).bind(settings);
        bounded(async { self.tables.execute(saved).await.map(drop) }).await
    }

    /// How many are still to be told something.
    pub async fn count_reports(&self) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM openhim_report WHERE told IS NULL");
        let count = count.fetch_one(&self.tables.reader);
        bounded(async { count.await.map_err(failed) }).await
    }
}

async fn put(connection: &mut AnyConnection, report: &Pending, due: Timestamp) -> Result<(), StoreError> {
    let statement = "UPDATE openhim_report SET tries = $1, due_at = $2 WHERE id = $3";
    let put = sqlx::query(statement).bind(i64::from(report.tries)).bind(ms(due)).bind(report.id);
    put.execute(connection).await.map(drop).map_err(failed)
}

/// An admin put a message back: what was told of it may change.
pub(super) async fn put_back(
    connection: &mut AnyConnection,
    message: MessageId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let statement = "UPDATE openhim_report SET due_at = $1 WHERE message_id = $2";
    sqlx::query(statement).bind(ms(now)).bind(message.0).execute(connection).await.map(drop)
}

fn pending(row: &AnyRow) -> Result<Pending, StoreError> {
    let told: Option<String> = row.try_get("told").map_err(failed)?;
    let tries: i64 = row.try_get("tries").map_err(failed)?;
    Ok(Pending {
        id: row.try_get("id").map_err(failed)?,
        message: MessageId(row.try_get("message_id").map_err(failed)?),
        transaction: row.try_get("transaction_id").map_err(failed)?,
        told: told.as_deref().and_then(State::from_word),
        tries: u32::try_from(tries).unwrap_or(u32::MAX),
        created_at: at(row.try_get("created_at").map_err(failed)?),
        state: word(row, "state", State::from_word)?,
        since: at(row.try_get("since").map_err(failed)?),
    })
}

/// What OpenHIM's console said last to the mediator of this name, without opening the store: no table is made or changed.
pub async fn peek_openhim_settings(store: &StoreSettings, urn: &str) -> Result<Option<String>, StoreError> {
    sqlx::any::install_default_drivers();
    let (url, dialect) = match store.place()? {
        Place::Sqlite(path) if !path.exists() => return Ok(None),
        Place::Sqlite(path) => (format!("{}?mode=ro", address(&path)?), Dialect::Sqlite),
        Place::Postgres(url) => (url.expose_secret().to_owned(), Dialect::Postgres),
    };
    let told = |error: sqlx::Error| StoreError(without_password(error, &url));
    bounded(async {
        let mut connection = AnyConnection::connect(&url).await.map_err(told)?;
        let there = match dialect {
            Dialect::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name = 'openhim_settings'",
            Dialect::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename = 'openhim_settings'",
        };
        let there: i64 = sqlx::query_scalar(there).fetch_one(&mut connection).await.map_err(told)?;
        if there == 0 {
            return Ok(None); // of a version before it, or of no version yet
        }
        let found = sqlx::query_scalar("SELECT settings FROM openhim_settings WHERE urn = $1").bind(urn);
        found.fetch_optional(&mut connection).await.map_err(told)
    })
    .await
}
