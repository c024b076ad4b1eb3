//! Whether an entry of the registry is still the facility that openIMIS got under its name, and nobody else's.

use mapping::facility::{Envelope, Settings, national_id};

use super::plan::{Item, Plan};
use super::{Ledger, Record, StoredFacility};
use crate::Flow;
use crate::ports::{Clock, Http, Mapper, Store, StoreError};

/// The registry's official number of a facility, and whether the settings or an admin say what that is in openIMIS.
pub(super) struct Identity(Option<(String, bool)>);

impl Identity {
    pub fn of(item: &Item, settings: &Settings) -> Self {
        Self(national_id(&item.document, settings))
    }
}

impl Plan {
    /// The number is written down with what openIMIS is brought to.
    pub fn numbered(self, Identity(identity): Identity) -> Self {
        let numbered = |record| Record { national_id: identity.map(|(id, _)| id), ..record };
        match self {
            Self::Settled(record) => Self::Settled(numbered(record)),
            Self::Write { mutation, record } => Self::Write { mutation, record: numbered(record) },
        }
    }
}

impl<H: Http, S: Store + Ledger, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Why an entry may not be written. A whole run reads all that there are, and a registry that moved has other names for all of them: so
    /// there only those of the run itself are in each other's way.
    pub(super) async fn in_the_way(
        &self,
        item: &Item,
        kept: Option<&StoredFacility>,
        envelope: &Envelope,
        identity: &Identity,
        is_whole: bool,
    ) -> Result<Option<Record>, StoreError> {
        if let Some(reason) = kept.and_then(|kept| kept.is_another(envelope, identity)) {
            return Ok(Some(item.another(envelope, reason)));
        }
        let is_new = kept.is_none_or(|kept| kept.fingerprint.is_none());
        let (false, true, Some(code)) = (is_whole, is_new, &envelope.code) else { return Ok(None) };
        let holders = self.store.facilities_with_codes(std::slice::from_ref(code)).await?;
        let other = holders.into_iter().find(|(_, source)| *source != item.source);
        Ok(other.map(|(_, other)| item.failed(envelope, same_code(&other))))
    }
}

/// Why an entry may not have the code of another one.
pub(super) fn same_code(other: &str) -> String {
    format!("{other} of the registry has the same code: which of the two is it?")
}

impl StoredFacility {
    /// What the settings or an admin say of its number goes first.
    fn is_another(&self, envelope: &Envelope, Identity(identity): &Identity) -> Option<String> {
        if self.fingerprint.is_none() || identity.as_ref().is_some_and(|(_, is_decided)| *is_decided) {
            return None;
        }
        let (what, old, new) = match (&self.national_id, identity, &self.code, &envelope.code) {
            (Some(old), Some((new, _)), ..) => ("number", old, new),
            (.., Some(old), Some(new)) => ("code", old, new),
            _ => return None,
        };
        (old != new).then(|| {
            format!(
                "this entry of the registry had the {what} {old} and has {new} now: if it is another facility, the registry gives it an entry \
                 of its own; if not, a row of codes says which one it is"
            )
        })
    }
}
