//! Who is signed in. A session is a random number in a cookie; what belongs to it stays in this process and ends with it. Time is an
//! argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow::MessageId;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use auth::{Client, credential::Fingerprint};

/// Most sessions at a time; the one that was idle longest makes room.
const MOST: usize = 1000;
/// How long personal data stays visible to who asked for it.
const SHOWN_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What holds personal data that an admin can ask to see.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Personal {
    /// A message's documents.
    Message(MessageId),
    /// An insuree and a contact that may be the same.
    Proposal(i64),
}

/// All sessions.
pub struct Sessions {
    all: Mutex<HashMap<[u8; 32], Session>>,
    idle: SignedDuration,
    longest: SignedDuration,
}

struct Session {
    client: Arc<Client>,
    /// Who signed in by certificate has to show it with every request.
    certificate: Option<Fingerprint>,
    csrf: String,
    begun: Timestamp,
    seen: Timestamp,
    shown: HashMap<Personal, Timestamp>,
}

/// What a request may know of its session.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Who.
    pub client: Arc<Client>,
    /// What every form has to bring along.
    pub csrf: String,
    /// What this admin asked to see, and until when.
    pub shown: HashMap<Personal, Timestamp>,
}

impl Sessions {
    /// None yet.
    pub fn new(idle: SignedDuration, longest: SignedDuration) -> Self {
        Self { all: Mutex::default(), idle, longest }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one; returns what goes into the cookie. None: the system gives no random numbers.
    pub fn begin(&self, client: Arc<Client>, certificate: Option<Fingerprint>, now: Timestamp) -> Option<String> {
        let (id, csrf) = (random()?, random()?);
        let session = Session { client, certificate, csrf, begun: now, seen: now, shown: HashMap::new() };
        let mut all = self.all();
        all.retain(|_, session| self.lives(session, now));
        if all.len() >= MOST
            && let Some(idlest) = all.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key)
        {
            all.remove(&idlest);
        }
        all.insert(key(&id), session);
        Some(id)
    }

    /// The session of a cookie. `touch`: somebody clicked, so it lives on.
    pub fn find(&self, id: &str, certificate: Option<Fingerprint>, now: Timestamp, touch: bool) -> Option<Signed> {
        let mut all = self.all();
        let session = all.get_mut(&key(id))?;
        if !self.lives(session, now) {
            all.remove(&key(id));
            return None;
        }
        if session.certificate.is_some() && session.certificate != certificate {
            return None;
        }
        if touch {
            session.seen = now;
        }
        session.shown.retain(|_, until| *until > now);
        Some(Signed { client: session.client.clone(), csrf: session.csrf.clone(), shown: session.shown.clone() })
    }

    fn lives(&self, session: &Session, now: Timestamp) -> bool {
        now.duration_since(session.seen) < self.idle && now.duration_since(session.begun) < self.longest
    }

    /// Ends one.
    pub fn end(&self, id: &str) {
        self.all().remove(&key(id));
    }

    /// It is visible in this session for a while.
    pub fn show(&self, id: &str, what: Personal, now: Timestamp) {
        if let Some(session) = self.all().get_mut(&key(id)) {
            session.shown.insert(what, now.saturating_add(SHOWN_FOR).unwrap_or(now));
        }
    }

    /// It is hidden again.
    pub fn hide(&self, id: &str, what: Personal) {
        if let Some(session) = self.all().get_mut(&key(id)) {
            session.shown.remove(&what);
        }
    }
}

/// What is kept of a cookie: how long a look-up takes says nothing of what is in the map.
fn key(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// 256 random bits in hexadecimal digits.
pub fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
