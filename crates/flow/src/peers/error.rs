//! The peers, and how one fails: values only, so that the policy for retries needs nothing of how they are spoken to.

use std::fmt;

use http::StatusCode;
use jiff::Timestamp;

use crate::message::Kind;

/// A system the mediator speaks to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Peer {
    /// The insurer.
    OpenImis,
    /// Where community health workers get their tasks.
    Cht,
    /// Where claims come from, and openIMIS' answers go to.
    Hospital,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenImis, Self::Cht, Self::Hospital];

    /// Whose messages wait while it takes nothing.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::ClaimResponse => Self::Cht,
            Kind::Feedback | Kind::Eclaim | Kind::Adjudication => Self::OpenImis,
            Kind::EclaimAnswer => Self::Hospital,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenImis => "openIMIS",
            Self::Cht => "CHT",
            Self::Hospital => "the hospital",
        })
    }
}

/// Why a peer did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PeerError {
    /// It is left alone for a while; nothing was sent.
    #[error("{peer} is left alone until {until}: {reason}")]
    Paused {
        /// Who.
        peer: Peer,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Nothing was sent.
    #[error("{0}: {1}")]
    NotSent(Peer, String),
    /// Sent, and no answer came: it may have been done.
    #[error("{0}: {1}")]
    NoAnswer(Peer, String),
    /// It failed; the same request may work later.
    #[error("{0} answered {1}: {2}")]
    Failed(Peer, StatusCode, String),
    /// It does not want this request, now or later.
    #[error("{0} refused with {1}: {2}")]
    Refused(Peer, StatusCode, String),
    /// It answered something that is not its own: a proxy's page, another server. It may have been done.
    #[error("{0} answered {1} with something that is not {0}'s: {2}")]
    Unreadable(Peer, StatusCode, String),
}

impl PeerError {
    /// Without the peer's own words, which may name the person that was asked for.
    pub fn unquoted(&self) -> String {
        match self {
            Self::Paused { peer, until, .. } => format!("{peer} is left alone until {until}"),
            Self::NotSent(..) | Self::NoAnswer(..) => self.to_string(),
            Self::Failed(peer, status, _) => format!("{peer} answered {status}"),
            Self::Refused(peer, status, _) => format!("{peer} refused with {status}"),
            Self::Unreadable(peer, status, _) => format!("{peer} answered {status} with something that is not its own"),
        }
    }
}
