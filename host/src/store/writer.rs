//! Many messages in one commit: while one commit is on its way to the disk, what comes in gathers for the next. Nobody waits longer
//! for it, and nobody is answered before it.

use std::collections::HashSet;
use std::time::Instant;

use flow::message::Accepted;
use flow::ports::StoreError;
use sqlx::Connection;
use tokio::sync::{mpsc, oneshot};

use super::inbox::Arriving;
use super::queue::Settlement;
use super::{SqlStore, Tables, bounded, inbox};

/// Largest number of messages in a commit.
const LARGEST: usize = 256;

/// Something to be written, and who waits for it.
pub(super) enum Work {
    Accept(Box<Arriving>, Answer<Accepted>),
    Settle(Box<Settlement>, Answer<bool>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl SqlStore {
    /// Hands work to the writer and waits until it is on disk.
    pub(super) async fn batched<T>(&self, work: impl FnOnce(Answer<T>) -> Work) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let ended = || StoreError("the store is closed".to_owned());
        bounded(async { self.batches.send(work(answer)).await.map_err(|_| ended()) }).await?;
        answered.await.map_err(|_| ended())?
    }
}

/// Starts the writer. It ends with the last store that can hand it work.
pub(super) fn start(tables: Tables) -> mpsc::Sender<Work> {
    let (sender, mut receiver) = mpsc::channel(LARGEST * 4);
    tokio::spawn(async move {
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
            batch.write(&tables).await;
        }
    });
    sender
}

/// Work that goes into one commit.
#[derive(Default)]
struct Batch {
    accepts: Vec<Arriving>,
    accept_answers: Vec<Answer<Accepted>>,
    settlements: Vec<Settlement>,
    settle_answers: Vec<Answer<bool>>,
}

impl Batch {
    /// A batch in which no key is twice, and what is left for the next one.
    fn of(all: Vec<Work>) -> (Self, Vec<Work>) {
        let (mut batch, mut rest, mut keys) = (Self::default(), Vec::new(), HashSet::new());
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
                    batch.settlements.push(*settlement);
                    batch.settle_answers.push(answer);
                }
            }
        }
        (batch, rest)
    }

    /// Writes all of it in one commit, or, where one of them is refused by the database, each by itself.
    async fn write(self, tables: &Tables) {
        let settlements: Vec<&Settlement> = self.settlements.iter().collect();
        match committed(tables, &self.accepts, &settlements).await {
            Ok((accepted, settled)) => {
                // Who waited may have gone away; what is stored stays.
                for (answer, accepted) in self.accept_answers.into_iter().zip(accepted) {
                    drop(answer.send(Ok(accepted)));
                }
                for (answer, settled) in self.settle_answers.into_iter().zip(settled) {
                    drop(answer.send(Ok(settled)));
                }
            }
            Err(Failure::OfOne(error)) if self.accepts.len() + settlements.len() > 1 => {
                tracing::warn!(%error, "a commit of several messages was refused: each is written by itself");
                // If the database goes away meanwhile, the others must not wait for it one after the other.
                let mut down = None;
                for (answer, one) in self.accept_answers.into_iter().zip(&self.accepts) {
                    let written = alone(tables, std::slice::from_ref(one), &[], &mut down).await;
                    drop(answer.send(written.map(|(mut accepted, _)| accepted.swap_remove(0))));
                }
                for (answer, one) in self.settle_answers.into_iter().zip(settlements) {
                    let written = alone(tables, &[], &[one], &mut down).await;
                    drop(answer.send(written.map(|(_, mut settled)| settled.swap_remove(0))));
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
            }
        }
    }
}

/// Why a commit did not come about.
enum Failure {
    /// One of the messages, or another mediator's at the same moment: by themselves the others may work.
    OfOne(StoreError),
    /// The database: nothing will work now.
    OfAll(StoreError),
}

impl Failure {
    fn into_error(self) -> StoreError {
        match self {
            Self::OfOne(error) | Self::OfAll(error) => error,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        let error = inbox::told(error);
        match code.as_deref() {
            // PostgreSQL: a value it does not take, a constraint, a deadlock with another mediator, a value too large for an index.
            // SQLite: a constraint.
            Some(code) if code.len() == 5 && ["22", "23", "40", "54"].contains(&&code[..2]) => Self::OfOne(error),
            Some(code) if code.parse::<u32>().is_ok_and(|code| code & 0xFF == 19) => Self::OfOne(error),
            _ => Self::OfAll(error),
        }
    }
}

type Written = (Vec<Accepted>, Vec<bool>);

/// One message's commit, unless the database is known to be down.
async fn alone(
    tables: &Tables,
    accepts: &[Arriving],
    settlements: &[&Settlement],
    down: &mut Option<StoreError>,
) -> Result<Written, StoreError> {
    if let Some(error) = down {
        return Err(error.clone());
    }
    let written = committed(tables, accepts, settlements).await;
    if let Err(Failure::OfAll(error)) = &written {
        *down = Some(error.clone());
    }
    written.map_err(Failure::into_error)
}

async fn committed(tables: &Tables, accepts: &[Arriving], settlements: &[&Settlement]) -> Result<Written, Failure> {
    let work = async {
        let mut connection = tables.writer.acquire().await?;
        let mut tx = connection.begin_with(tables.dialect.begin()).await?;
        let accepted = tables.accept(&mut tx, accepts).await?;
        let settled = tables.settle(&mut tx, settlements).await?;
        tx.commit().await?;
        Ok((accepted, settled))
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
    tables.figures.committed(accepts.len() + settlements.len(), begun, written.is_ok());
    written.map_err(|error| failure.unwrap_or(Failure::OfAll(error)))
}
