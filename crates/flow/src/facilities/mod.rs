//! The registry's facilities become openIMIS' health facilities: page by page, one failing facility never stops the others.
//!
//! # Layout
//! - `sync`: a run, from the registry's first page to its last one; `session`: what it knows; `halt`: what stops it. `plan`: what is to
//!   become of one facility.
//! - `identity`: whether an entry is still the same facility.
//! - `registry`: how the registry is asked. `known`: what openIMIS has, read once a run. `write`: how openIMIS is written to.
//! - here: the vocabulary, and [`Ledger`], what a runtime has to keep.
#![allow(async_fn_in_trait)] // as in `ports`

mod halt;
mod identity;
mod known;
mod plan;
mod registry;
mod session;
mod sync;
mod write;

use jiff::{SignedDuration, Timestamp};
use mapping::Issue;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::ports::StoreError;

pub use halt::RunError;

/// Whether openIMIS can store this as a facility's code: 1 to 8 characters, none of them blank.
pub fn is_code(code: &str) -> bool {
    (1..=8).contains(&code.chars().count())
        && code.chars().all(|letter| !letter.is_control() && !letter.is_whitespace())
}

/// A registry that speaks mCSD (FHIR R4), and how it is asked.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Its FHIR base address.
    pub url: Url,
    /// Value of the header `Authorization`.
    pub authorization: Option<SecretString>,
    /// Facilities a page.
    pub page_size: u32,
    /// Values of `_include`.
    pub include: Vec<String>,
    /// Values of `_include:iterate`.
    pub include_further: Vec<String>,
    /// Further search parameters, `name=value`.
    pub search: Vec<String>,
    /// How far a run reaches back behind the last one.
    pub overlap: SignedDuration,
    /// Longest wait for one answer.
    pub timeout: SignedDuration,
    /// Wait after an interruption, where nobody says how long.
    pub retry: SignedDuration,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// All facilities, each compared with what openIMIS has; not only those that changed.
    pub whole: bool,
    /// Nothing is written, neither to openIMIS nor to the ledger.
    pub dry_run: bool,
    /// Who asks.
    pub actor: String,
}

/// What came of a run so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Counts {
    /// Facilities that the registry named.
    pub listed: u64,
    /// openIMIS got them.
    pub created: u64,
    /// openIMIS had them otherwise.
    pub updated: u64,
    /// openIMIS has them as they are.
    pub unchanged: u64,
    /// They could not be brought to openIMIS.
    pub failed: u64,
    /// New ones with the name of another one in their district: an admin decides.
    pub possible_duplicates: u64,
    /// Earlier ones that had failed, or waited for a decision, and were tried again. They are counted above, too.
    pub again: u64,
}

/// Where a facility is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// openIMIS has it as the registry does.
    Done,
    /// It could not be brought to openIMIS.
    Failed,
    /// It has the name of another one in its district: an admin decides.
    PossibleDuplicate,
    /// An admin asked for another try.
    Due,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::PossibleDuplicate, Self::Due];

    /// The word that is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::PossibleDuplicate => "possible-duplicate",
            Self::Due => "due",
        }
    }

    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// What was, or would be, done with a facility in openIMIS.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A new one.
    Create,
    /// Something was otherwise.
    Update,
    /// Nothing: openIMIS has it so, or it is a closed one that openIMIS never had.
    None,
}

impl Action {
    /// The word that is stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::None => "none",
        }
    }
}

/// What became of one facility.
#[derive(Clone, Debug)]
pub struct Record {
    /// The registry's name for it: `Location/<id>`.
    pub source: String,
    /// openIMIS' code, where it could be told.
    pub code: Option<String>,
    /// The registry's official number of it, once openIMIS has it so.
    pub national_id: Option<String>,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Changes with what openIMIS is to hold.
    pub fingerprint: Option<String>,
    /// Where it is.
    pub state: State,
    /// What was done; of a done one.
    pub action: Option<Action>,
    /// What openIMIS had otherwise: `name`, `district` and so on.
    pub changes: Vec<String>,
    /// Why it is not done.
    pub reason: Option<String>,
    /// What is wrong with the registry's entry, or worth a look.
    pub issues: Vec<Issue>,
    /// As the registry has it, a `Bundle`.
    pub document: String,
}

