//! Many messages in one commit: while one commit is on its way to the disk, what comes in gathers for the next. Nobody waits longer
//! for it, and nobody is answered before it.

use std::collections::HashSet;
use std::time::Instant;

use flow::message::Acceptance;
use flow::ports::StoreError;
use sqlx::Connection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::batch::{Arriving, Committed, Failure, LeaseBatch, LeaseRequest};
use super::postgres::Postgres;
use super::queue::Settlement;
use super::sqlite::SqliteWriter;
use super::{Dialect, LIMIT, Leased, SqlStore, Tables, bounded};

/// Largest number of messages in a commit.
const LARGEST: usize = 256;

/// Something to be written, and who waits for it.
pub(super) enum Work {
    Accept(Box<Arriving>, Answer<Acceptance>),
    Settle(Box<Settlement>, Answer<bool>),
    Lease(Box<LeaseRequest>, Answer<Vec<Leased>>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// How messages get into the database.
pub(super) enum Backend {
    Sqlite(Box<SqliteWriter>),
    Postgres(Box<Postgres>),
}

/// Who writes what. SQLite has one writer: a lease by itself would cost as much as a commit with all that waits. On PostgreSQL three write
/// side by side.
#[derive(Clone)]
pub(super) struct Writers {
    accepts: mpsc::Sender<Work>,
    settlements: mpsc::Sender<Work>,
    leases: mpsc::Sender<Work>,
}

impl Writers {
    /// Starts them. They end with the last store that can hand them work.
    pub fn start(tables: &Tables, way: impl Fn() -> Result<Backend, StoreError>) -> Result<Self, StoreError> {
        let accepts = start(tables.clone(), way()?)?;
        Ok(match tables.dialect {
            Dialect::Sqlite => Self { settlements: accepts.clone(), leases: accepts.clone(), accepts },
            Dialect::Postgres => {
                let [settlements, leases] = [start(tables.clone(), way()?)?, start(tables.clone(), way()?)?];
                Self { accepts, settlements, leases }
            }
        })
    }

    pub fn ended(&self) -> bool {
        [&self.accepts, &self.settlements, &self.leases].into_iter().any(mpsc::Sender::is_closed)
    }

    fn of(&self, work: &Work) -> &mpsc::Sender<Work> {
        match work {
            Work::Accept(..) => &self.accepts,
            Work::Settle(..) => &self.settlements,
            Work::Lease(..) => &self.leases,
        }
    }
}

impl SqlStore {
    /// Hands work to the writer and waits until it is on disk.
    pub(super) async fn batched<T>(&self, work: impl FnOnce(Answer<T>) -> Work) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let ended = || StoreError("the store is closed".to_owned());
        let work = work(answer);
        bounded(async { self.writers.of(&work).send(work).await.map_err(|_| ended()) }).await?;
        // One commit may be on its way to a disk that hangs, and this one after it.
        match timeout(2 * LIMIT, answered).await {
            Ok(answered) => answered.map_err(|_| ended())?,
            Err(_) => Err(StoreError(format!("not stored within {} s", 2 * LIMIT.as_secs()))),
        }
    }
}

/// Starts a writer. What goes to SQLite blocks, so it has a thread to itself.
fn start(tables: Tables, way: Backend) -> Result<mpsc::Sender<Work>, StoreError> {
    let (sender, receiver) = mpsc::channel(LARGEST * 4);
    if let Backend::Postgres(_) = way {
        tokio::spawn(work_off(receiver, tables, way));
        return Ok(sender);
    }
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("store-writer".to_owned());
    let started = thread.spawn(move || runtime.block_on(work_off(receiver, tables, way)));
    started.map_err(|error| StoreError(format!("no thread for the store: {error}")))?;
    Ok(sender)
}

async fn work_off(mut receiver: mpsc::Receiver<Work>, tables: Tables, mut way: Backend) {
    let mut waiting = Vec::new();
    while !waiting.is_empty() || receiver.recv_many(&mut waiting, LARGEST).await > 0 {
        // What was left over, the same key many times perhaps, must not keep the others out.
        while waiting.len() < LARGEST
            && let Ok(work) = receiver.try_recv()
        {
            waiting.push(work);
        }
        let (batch, rest) = Batch::of(std::mem::take(&mut waiting));
        waiting = rest;
        batch.write(&tables, &mut way).await;
        if let Backend::Sqlite(direct) = &mut way {
            let _turn = tables.turn.lock().await;
            direct.tidy();
        }
    }
}

/// Work that goes into one commit.
#[derive(Default)]
struct Batch {
    accepts: Vec<Arriving>,
    accept_answers: Vec<Answer<Acceptance>>,
    settlements: Vec<Settlement>,
    settle_answers: Vec<Answer<bool>>,
    leases: Vec<LeaseRequest>,
    lease_answers: Vec<Answer<Vec<Leased>>>,
}

impl Batch {
    /// A batch in which no key and no outcome is twice, and what is left for the next one.
    fn of(all: Vec<Work>) -> (Self, Vec<Work>) {
        let (mut batch, mut rest, mut keys, mut ended) = (Self::default(), Vec::new(), HashSet::new(), HashSet::new());
        for work in all {
            match work {
                Work::Accept(arriving, answer) => {
                    if keys.insert(arriving.new.dedupe_key.clone()) {
                        batch.accepts.push(*arriving);
                        batch.accept_answers.push(answer);
                    } else {
                        rest.push(Work::Accept(arriving, answer));
                    }
                }
                Work::Settle(settlement, answer) => {
                    if ended.insert(settlement.id) {
                        batch.settlements.push(*settlement);
                        batch.settle_answers.push(answer);
                    } else {
                        rest.push(Work::Settle(settlement, answer));
                    }
                }
                // Whoever went away would not know of what he has.
                Work::Lease(_, answer) if answer.is_closed() => {}
                Work::Lease(wanted, answer) => {
                    batch.leases.push(*wanted);
                    batch.lease_answers.push(answer);
                }
            }
        }
        (batch, rest)
    }

