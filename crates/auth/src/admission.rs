//! What every listener needs to admit a caller, or to refuse one.

use std::time::Duration;

use crate::Clients;
use crate::limits::Limits;
use crate::refusal_log::{RefusalLog, Who};
use crate::settings::Settings;
use crate::tokens::KeysError;

/// Who may call, how much one address may ask, and which refusals are written down.
pub struct Admission {
    /// Who may call.
    pub clients: Clients,
    /// How much one address may ask.
    pub limits: Limits,
    /// Which refusals the log names.
    pub logged: RefusalLog,
    /// Which refused sign-ins the audit trail names: nothing removes its lines.
    pub audited: RefusalLog,
}

/// How many refusals like this one the log has left out; nothing where it has none.
pub type LeftOut = Option<u64>;

impl Admission {
    /// Reads the keys that are in files.
    ///
    /// # Errors
    /// Keys that cannot be used, or cannot be fetched by anybody here.
    pub fn new(settings: &Settings<'_>, limits: Limits) -> Result<Self, KeysError> {
        Ok(Self {
            clients: Clients::new(settings)?,
            limits,
            logged: RefusalLog::new(60, Duration::from_secs(60)),
            audited: RefusalLog::new(100, Duration::from_secs(3600)),
        })
    }

    /// Whether the log is to name a refusal; how many like it it has left out since.
    pub fn is_logged(&self, what: &'static str, who: Who) -> Option<LeftOut> {
        self.logged.worth_logging(what, who).map(|left_out| (left_out > 0).then_some(left_out))
    }
}