/// A run as it is kept.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number; 0 for a dry run, which is not kept.
    pub id: i64,
    /// Asks for all facilities.
    pub whole: bool,
    /// Asks for what changed since then; none: for all.
    pub since: Option<Timestamp>,
    /// The registry's clock when the first page came: where the next run begins.
    pub read_up_to: Option<Timestamp>,
    /// The page to go on with; none: the first one.
    pub next_page: Option<String>,
    /// What came of it so far.
    pub counts: Counts,
    /// When it began.
    pub started_at: Timestamp,
    /// It was begun before, and goes on.
    pub resumed: bool,
}

/// How a run ended, for now or for good.
#[derive(Clone, Debug)]
pub enum RunEnd {
    /// All pages are read: the next run asks for what changed since this one began.
    Done,
    /// It goes on where it stopped.
    Interrupted {
        /// Why.
        reason: String,
        /// Not before.
        next_at: Timestamp,
    },
}

/// What the ledger has of a facility.
#[derive(Clone, Debug)]
pub struct StoredFacility {
    /// The registry's name for it.
    pub source: String,
    /// openIMIS' code of it, as last read.
    pub code: Option<String>,
    /// The registry's official number of it, when openIMIS was last brought to it.
    pub national_id: Option<String>,
    /// Of what openIMIS was last brought to.
    pub fingerprint: Option<String>,
    /// Where it is.
    pub state: State,
}

/// A facility that is not done, as it was last received.
#[derive(Clone, Debug)]
pub struct UnsettledFacility {
    /// Its number in the ledger.
    pub id: i64,
    /// The registry's name for it.
    pub source: String,
    /// As the registry had it.
    pub document: String,
}

/// What an admin decided on a facility that has the name of another one in its district.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// Its national id.
    pub national_id: String,
    /// It is the facility that openIMIS calls so; none: it is another one.
    pub code: Option<String>,
}

/// Keeps what was sent, what was not, and how far a run is. The native host has one; the edge has none.
pub trait Ledger {
    /// When the registry was last read to the end: what changed since then is new.
    async fn last_facility_sync(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Takes up the run that was interrupted, if it asks for no less than what is asked for now; else begins one. `since`: where a run over
    /// changed facilities begins.
    async fn begin_facility_run(
        &self,
        asked: &RunRequest,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Run, StoreError>;

    /// Ends a run.
    async fn end_facility_run(&self, run: &Run, end: &RunEnd, now: Timestamp) -> Result<(), StoreError>;

    /// Writes down what became of facilities and how far the run is, in one transaction.
    async fn record_facilities(&self, run: Option<&Run>, records: &[Record], now: Timestamp) -> Result<(), StoreError>;

    /// What is kept of these.
    async fn kept_facilities(&self, sources: &[String]) -> Result<Vec<StoredFacility>, StoreError>;

    /// Which facilities openIMIS has with these codes: code and the registry's name.
    async fn facilities_with_codes(&self, codes: &[String]) -> Result<Vec<(String, String)>, StoreError>;

    /// Those that are not done and were last tried before a moment, by number from `after` on. `only_due`: those only that an admin wants to
    /// be tried again.
    async fn unsettled_facilities(
        &self,
        only_due: bool,
        before: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<UnsettledFacility>, StoreError>;

    /// What admins decided.
    async fn facility_decisions(&self) -> Result<Vec<Decision>, StoreError>;
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Event<'e> {
    /// A page came.
    Page {
        /// How many facilities there are in all, where the registry says so.
        total: Option<u64>,
        /// What came of the run so far.
        counts: Counts,
    },
    /// Something became of a facility; those with the fingerprint that was last sent are not told.
    Facility(&'e Record),
    /// Something about a page that somebody should look at.
    Warning(&'e Issue),
    /// It waits for openIMIS.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: &'e str,
    },
}

/// A function that is called with each event of a run.
pub type RunObserver<'t> = &'t mut (dyn FnMut(Event<'_>) + Send);
