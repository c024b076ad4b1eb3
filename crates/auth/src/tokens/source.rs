//! Where a key set is: read or fetched once, kept, and had anew when it is old or when a key is asked for that it has not. An issuer that
//! is away does no harm for a while.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use url::Url;

use super::KeysError;
use super::keys::{KeySet, Miss};
use crate::settings::Tokens;
use crate::tls_client::{self, HttpSetupError};

/// Longest key set that is read. A hundred keys have some 60 kB.
const LONGEST_SET: usize = 256 << 10;
/// How often a file is looked at, and how soon again for a key that was not there.
const FILE_REFRESH: Duration = Duration::from_secs(10);
const FILE_AGAIN: Duration = Duration::from_secs(1);

/// Makes what is needed to have key sets, once it is needed.
pub struct Sources<'a> {
    settings: &'a Tokens,
    ca_file: Option<&'a Path>,
    client: Option<reqwest::Client>,
}

impl<'a> Sources<'a> {
    /// With the times of these settings.
    pub fn new(settings: &'a Tokens, ca_file: Option<&'a Path>) -> Self {
        Self { settings, ca_file, client: None }
    }

    /// The keys of a file, which must be there now, or those of a URL, which may come later.
    pub(super) fn keys(&mut self, label: &str, file: Option<&Path>, url: Option<&Url>) -> Result<Arc<Keys>, KeysError> {
        let settings = self.settings;
        let std = |time: jiff::SignedDuration| Duration::try_from(time).unwrap_or_default();
        let keep = std(settings.keep);
        let (place, refresh, again) = match (file, url) {
            (Some(path), _) => (Place::File(path.to_owned()), FILE_REFRESH, FILE_AGAIN),
            (None, Some(url)) => {
                let place = Place::Url { client: self.client()?, url: url.clone(), timeout: std(settings.timeout) };
                (place, std(settings.refresh), std(settings.refresh_at_most_every))
            }
            (None, None) => return Err(KeysError::Unusable(format!("{label}_url"), "is missing".to_owned())),
        };
        let mut state = State { set: None, tried: None };
        if let Place::File(path) = &place {
            let unusable = |reason| KeysError::Unusable(format!("{label}_file {}", path.display()), reason);
            let set = read(path).map_err(unusable)?;
            state = State { set: Some((Arc::new(set), Instant::now())), tried: Some(Instant::now()) };
        }
        let fetching = Arc::default();
        Ok(Arc::new(Keys { label: label.to_owned(), place, refresh, again, keep, state: Mutex::new(state), fetching }))
    }

    fn client(&mut self) -> Result<reqwest::Client, HttpSetupError> {
        match &self.client {
            Some(client) => Ok(client.clone()),
            None => Ok(self.client.insert(tls_client::client(self.ca_file)?).clone()),
        }
    }
}

/// One key set, as it is now.
#[derive(Debug)]
pub struct Keys {
    /// The setting, for the log.
    label: String,
    place: Place,
    /// When a set is old.
    refresh: Duration,
    /// How soon it may be had again, whatever is asked for.
    again: Duration,
    /// When a set is too old to be used.
    keep: Duration,
    state: Mutex<State>,
    /// Held by the one who has it anew.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Url { client: reqwest::Client, url: Url, timeout: Duration },
}

#[derive(Debug)]
struct State {
    set: Option<(Arc<KeySet>, Instant)>,
    tried: Option<Instant>,
}

impl Keys {
    /// The key of this name for this algorithm.
    pub async fn find(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, Miss> {
        let known = self.current();
        let missed = match known.as_ref().map(|(set, _)| set.find(id, algorithm)) {
            Some(Ok(key)) => {
                self.refresh_behind(known.is_some_and(|(_, age)| age > self.refresh));
                return Ok(key);
            }
            Some(Err(miss)) => miss,
            None => Miss::Away,
        };
        // It may be a new one. All who ask for it meanwhile wait for the same answer.
        let guard = self.fetching.clone().lock_owned().await;
        if self.may_try() {
            self.renew(guard).await;
        }
        self.current().map_or(Err(missed), |(set, _)| set.find(id, algorithm))
    }

    /// The set and its age, unless it is too old.
    fn current(&self) -> Option<(Arc<KeySet>, Duration)> {
        let (set, at) = self.state().set.clone()?;
        let age = at.elapsed();
        (age <= self.keep).then_some((set, age))
    }

    fn may_try(&self) -> bool {
        self.state().tried.is_none_or(|at| at.elapsed() >= self.again)
    }

    /// Whoever has a key need not wait for a new set.
    fn refresh_behind(self: &Arc<Self>, is_old: bool) {
        if is_old
            && self.may_try()
            && let Ok(guard) = self.fetching.clone().try_lock_owned()
        {
            let keys = self.clone();
            tokio::spawn(async move { keys.renew(guard).await });
        }
    }

    /// Has the set anew. What cannot be had leaves the old one as it is.
    async fn renew(&self, _one: OwnedMutexGuard<()>) {
        self.state().tried = Some(Instant::now());
        let had = match &self.place {
            Place::File(path) => read(path),
            Place::Url { client, url, timeout } => tokio::time::timeout(*timeout, fetch(client, url))
                .await
                .unwrap_or_else(|_| Err("the time was up".to_owned())),
        };
        match had {
            Ok(set) => self.state().set = Some((Arc::new(set), Instant::now())),
            Err(reason) => {
                let keys = &self.label;
                tracing::warn!(keys, reason, "public keys cannot be had; those that are known are used on for a while");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<KeySet, String> {
    let text = files::read(path, LONGEST_SET as u64).map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => "is longer than 256 KiB".to_owned(),
        _ => error.to_string(),
    })?;
    KeySet::parse(&text)
}

/// A whole answer 200. Its text is not told: nobody knows what it holds.
async fn fetch(client: &reqwest::Client, url: &Url) -> Result<KeySet, String> {
    let failed = |error: reqwest::Error| tls_client::reason(&error);
    let asked = client.get(url.clone()).header("accept", "application/jwk-set+json, application/json");
    let mut answer = asked.send().await.map_err(failed)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer was {}", answer.status().as_u16()));
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if text.len() + chunk.len() > LONGEST_SET {
            return Err("the answer is longer than 256 KiB".to_owned());
        }
        text.extend_from_slice(&chunk);
    }
    KeySet::parse(&text).map_err(|reason| format!("the answer {reason}"))
}
