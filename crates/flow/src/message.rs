//! Messages: what came in, what became of it, and the trail it left.

use std::fmt;

use jiff::Timestamp;
use mapping::Issue;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreement;

/// Number of a message in the store, in the order of arrival.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Words that are stored and shown: each variant is one, spelled once.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that is stored and shown.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word back.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// What a message is.
    Kind {
        /// A claim of openIMIS that becomes a CHT record.
        ClaimResponse = "claim-response",
        /// Answers from CHT that become a `Communication` on the claim.
        Feedback = "feedback",
        /// A hospital's claim on its way to openIMIS.
        Eclaim = "eclaim",
        /// A hospital's claim at openIMIS, followed until openIMIS has decided.
        Adjudication = "adjudication",
        /// openIMIS's answer to a hospital's claim, on its way to the hospital.
        EclaimAnswer = "eclaim-answer",
    }
}

/// Kinds with a former word, which the database still has: the migration that stores kinds by name renames them there. The command line,
/// the admin API and the console accept these words for one more version.
const FORMER: [(Kind, &str); 2] = [(Kind::Eclaim, "claim"), (Kind::EclaimAnswer, "claim-answer")];

impl Kind {
    /// The word in the database.
    pub fn stored(self) -> &'static str {
        FORMER.iter().find(|(kind, _)| *kind == self).map_or_else(|| self.word(), |(_, word)| word)
    }

    /// Reads a word of the database.
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::from_former(word).or_else(|| Self::from_word(word))
    }

    /// The kind that had this word before.
    pub fn from_former(word: &str) -> Option<Self> {
        FORMER.iter().find(|(_, former)| *former == word).map(|(kind, _)| *kind)
    }

    /// The kinds that every runtime receives over HTTP, and OpenHIM has channels for.
    pub const INBOUND: [Self; 2] = [Self::ClaimResponse, Self::Feedback];
}

words! {
    /// How a message came.
    Origin {
        /// Posted to the mediator.
        Push = "push",
        /// Found by polling `ClaimResponse`.
        Poll = "poll",
        /// Found by polling `CommunicationRequest`: an officer selected the claim for feedback.
        Selected = "selected",
    }
}

words! {
    /// Where a message is.
    State {
        /// To be delivered when it is due.
        Pending = "pending",
        /// A worker has it.
        Leased = "leased",
        /// Done.
        Delivered = "delivered",
        /// Left out by the task policy.
        Skipped = "skipped",
        /// Dead letter: an admin has to look.
        Dead = "dead",
        /// An admin decided that it is not to be delivered.
        Discarded = "discarded",
    }
}

/// A message that is to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// What it is.
    pub kind: Kind,
    /// How it came.
    pub origin: Origin,
    /// Two messages with the same key are one.
    pub dedupe_key: String,
    /// Messages of one lane are delivered in the order of arrival. The claim's uuid where it is known.
    pub lane: String,
    /// openIMIS' uuid of the claim, where it could be read.
    pub claim_uuid: Option<String>,
    /// The code people use for the claim, where it could be read.
    pub claim_code: Option<String>,
    /// openIMIS' uuid of the insuree, where it could be read.
    pub insuree_uuid: Option<String>,
    /// As received, byte for byte.
    pub body: Vec<u8>,
    /// Not empty: it cannot be mapped and goes to the dead letters at once.
    pub issues: Vec<Issue>,
    /// Name of the client that posted it. None: it was polled, or made here.
    pub sender: Option<String>,
    /// What another document with the same key must agree with it in.
    pub agreement: Agreement,
}

/// What the store did with a [`NewMessage`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Acceptance {
    /// Stored.
    New(MessageId),
    /// Was there and had been left out or parked; the new body takes its place and is tried.
    Revived(MessageId),
    /// Was there: nothing to do.
    Duplicate(MessageId, State),
    /// Its key was there with another document. It is stored as a dead letter with a key of its own.
    Conflict {
        /// The dead letter.
        id: MessageId,
        /// The message that has the key.
        first: MessageId,
        /// In what they differ.
        differs: Vec<&'static str>,
    },
}

