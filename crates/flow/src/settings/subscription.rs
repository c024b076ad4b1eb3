//! The subscription that makes openIMIS post claims: its address, its credentials, how long it lasts.

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

/// The subscription at openIMIS.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subscription {
    /// Where openIMIS reaches this mediator's /mediator/claim-response. The host must be an IP address, `localhost` or
    /// a name with a dot and without an underscore: openIMIS silently ignores others. Put no user or password into it:
    /// all users of openIMIS can read it.
    ///
    /// Optional, for example `"https://mediator.example.org/mediator/claim-response"`. Without it: no
    /// subscription is kept and claims are found by polling only.
    pub callback: Option<Url>,
    /// User that openIMIS shows to the callback, for example an OpenHIM client's. Set it together with the password.
    ///
    /// Optional, for example `"interop-client"`. Without it: both as in `[inbound]`.
    pub username: Option<String>,
    /// Its password.
    ///
    /// Optional, for example `"change-me"`. Without it: both as in `[inbound]`.
    pub password: Option<SecretString>,
    /// How long a subscription lasts; it is renewed when a tenth of that is left.
    ///
    /// Default: `"8760h"` (365 days).
    pub lifetime: SignedDuration,
    /// Time between two looks at it.
    ///
    /// Default: `"1h"`.
    pub check_interval: SignedDuration,
}

impl Default for Subscription {
    fn default() -> Self {
        Self {
            callback: None,
            username: None,
            password: None,
            lifetime: SignedDuration::from_hours(365 * 24),
            check_interval: SignedDuration::from_hours(1),
        }
    }
}

/// Says why openIMIS would never post to this address, as it would silently do.
pub fn check_callback(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("openIMIS posts to http and https addresses only, not to {}:", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let keys = "subscription.username and subscription.password";
        return Err(format!(
            "the address holds a user or password, which openIMIS shows to all its users: set {keys} instead"
        ));
    }
    match url.host() {
        None => Err("the address has no host".to_owned()),
        Some(Host::Domain(name)) if name.contains('_') => Err(format!(
            "openIMIS silently ignores the host {name}: it has an underscore. Give the service a name without one, for example mediator.internal"
        )),
        Some(Host::Domain(name)) if name != "localhost" && !name.trim_end_matches('.').contains('.') => Err(format!(
            "openIMIS silently ignores the host {name}: it has no dot. Give the service a dotted name or alias, for example {name}.internal"
        )),
        Some(_) => Ok(()),
    }
}
