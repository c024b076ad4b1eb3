//! How long messages are kept, and what is wrong with the settings of their store.

use jiff::SignedDuration;
use serde::Deserialize;
use store::settings::{EXPECTED, StoreSettings};

/// How long messages are kept after they were delivered, skipped or discarded. Dead letters stay until an admin acts.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Documents as received and as sent: personal data.
    ///
    /// Default: `"720h"` (30 days).
    pub documents: SignedDuration,
    /// Messages with their trails; no less than `documents`. That a message was delivered is remembered for ever.
    ///
    /// Default: `"17520h"` (2 years).
    pub messages: SignedDuration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { documents: SignedDuration::from_hours(30 * 24), messages: SignedDuration::from_hours(730 * 24) }
    }
}

/// What does not fit.
pub(super) fn problems(store: &StoreSettings, retention: &Retention) -> Vec<String> {
    let mut problems = Vec::new();
    if store.place().is_err() {
        problems.push(format!("store.url: {EXPECTED}"));
    }
    if !retention.documents.is_positive() {
        problems.push("retention.documents: expected a time longer than 0, for example 720h".to_owned());
    }
    if retention.messages < retention.documents {
        problems.push("retention.messages: expected no less than retention.documents".to_owned());
    }
    problems
}
