//! OpenHIM, where it stands between the mediator and those who post: what it is told of the mediator, of what was done with a request,
//! and of what became of it later. Values only: nothing is sent here, and core's store is OpenHIM's own.
//!
//! # Layout
//! - [`envelope`]: an answer as OpenHIM's core reads it. [`registration`]: the mediator as the core knows it.
//! - [`core`]: requests to the core's API, and what its answers mean. [`report`]: what a transaction is told later.

use http::HeaderMap;

pub mod core;
pub mod envelope;
pub mod registration;
pub mod report;

/// The name under which a mediator registers where nothing else is set.
pub const DEFAULT_URN: &str = "urn:mediator:openimis-mediator";

/// The transaction of OpenHIM that a request is part of. Core takes care that no client sends one of its own through it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction(String);

impl Transaction {
    /// Of a request; None: it did not come through OpenHIM.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let id = headers.get("x-openhim-transactionid")?.to_str().unwrap_or_default();
        Some(Self(id.to_owned()))
    }

    /// Its id, if it is one of MongoDB's: it becomes part of an address, and anybody may send a header.
    pub fn id(&self) -> Option<&str> {
        let is_id = self.0.len() == 24 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(self.0.as_str())
    }
}

/// What OpenHIM's console says of a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Not at its end yet.
    Processing,
    /// All went well.
    Successful,
    /// The request was answered, but not as its sender hoped.
    Completed,
    /// Did not work.
    Failed,
}

impl Status {
    /// As core spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Processing => "Processing",
            Self::Successful => "Successful",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}
