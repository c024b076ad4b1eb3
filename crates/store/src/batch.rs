//! The work of one commit, and what becomes of it: the same for both databases.

use flow::message::{Acceptance, Kind, MessageId, NewMessage};
use flow::ports::{Lease, StoreError};
use jiff::Timestamp;

use super::{Leased, failed};

/// A message that is to be taken in.
pub(super) struct Arriving {
    pub new: NewMessage,
    pub now: Timestamp,
    /// The trace in which it came in.
    pub traceparent: Option<String>,
}

/// Which messages a worker asks for.
pub(super) struct LeaseRequest {
    pub kind: Kind,
    pub now: Timestamp,
    pub until: Timestamp,
    pub limit: u32,
    pub held: Vec<MessageId>,
}

impl LeaseRequest {
    pub fn of(lease: &Lease<'_>) -> Self {
        let Lease { kind, now, until, limit, held } = *lease;
        Self { kind, now, until, limit, held: held.to_vec() }
    }
}

/// What was leased, and what could not be read, and why.
pub(super) type LeaseBatch = (Vec<Leased>, Vec<(MessageId, String)>);

/// What became of the work of a commit.
pub(super) struct Committed {
    /// None: its key was there before. That is rare, and for the long way.
    pub accepted: Vec<Option<Acceptance>>,
    pub settled: Vec<bool>,
    pub taken: Vec<LeaseBatch>,
}

/// Why a commit did not come about.
pub(super) enum Failure {
    /// One of the messages, or another mediator's at the same moment: by themselves the others may work.
    OfOne(StoreError),
    /// The database: nothing will work now.
    OfAll(StoreError),
}

impl Failure {
    /// The error of the database.
    pub fn into_error(self) -> StoreError {
        match self {
            Self::OfOne(error) | Self::OfAll(error) => error,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        let error = failed(error);
        match code.as_deref() {
            // PostgreSQL: a value it does not take, a constraint, a deadlock with another mediator, a value too large for an index.
            // SQLite: a constraint.
            Some(code) if code.len() == 5 && ["22", "23", "40", "54"].contains(&&code[..2]) => Self::OfOne(error),
            Some(code) if code.parse::<u32>().is_ok_and(|code| code & 0xFF == 19) => Self::OfOne(error),
            _ => Self::OfAll(error),
        }
    }
}
