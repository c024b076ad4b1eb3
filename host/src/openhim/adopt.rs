//! Where the file and OpenHIM's console say different things: what that is, and either of them made to count.

use std::collections::BTreeMap;

use flow::openhim::core::{Call, CoreError};
use flow::ports::StoreError;

use super::api::{CallError, Core, Login};
use super::live;
pub use super::live::{InForce, plainly};
use crate::clock::SystemClock;
use crate::config::Config;
use auth::tls_client::HttpSetupError;

use crate::http::ReqwestHttp;
use store::{SqlStore, peek_openhim_settings};

/// Why the file's values were not adopted.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The console does not decide on anything.
    #[error("OpenHIM's console decides on nothing: openhim.url is not set, or openhim.configure is off")]
    NotConfigured,
    /// The core does not know the mediator.
    #[error("OpenHIM does not know {0} yet: start the mediator, which registers with the values of the file")]
    NotRegistered(String),
    /// The core said no, or nothing.
    #[error("OpenHIM: {0}")]
    Core(CallError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// HTTP out.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
}

/// Settings of which OpenHIM's console says something else than the file, as of the last word of the console. A store that is not there
/// is not made.
pub async fn differences(config: &Config) -> Result<Vec<InForce>, StoreError> {
    let openhim = &config.openhim;
    if openhim.url.is_none() || !openhim.configure {
        return Ok(Vec::new());
    }
    let saved = peek_openhim_settings(&config.store, &openhim.urn).await?;
    Ok(saved.map(|saved| live::differences(&config.settings(), &saved)).unwrap_or_default())
}

/// Those settings as a piece of the file that holds what the console says.
pub fn as_toml(differences: &[InForce]) -> String {
    let mut tables = BTreeMap::<&str, String>::new();
    for InForce { key, value, .. } in differences {
        let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
        // Texts, whole numbers and booleans are written alike in both.
        tables.entry(table).or_default().push_str(&format!("{name} = {value}\n"));
    }
    tables.into_iter().map(|(table, lines)| format!("[{table}]\n{lines}\n")).collect()
}

/// Saves the values of the file in OpenHIM's console; a mediator that runs takes them over with its next heartbeat.
pub async fn adopt_file(config: &Config) -> Result<(), AdoptError> {
    let openhim = &config.openhim;
    if openhim.url.is_none() || !openhim.configure {
        return Err(AdoptError::NotConfigured);
    }
    let (values, kept) = live::kept(&config.settings());
    let http = ReqwestHttp::new(config.tls.ca_file.as_deref(), 1)?;
    let (clock, login) = (SystemClock::default(), Login::default());
    let core = Core { openhim, http: &http, clock: &clock, login: &login };
    match core.call(&Call::Configure(&openhim.urn, &values)).await {
        Ok(_) => {}
        Err(CallError::Refused(CoreError::Unknown(_))) => return Err(AdoptError::NotRegistered(openhim.urn.clone())),
        Err(error) => return Err(AdoptError::Core(error)),
    }
    // Also where no mediator runs now: the next start begins with them.
    let store = SqlStore::open(&config.store).await?;
    store.save_openhim_settings(&openhim.urn, &kept).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_the_console_says_is_written_as_the_file_is() {
        let one = |key, value| InForce { key, param: String::new(), value, file: Some(Value::Null) };
        let text = as_toml(&[
            one("poll.interval", "7m".into()),
            one("mapping.claim_response.locale", "ne".into()),
            one("retry.trip_after", 9.into()),
            one("tasks.include_rejected", true.into()),
        ]);
        let read: toml::Table = text.parse().expect("TOML");
        assert_eq!(read["poll"]["interval"].as_str(), Some("7m"), "{text}");
        assert_eq!(read["mapping"]["claim_response"]["locale"].as_str(), Some("ne"), "{text}");
        assert_eq!(
            (read["retry"]["trip_after"].as_integer(), read["tasks"]["include_rejected"].as_bool()),
            (Some(9), Some(true))
        );
    }
}