impl Acceptance {
    /// The stored message.
    pub fn id(&self) -> MessageId {
        match self {
            Self::New(id) | Self::Revived(id) | Self::Duplicate(id, _) | Self::Conflict { id, .. } => *id,
        }
    }
}

/// A message in a worker's hands.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// What it is.
    pub kind: Kind,
    /// How it came.
    pub origin: Origin,
    /// Its lane: the claim's uuid.
    pub lane: String,
    /// openIMIS' uuid of the claim.
    pub claim_uuid: Option<String>,
    /// As received.
    pub body: Vec<u8>,
    /// When it was received, or last put back by an admin.
    pub received_at: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How often it was leased: tells this lease from a later one.
    pub lease: i64,
    /// When an attempt was last made that may have reached the peer: ask before sending again. None: no attempt did.
    pub uncertain: Option<Timestamp>,
    /// The clock may be wrong by days: how old it is cannot be told.
    pub is_ageless: bool,
}

impl Message {
    /// How long it has been here, as far as that can be told.
    pub fn age(&self, now: Timestamp) -> jiff::SignedDuration {
        now.duration_since(self.counted_from(now))
    }

    /// From when its age counts.
    pub fn counted_from(&self, now: Timestamp) -> Timestamp {
        if self.is_ageless { now } else { self.received_at }
    }
}

/// What became of one attempt to deliver a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The peer has it.
    Delivered {
        /// What the peer said, for example the id it gave.
        note: String,
    },
    /// The task policy leaves it out.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Nothing was tried; look again later.
    Waiting {
        /// When.
        at: Timestamp,
        /// For what.
        reason: String,
    },
    /// Did not work; try again.
    Retry {
        /// When.
        at: Timestamp,
        /// What went wrong.
        reason: String,
        /// The peer may have it all the same, from an attempt at this moment.
        uncertain: Option<Timestamp>,
    },
    /// Will not work until somebody changes something.
    Dead {
        /// Why, and what to do.
        reason: String,
        /// What is wrong with the document, if it is the document.
        issues: Vec<Issue>,
        /// The peer may have it all the same, from an attempt at this moment.
        uncertain: Option<Timestamp>,
    },
}

impl Outcome {
    /// The state it leaves the message in.
    pub fn state(&self) -> State {
        match self {
            Self::Delivered { .. } => State::Delivered,
            Self::Skipped { .. } => State::Skipped,
            Self::Waiting { .. } | Self::Retry { .. } => State::Pending,
            Self::Dead { .. } => State::Dead,
        }
    }

    /// A dead letter that the peer surely does not have.
    pub fn dead(reason: impl Into<String>) -> Self {
        Self::Dead { reason: reason.into(), issues: Vec::new(), uncertain: None }
    }
}

/// One line of a message's trail. Never personal data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrailEntry {
    /// When it began.
    pub at: Timestamp,
    /// What was done, for example `POST api/v2/records`.
    pub event: String,
    /// How it went.
    pub detail: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// How long it took, where it took time.
    pub duration_ms: Option<i64>,
}

/// The lines that one attempt leaves.
#[derive(Debug, Default)]
pub(crate) struct Trail(pub Vec<TrailEntry>);

impl Trail {
    pub fn note(&mut self, at: Timestamp, event: impl Into<String>, detail: impl Into<String>) {
        self.0.push(TrailEntry { at, event: event.into(), detail: detail.into(), status: None, duration_ms: None });
    }

    /// Whether a request is among it that may have changed something at a peer.
    pub fn has_sent(&self) -> bool {
        self.0.iter().any(|line| line.event.starts_with("POST ") || line.event.starts_with("PUT "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_keeps_its_word_in_the_database_and_no_word_means_two_kinds() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_stored(kind.stored()), Some(*kind));
            assert_eq!(Kind::from_word(kind.word()), Some(*kind));
        }
        let stored: Vec<&str> = Kind::ALL.iter().map(|kind| kind.stored()).collect();
        assert_eq!(stored, ["claim-response", "feedback", "claim", "adjudication", "claim-answer"]);
        assert!(FORMER.iter().all(|(_, word)| Kind::from_word(word).is_none()));
    }
}
