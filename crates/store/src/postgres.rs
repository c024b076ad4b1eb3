//! Messages taken in, leased and settled on PostgreSQL: whatever goes into a commit is one statement, which is a transaction of its own. A
//! way to the server and back for each row costs more than the rows do.

use std::str::FromStr;
use std::time::{Duration, Instant};

use flow::message::{Acceptance, Kind, Message, MessageId, Origin};
use flow::ports::StoreError;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{Connection, Executor, Row};
use tokio::time::timeout;

use super::batch::{Arriving, Committed, Failure, LeaseBatch, LeaseRequest};
use super::connect_settings::{POSTGRES, without_password};
use super::encryption::Seal;
use super::forgotten::forgotten_key;
use super::inbox::{INSERT_NOTE, NewMessageRow, code, issues_json};
use super::links::RecentLinks;
use super::queue::{NO_DOCUMENT, PARK, Settlement, lease_statement, unsure_since};
use super::{Dialect, LIMIT, Leased, Tables, at, ms, placeholders, sql, text};

/// A plan is made once: the arrays are long or short, the way through the tables is the same. What is due comes in the order of its index.
const PLAN_ONCE: &str =
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_sort', 'off', false)";
/// A connection that nobody used for so long may have ended unseen, with its server perhaps.
const IDLE: Duration = Duration::from_secs(1);
/// How long a plan is kept: the best way through a table that is nearly empty reads all of it, and it may be full soon.
const PLANNED: Duration = Duration::from_secs(1);

/// Takes messages in, and tells the new ones' numbers. One that is there, or was once delivered, takes none and is left out.
///
/// `IS TRUE` keeps the planner from a join: what was stored is looked up in a hash table.
const ACCEPT: &str = "
WITH new AS MATERIALIZED (
    SELECT nextval('message_id_seq') AS id, arriving.*
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::bytea[], $15::bytea[], $16::text[], $17::text[],
                $18::bigint[], $19::text[])
         WITH ORDINALITY AS arriving (kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid, reason, issues,
                                      at, settled_at, traceparent, body, forgotten_key, received, sender, bytes, agrees, n)
    WHERE NOT EXISTS (SELECT 1 FROM message there WHERE there.dedupe_key = arriving.dedupe_key OFFSET 0)
      AND NOT EXISTS (SELECT 1 FROM forgotten WHERE forgotten.key = arriving.forgotten_key OFFSET 0)
), stored AS (
    INSERT INTO message (id, kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid, reason, issues,
                         received_at, since, due_at, settled_at, traceparent, sender, bytes, agrees)
    SELECT id, kind, origin, state, dedupe_key, lane, claim_uuid, claim_code, insuree_uuid, reason, issues,
           at, at, at, settled_at, traceparent, sender, bytes, agrees
    FROM new
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id
), documents AS (
    INSERT INTO document (message_id, received) SELECT id, body FROM new WHERE (id IN (SELECT id FROM stored)) IS TRUE
), notes AS (
    INSERT INTO trail (message_id, at, event, detail)
    SELECT id, at, event, detail
    FROM new CROSS JOIN LATERAL (VALUES ('received', received), ('dead letter', reason)) AS note (event, detail)
    WHERE detail IS NOT NULL AND (id IN (SELECT id FROM stored)) IS TRUE
)
SELECT n, id FROM new WHERE (id IN (SELECT id FROM stored)) IS TRUE";

