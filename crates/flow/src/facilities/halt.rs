//! What stops a run.

use jiff::Timestamp;

use super::Counts;
use super::registry::RegistryError;
use crate::peers::PeerError;
use crate::ports::{MapperError, StoreError};

/// Why a run was interrupted, or was not begun.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The registry or openIMIS cannot be used at the moment.
    #[error("{reason}")]
    Interrupted {
        /// What is the matter.
        reason: String,
        /// The same without others' own words, which may name people: for the log.
        unquoted: String,
        /// When to go on.
        next_at: Timestamp,
        /// What came of it so far.
        counts: Counts,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stops a page.
pub(super) enum Halt {
    Registry(RegistryError),
    Peer(PeerError),
    Mapper(MapperError),
    Store(StoreError),
}

impl Halt {
    /// Without others' own words.
    pub fn unquoted(&self) -> String {
        match self {
            Self::Registry(error) => error.unquoted.clone(),
            Self::Peer(error) => error.unquoted(),
            Self::Mapper(error) => error.to_string(),
            Self::Store(error) => error.to_string(),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PeerError> for Halt {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl From<RegistryError> for Halt {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<MapperError> for Halt {
    fn from(error: MapperError) -> Self {
        Self::Mapper(error)
    }
}
