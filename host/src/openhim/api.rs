//! Requests to the core's API, with Basic credentials or OpenHIM's own tokens. TLS is verified with `tls.ca_file` as for every peer.

use std::sync::{Mutex, PoisonError};

use base64::Engine;
use flow::openhim::core::{Call, CoreError, read};
use flow::ports::{Clock, Http, HttpError};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha512};

use crate::Host;
use crate::clock::SystemClock;
use crate::config::{Auth, OpenHim};
use crate::http::ReqwestHttp;

/// Why a call brought nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The core said no.
    #[error(transparent)]
    Refused(#[from] CoreError),
    /// It said nothing.
    #[error("the core is away: {0}")]
    Away(#[from] HttpError),
    /// The settings cannot make a request.
    #[error("openhim.{0} cannot be used")]
    Unusable(&'static str),
}

impl CallError {
    /// Without the core's own words, which may be those of a document or of a proxy's page: for the log.
    pub(super) fn unquoted(&self) -> String {
        match self {
            Self::Refused(refused) => refused.unquoted(),
            other => other.to_string(),
        }
    }
}

/// What tokens are made of, once the core has told it.
#[derive(Default)]
pub(super) struct Login(Mutex<Option<Salt>>);

#[derive(Clone)]
struct Salt {
    salt: String,
    /// How far the core's clock is ahead: it takes a token for 10 s only.
    ahead: SignedDuration,
}

/// How far clocks may drift before a token is taken for a wrong one because of that.
const DRIFT: SignedDuration = SignedDuration::from_secs(2);

impl Salt {
    fn differs(&self, other: &Self) -> bool {
        self.salt != other.salt || (self.ahead - other.ahead).abs() > DRIFT
    }
}

impl Login {
    fn known(&self) -> Option<Salt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, salt: Option<Salt>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = salt;
    }
}

/// The core of a configuration, and how it is reached.
pub(super) struct Core<'a> {
    pub openhim: &'a OpenHim,
    pub http: &'a ReqwestHttp,
    pub clock: &'a SystemClock,
    pub login: &'a Login,
}

/// Asks the core.
pub(super) async fn call(host: &Host, call: &Call<'_>) -> Result<Value, CallError> {
    let (openhim, login) = (&host.config.openhim, &host.openhim.login);
    Core { openhim, http: &host.flow.http, clock: &host.flow.clock, login }.call(call).await
}

impl Core<'_> {
    /// Asks it.
    pub async fn call(&self, call: &Call<'_>) -> Result<Value, CallError> {
        let called = attempt(self, call).await;
        // The password may have been set anew, with another salt, or one of the clocks set right: both are asked for once more.
        if matches!(called, Err(CallError::Refused(CoreError::Credentials))) && self.openhim.auth == Auth::Token {
            let known = self.login.known();
            self.login.know(None);
            let salt = salt(self).await?;
            if known.is_some_and(|known| known.differs(&salt)) {
                return attempt(self, call).await;
            }
        }
        called
    }
}

async fn attempt(core: &Core<'_>, call: &Call<'_>) -> Result<Value, CallError> {
    let openhim = core.openhim;
    let (Some(username), Some(password)) = (&openhim.username, &openhim.password) else {
        return Err(CallError::Unusable("username"));
    };
    let headers = match openhim.auth {
        Auth::Basic => basic(username, password),
        Auth::Token => token(username, password, &salt(core).await?, core.clock.now()),
    };
    send(core, call, headers.ok_or(CallError::Unusable("username"))?).await
}

async fn send(core: &Core<'_>, call: &Call<'_>, headers: HeaderMap) -> Result<Value, CallError> {
    let openhim = core.openhim;
    let request = openhim.url.as_ref().and_then(|url| call.request(url));
    let mut request = request.ok_or(CallError::Unusable("url"))?;
    request.headers_mut().extend(headers);
    let timeout = openhim.timeout.try_into().unwrap_or_default();
    let answer = core.http.send(request, timeout).await?;
    Ok(read(call, &answer)?)
}

async fn salt(core: &Core<'_>) -> Result<Salt, CallError> {
    if let Some(salt) = core.login.known() {
        return Ok(salt);
    }
    let Some(username) = &core.openhim.username else { return Err(CallError::Unusable("username")) };
    let told = send(core, &Call::Salt(username), HeaderMap::new()).await;
    let told = told.map_err(|error| match error {
        CallError::Refused(CoreError::Unknown(_)) => CallError::Refused(CoreError::Credentials),
        other => other,
    })?;
    let now = core.clock.now();
    let theirs = told["ts"].as_str().and_then(|ts| ts.parse::<Timestamp>().ok());
    let Some(salt) = told["salt"].as_str() else {
        return Err(CoreError::Strange(200, "no salt for the user".to_owned()).into());
    };
    let salt = Salt { salt: salt.to_owned(), ahead: theirs.map_or(SignedDuration::ZERO, |at| at.duration_since(now)) };
    core.login.know(Some(salt.clone()));
    Ok(salt)
}

fn basic(username: &str, password: &SecretString) -> Option<HeaderMap> {
    let pair = format!("{username}:{}", password.expose_secret());
    let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    Some(HeaderMap::from_iter([(header::AUTHORIZATION, secret(&value)?)]))
}

/// The core keeps SHA-512 of salt and password, and expects that of this, the salt and the time.
fn token(username: &str, password: &SecretString, salt: &Salt, now: Timestamp) -> Option<HeaderMap> {
    let at = now.saturating_add(salt.ahead).unwrap_or(now);
    let at = format!("{at:.3}");
    let hash = hex(&[&salt.salt, password.expose_secret()]);
    let token = hex(&[&hash, &salt.salt, &at]);
    let pairs = [("auth-username", username), ("auth-ts", &at), ("auth-salt", &salt.salt), ("auth-token", &token)];
    pairs.into_iter().map(|(name, value)| Some((HeaderName::from_static(name), secret(value)?))).collect()
}

fn hex(texts: &[&str]) -> String {
    let mut hash = Sha512::new();
    texts.iter().for_each(|text| hash.update(text));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