/// Ends attempts, as long as their leases are the worker's, and tells which were. `IS TRUE` keeps the planner from reading all that is leased.
const SETTLE: &str = "
WITH ended AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
                         $9::bigint[], $10::bytea[], $17::bigint[])
        AS ended (id, lease, state, due_at, reason, uncertain, uncounted, issues, settled_at, sent, uncertain_since)
), settled AS (
    UPDATE message SET state = ended.state, due_at = coalesce(ended.due_at, message.due_at), reason = ended.reason,
           uncertain = greatest(message.uncertain, ended.uncertain),
           uncertain_since = CASE WHEN ended.state = 'delivered' THEN NULL
                                  ELSE coalesce(ended.uncertain_since, message.uncertain_since) END,
           attempts = message.attempts - ended.uncounted,
           issues = ended.issues, settled_at = ended.settled_at
    FROM ended WHERE message.id = ended.id AND message.leases = ended.lease AND (message.state = 'leased') IS TRUE
    RETURNING message.id
), sent AS (
    UPDATE document SET sent = ended.sent
    FROM ended
    WHERE document.message_id = ended.id AND ended.sent IS NOT NULL AND (ended.id IN (SELECT id FROM settled)) IS TRUE
), lines AS (
    INSERT INTO trail (message_id, at, event, detail, status, duration_ms)
    SELECT line.* FROM unnest($11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bigint[])
        AS line (message_id, at, event, detail, status, duration_ms)
    WHERE (line.message_id IN (SELECT id FROM settled)) IS TRUE
)
SELECT id FROM settled";

/// A connection that many messages a second go through.
pub(super) struct Postgres {
    url: SecretString,
    seal: Seal,
    recent: RecentLinks,
    connection: Option<Open>,
    lease: String,
}

struct Open {
    connection: PgConnection,
    used: Instant,
    planned: Instant,
}

impl Postgres {
    /// To a database that has its tables.
    pub fn new(url: SecretString, tables: &Tables) -> Self {
        Self { url, seal: tables.seal.clone(), recent: tables.recent.clone(), connection: None, lease: leasing() }
    }

    /// Each of the three in a commit of its own; on return they are on disk.
    pub async fn write(
        &mut self,
        accepts: &[&Arriving],
        settlements: &[&Settlement],
        wanted: &[LeaseRequest],
    ) -> Result<Committed, Failure> {
        let hanging = || Failure::OfAll(StoreError(format!("no answer within {} s", LIMIT.as_secs())));
        let written = async {
            let mut open = self.ready().await?;
            let accepted = self.accept(&mut open.connection, accepts).await?;
            let settled = settle(&mut open.connection, settlements).await?;
            let mut taken = Vec::with_capacity(wanted.len());
            for wanted in wanted {
                taken.push(self.lease(&mut open.connection, wanted).await?);
            }
            Ok((open, Committed { accepted, settled, taken }))
        };
        // One on which something failed is not used again: what it is in the middle of is not known.
        let (open, done) = timeout(LIMIT, written).await.unwrap_or_else(|_| Err(hanging()))?;
        self.connection = Some(Open { used: Instant::now(), ..open });
        Ok(done)
    }

    async fn ready(&mut self) -> Result<Open, Failure> {
        if let Some(mut open) = self.connection.take()
            && (open.used.elapsed() < IDLE || open.connection.ping().await.is_ok())
        {
            if open.planned.elapsed() > PLANNED {
                open.connection.execute("DISCARD PLANS").await?;
                open.planned = Instant::now();
            }
            return Ok(open);
        }
        let url = self.url.expose_secret();
        let connected = connect(url).await;
        let connection = connected.map_err(|error| Failure::OfAll(StoreError(without_password(error, url))))?;
        Ok(Open { connection, used: Instant::now(), planned: Instant::now() })
    }