    /// Writes all of it in one commit, or, where one of them is refused by the database, each by itself.
    async fn write(self, tables: &Tables, way: &mut Backend) {
        let accepts: Vec<&Arriving> = self.accepts.iter().collect();
        let settlements: Vec<&Settlement> = self.settlements.iter().collect();
        let (leases, mut by) = (&self.leases, CommitContext { tables, way, down: None });
        match by.commit(&accepts, &settlements, leases).await {
            Ok((accepted, settled, taken)) => {
                // Who waited may have gone away; what is stored stays.
                for (answer, accepted) in self.accept_answers.into_iter().zip(accepted) {
                    drop(answer.send(accepted));
                }
                for (answer, settled) in self.settle_answers.into_iter().zip(settled) {
                    drop(answer.send(Ok(settled)));
                }
                for (answer, (leased, wanted)) in self.lease_answers.into_iter().zip(taken.into_iter().zip(leases)) {
                    tables.tell_of_unreadable(wanted.kind, &leased.1);
                    drop(answer.send(Ok(leased.0)));
                }
            }
            Err(Failure::OfOne(error)) if accepts.len() + settlements.len() + leases.len() > 1 => {
                tracing::warn!(%error, "a commit of several messages was refused: each is written by itself");
                for (answer, one) in self.accept_answers.into_iter().zip(accepts) {
                    let written = by.alone(&[one], &[]).await;
                    drop(answer.send(written.and_then(|(mut accepted, _, _)| accepted.swap_remove(0))));
                }
                for (answer, one) in self.settle_answers.into_iter().zip(settlements) {
                    let written = by.alone(&[], &[one]).await;
                    drop(answer.send(written.map(|(_, mut settled, _)| settled.swap_remove(0))));
                }
                // Asked again in a moment.
                for answer in self.lease_answers {
                    drop(answer.send(Ok(Vec::new())));
                }
            }
            Err(failure) => {
                let error = failure.into_error();
                for answer in self.accept_answers {
                    drop(answer.send(Err(error.clone())));
                }
                for answer in self.settle_answers {
                    drop(answer.send(Err(error.clone())));
                }
                for answer in self.lease_answers {
                    drop(answer.send(Err(error.clone())));
                }
            }
        }
    }
}

type Written = (Vec<Result<Acceptance, StoreError>>, Vec<bool>, Vec<LeaseBatch>);

/// How a commit is made.
struct CommitContext<'a> {
    tables: &'a Tables,
    way: &'a mut Backend,
    /// If the database goes away meanwhile, the others must not wait for it one after the other.
    down: Option<StoreError>,
}

