//! Which CHT place a new person comes to: by the settings' table and the one that was imported.

use std::borrow::Cow;

use mapping::patient::{PlaceLink, Settings};
use serde::Deserialize;

use crate::Flow;
use crate::deliver::{Attempt, Interruption};
use crate::message::Message;
use crate::ports::{Clock, Http, Mapper, Store};

#[derive(Default, Deserialize)]
struct Claim {
    provider: Option<Provider>,
}

/// The claim's health facility; openIMIS writes its code where FHIR has a text for people.
#[derive(Deserialize)]
struct Provider {
    display: Option<String>,
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Codes of the patient's location, nearest first, and the mapping's settings with what the imported table says of them. The
    /// settings' own rows win: they are the exceptions that somebody wrote down by hand. Where no row fits, the claim's health facility
    /// is looked for.
    pub(crate) async fn places_for(
        &self,
        patient: &str,
        message: &Message,
        attempt: &mut Attempt,
    ) -> Result<(Vec<String>, Cow<'_, Settings>), Interruption> {
        let settings = &self.settings.mapping.patient;
        if settings.places.is_empty() && !self.store.has_places().await? {
            return Ok((Vec::new(), Cow::Borrowed(settings)));
        }
        let codes = self.location_codes(patient, &mut attempt.trail).await;
        let mut codes = codes.map_err(|error| self.stop(&error, false, message))?;
        let mut places = self.rows_for(&codes).await?;
        if places.is_empty()
            && let Some(facility) = self.facility(message, attempt).await?
        {
            places = self.rows_for(std::slice::from_ref(&facility)).await?;
            codes.push(facility);
        }
        // Without a copy of the settings' own rows.
        let (person_type, phone_prefix) = (settings.person_type.clone(), settings.phone_prefix.clone());
        Ok((
            codes,
            Cow::Owned(Settings { places, person_type, phone_prefix, default_place: settings.default_place.clone() }),
        ))
    }

    async fn rows_for(&self, codes: &[String]) -> Result<Vec<PlaceLink>, Interruption> {
        let own = &self.settings.mapping.patient.places;
        let mut rows: Vec<PlaceLink> = own.iter().filter(|own| codes.contains(&own.location_code)).cloned().collect();
        let imported = self.store.places(codes).await?;
        rows.extend(imported.into_iter().filter(|row| !own.iter().any(|own| own.location_code == row.location_code)));
        Ok(rows)
    }

    /// Code of the claim's health facility, where openIMIS tells it.
    async fn facility(&self, message: &Message, attempt: &mut Attempt) -> Result<Option<String>, Interruption> {
        let Some(uuid) = message.claim_uuid.as_deref() else { return Ok(None) };
        match self.openimis_resource("Claim", uuid, &mut attempt.trail).await {
            Ok(answer) => {
                let claim: Claim = serde_json::from_str(&answer.text).unwrap_or_default();
                let code = claim.provider.and_then(|provider| provider.display).map(mapping::text::owned);
                Ok(code.filter(|code| !code.is_empty()))
            }
            Err(error) if error.is_not_there() => Ok(None),
            Err(error) => Err(self.stop(&error, false, message)),
        }
    }
}