    async fn accept(
        &self,
        connection: &mut PgConnection,
        all: &[&Arriving],
    ) -> Result<Vec<Option<Acceptance>>, sqlx::Error> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<NewMessageRow<'_>> = all.iter().map(|one| NewMessageRow::of(one)).collect();
        let bodies: Vec<_> = all.iter().map(|one| self.seal.close(&one.new.body, &one.new.lane)).collect();
        let stored: Vec<(i64, i64)> = sqlx::query_as(ACCEPT)
            .bind(column(&rows, |row| row.new.kind.stored()))
            .bind(column(&rows, |row| row.new.origin.word()))
            .bind(column(&rows, |row| row.state().word()))
            .bind(column(&rows, |row| row.new.dedupe_key.as_str()))
            .bind(column(&rows, |row| row.new.lane.as_str()))
            .bind(column(&rows, |row| row.new.claim_uuid.as_deref()))
            .bind(column(&rows, |row| row.new.claim_code.as_deref().map(code)))
            .bind(column(&rows, |row| row.new.insuree_uuid.as_deref()))
            .bind(column(&rows, |row| row.reason.as_deref()))
            .bind(column(&rows, |row| issues_json(&row.new.issues)))
            .bind(column(&rows, |row| ms(row.now)))
            .bind(column(&rows, |row| row.dead.then(|| ms(row.now))))
            .bind(column(&rows, |row| row.traceparent))
            .bind(column(&bodies, |body| &**body))
            .bind(column(&rows, |row| forgotten_key(&row.new.dedupe_key)))
            .bind(column(&rows, NewMessageRow::received))
            .bind(column(&rows, |row| row.new.sender.as_deref()))
            .bind(column(&rows, NewMessageRow::bytes))
            .bind(column(&rows, |row| self.seal.written(&row.new.agreement.facts, &row.new.dedupe_key)))
            .fetch_all(connection)
            .await?;
        let mut accepted = vec![None; all.len()];
        for (n, id) in stored {
            if let Some(one) = usize::try_from(n - 1).ok().and_then(|n| accepted.get_mut(n)) {
                *one = Some(Acceptance::New(MessageId(id)));
            }
        }
        Ok(accepted)
    }

    async fn lease(&self, connection: &mut PgConnection, wanted: &LeaseRequest) -> Result<LeaseBatch, Failure> {
        let rows = sqlx::query(sql(self.lease.clone()))
            .bind(wanted.kind.stored())
            .bind(ms(wanted.now))
            .bind(column(&wanted.held, |id| id.0))
            .bind(i64::from(wanted.limit))
            .bind(ms(wanted.until))
            .bind(ms(wanted.now))
            .fetch_all(&mut *connection)
            .await?;
        let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in &rows {
            let (mut leased, body) = self.read(row)?;
            match body {
                Ok(body) => {
                    leased.message.body = body;
                    readable.push(leased);
                }
                Err(why) => unreadable.push((leased.message.id, why)),
            }
        }
        if !unreadable.is_empty() {
            self.park(connection, wanted, &unreadable).await?;
        }
        Ok((readable, unreadable))
    }

    /// A leased message, and its body or why it cannot be read. The contact of its insuree is remembered.
    fn read(&self, row: &PgRow) -> Result<(Leased, Result<Vec<u8>, String>), Failure> {
        let leased = leased(row)?;
        if let Some(insuree) = row.try_get::<Option<&str>, _>("insuree_uuid")?
            && leased.message.kind == Kind::ClaimResponse
        {
            match row.try_get::<Option<&str>, _>("contact_id")? {
                Some(contact) => self.recent.remember(insuree, contact),
                None => self.recent.forget(insuree),
            }
        }
        let sealed: Option<Vec<u8>> = row.try_get("received")?;
        let body =
            sealed.map_or_else(|| Err(NO_DOCUMENT.to_owned()), |sealed| self.seal.open(sealed, &leased.message.lane));
        Ok((leased, body))
    }

    async fn park(
        &self,
        connection: &mut PgConnection,
        wanted: &LeaseRequest,
        unreadable: &[(MessageId, String)],
    ) -> Result<(), sqlx::Error> {
        let mut tx = connection.begin().await?;
        for (id, why) in unreadable {
            sqlx::query(PARK).bind(why).bind(ms(wanted.now)).bind(id.0).execute(&mut *tx).await?;
            let note = sqlx::query(sql(format!("{INSERT_NOTE} VALUES {}", placeholders(1, 4))));
            note.bind(id.0).bind(ms(wanted.now)).bind("dead letter").bind(text(why)).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}

/// Leases, with the bodies; and with the contact of its insuree, for which the delivery is about to ask.
fn leasing() -> String {
    let taken = lease_statement(Dialect::Postgres);
    let kind = Kind::ClaimResponse.stored();
    format!(
        "WITH taken AS MATERIALIZED ({taken})
         SELECT taken.*, document.received, link.contact_id
         FROM taken LEFT JOIN document ON document.message_id = taken.id
                    LEFT JOIN link ON link.insuree_uuid = taken.insuree_uuid AND taken.kind = '{kind}'
         ORDER BY taken.id"
    )
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&PgConnectOptions::from_str(url)?).await?;
    connection.execute(POSTGRES).await?;
    connection.execute(PLAN_ONCE).await?;
    Ok(connection)
}