impl CommitContext<'_> {
    /// One message's commit, unless the database is known to be down.
    async fn alone(&mut self, accepts: &[&Arriving], settlements: &[&Settlement]) -> Result<Written, StoreError> {
        if let Some(error) = &self.down {
            return Err(error.clone());
        }
        let written = self.commit(accepts, settlements, &[]).await;
        if let Err(Failure::OfAll(error)) = &written {
            self.down = Some(error.clone());
        }
        written.map_err(Failure::into_error)
    }

    async fn commit(
        &mut self,
        accepts: &[&Arriving],
        settlements: &[&Settlement],
        leases: &[LeaseRequest],
    ) -> Result<Written, Failure> {
        let begun = Instant::now();
        let done = match self.way {
            Backend::Sqlite(direct) => {
                let _turn = self.tables.turn.lock().await;
                direct.write(accepts, settlements, leases)
            }
            Backend::Postgres(postgres) => postgres.write(accepts, settlements, leases).await,
        };
        // A look for what is due is no message, and what goes the long way is counted there.
        let count = |done: &Committed| done.accepted.iter().flatten().count() + done.settled.len();
        let messages = done.as_ref().map_or(accepts.len() + settlements.len(), count);
        if messages > 0 || done.is_err() {
            self.tables.figures.committed(messages, begun, done.is_ok());
        }
        if let Err(Failure::OfOne(error) | Failure::OfAll(error)) = &done {
            self.tables.damage.heard(error);
        }
        let Committed { accepted, settled, taken } = done?;
        let accepted = there_before(self.tables, accepts, accepted).await;
        Ok((accepted, settled, taken))
    }
}

/// What has a key that was there goes the long way, in a commit of its own: the rest is on disk.
async fn there_before(
    tables: &Tables,
    accepts: &[&Arriving],
    accepted: Vec<Option<Acceptance>>,
) -> Vec<Result<Acceptance, StoreError>> {
    let again: Vec<&Arriving> =
        accepts.iter().zip(&accepted).filter(|(_, done)| done.is_none()).map(|(one, _)| *one).collect();
    let known = match again.is_empty() {
        true => Ok(Vec::new()),
        false => committed(tables, &again).await.map_err(Failure::into_error),
    };
    let mut known = known.map(Vec::into_iter);
    let lost = || StoreError("a message was not stored".to_owned());
    let mut next = || match &mut known {
        Ok(known) => known.next().ok_or_else(lost),
        Err(error) => Err(error.clone()),
    };
    accepted.into_iter().map(|done| done.map_or_else(&mut next, Ok)).collect()
}

/// By the pool of connections.
async fn committed(tables: &Tables, accepts: &[&Arriving]) -> Result<Vec<Acceptance>, Failure> {
    let work = async {
        let mut connection = tables.turn_and_connection().await?;
        let mut tx = connection.begin_with(tables.dialect.begin()).await?;
        let accepted = tables.accept(&mut tx, accepts).await?;
        tx.commit().await?;
        Ok(accepted)
    };
    let begun = Instant::now();
    let mut failure = None;
    let written = bounded(async {
        work.await.map_err(|error: sqlx::Error| {
            let told = Failure::from(error);
            let text = match &told {
                Failure::OfOne(error) | Failure::OfAll(error) => error.clone(),
            };
            failure = Some(told);
            text
        })
    })
    .await;
    tables.figures.committed(accepts.len(), begun, written.is_ok());
    written.map_err(|error| failure.unwrap_or(Failure::OfAll(error)))
}
