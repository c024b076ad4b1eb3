//! What one process knows during a run: what openIMIS has, and what came so far.

use std::collections::{HashMap, HashSet};

use mapping::facility::{Envelope, Settings};

use super::identity::same_code;
use super::known::KnownFacilities;
use super::{State, StoredFacility};

/// What one process knows during a run.
pub(super) struct Session {
    pub settings: Settings,
    /// Read when the first facility needs it.
    pub known: Option<KnownFacilities>,
    /// Which entry of the registry came with a code: a second one would undo the first.
    codes: HashMap<String, String>,
    /// What came with a page: a dry run, which writes nothing down, must not tell it twice.
    pub came: HashSet<String>,
    /// What became of those that came: pages move while a registry is read, so a facility may come with two of them.
    treated: HashMap<String, EntryProgress>,
    pub is_dry: bool,
    pub is_whole: bool,
}

/// What became of a facility earlier in the run.
#[derive(Clone, Default)]
pub(super) struct EntryProgress {
    fingerprint: Option<String>,
    pub is_done: bool,
}

impl Session {
    pub fn new(settings: Settings, is_dry: bool, is_whole: bool) -> Self {
        let (codes, came, treated) = (HashMap::new(), HashSet::new(), HashMap::new());
        Self { settings, known: None, codes, came, treated, is_dry, is_whole }
    }

    /// Why this entry may not have the code: another one of this run has it.
    pub fn takes_code(&mut self, source: &str, code: Option<&str>) -> Option<String> {
        let code = code?;
        let first = self.codes.entry(code.to_owned()).or_insert_with(|| source.to_owned());
        (first != source).then(|| same_code(first))
    }

    /// What became of a facility that came before in this run. From now on it came as this.
    pub fn treat(&mut self, source: &str, envelope: &Envelope) -> Option<EntryProgress> {
        let treated = EntryProgress { fingerprint: envelope.fingerprint.clone(), is_done: false };
        match self.treated.get_mut(source) {
            Some(before) if before.is_so(envelope) => Some(before.clone()),
            Some(before) => Some(std::mem::replace(before, treated)),
            None => self.treated.insert(source.to_owned(), treated),
        }
    }

    pub fn settle(&mut self, source: &str) {
        if let Some(treated) = self.treated.get_mut(source) {
            treated.is_done = true;
        }
    }
}

impl EntryProgress {
    pub(super) fn is_so(&self, envelope: &Envelope) -> bool {
        envelope.fingerprint.is_some() && self.fingerprint == envelope.fingerprint
    }
}

impl StoredFacility {
    pub(super) fn is_so(&self, envelope: &Envelope) -> bool {
        self.state == State::Done && envelope.fingerprint.is_some() && self.fingerprint == envelope.fingerprint
    }
}