/// How the server goes about each of the statements, with what the arrays' types are and nothing in them.
pub(super) async fn plans(url: &str) -> Result<Vec<(&'static str, Vec<String>)>, sqlx::Error> {
    let lease = leasing();
    let mut connection = connect(url).await?;
    let mut plans = Vec::new();
    for (what, statement, parameters) in [("taken in", ACCEPT, 19), ("settled", SETTLE, 17), ("leased", &lease, 6)] {
        let nothing = vec!["NULL"; parameters].join(", ");
        connection.execute(sql(format!("PREPARE hot AS {statement}"))).await?;
        let rows = connection.fetch_all(sql(format!("EXPLAIN EXECUTE hot ({nothing})"))).await?;
        connection.execute("DEALLOCATE hot").await?;
        plans.push((what, rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?));
    }
    Ok(plans)
}

/// False: that lease was somebody else's by then.
async fn settle(connection: &mut PgConnection, all: &[&Settlement]) -> Result<Vec<bool>, sqlx::Error> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<_> = all.iter().flat_map(|one| one.trail.iter().map(|line| (one.id, line))).collect();
    let settled: Vec<i64> = sqlx::query_scalar(SETTLE)
        .bind(column(all, |one| one.id.0))
        .bind(column(all, |one| one.lease))
        .bind(column(all, |one| one.state.word()))
        .bind(column(all, |one| one.due_at))
        .bind(column(all, |one| one.reason.as_str()))
        .bind(column(all, |one| one.uncertain))
        .bind(column(all, |one| one.uncounted))
        .bind(column(all, |one| one.issues.as_deref()))
        .bind(column(all, |one| one.settled_at))
        .bind(column(all, |one| one.sent.as_deref()))
        .bind(column(&lines, |(id, _)| id.0))
        .bind(column(&lines, |(_, line)| ms(line.at)))
        .bind(column(&lines, |(_, line)| text(&line.event)))
        .bind(column(&lines, |(_, line)| text(&line.detail)))
        .bind(column(&lines, |(_, line)| line.status.map(i64::from)))
        .bind(column(&lines, |(_, line)| line.duration_ms))
        .bind(column(all, |one| one.uncertain_since))
        .fetch_all(connection)
        .await?;
    Ok(all.iter().map(|one| settled.contains(&one.id.0)).collect())
}

/// A leased message, but for its body.
fn leased(row: &PgRow) -> Result<Leased, sqlx::Error> {
    let since = row.try_get("since")?;
    let message = Message {
        id: MessageId(row.try_get("id")?),
        kind: word(row, "kind", Kind::from_stored)?,
        origin: word(row, "origin", Origin::from_word)?,
        lane: row.try_get("lane")?,
        claim_uuid: row.try_get("claim_uuid")?,
        body: Vec::new(),
        received_at: at(since),
        attempt: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        lease: row.try_get("leases")?,
        uncertain: unsure_since(row.try_get("uncertain")?, row.try_get("uncertain_since")?, since),
        is_ageless: false,
    };
    Ok(Leased { message, traceparent: row.try_get("traceparent")? })
}

fn word<T>(row: &PgRow, column: &str, read: fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let unknown = || format!("column {column} holds an unknown word");
    read(row.try_get(column)?).ok_or_else(|| sqlx::Error::Decode(unknown().into()))
}

/// One array of a statement.
fn column<'a, R, V>(rows: &'a [R], value: impl FnMut(&'a R) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
