//! What callers were told, against what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandbox::Sandbox;
use serde_json::Value;

use crate::load::id_of;
use crate::store::Listed;

/// What is sent. The order is that in which they are told.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A claim that openIMIS knows.
    Claim,
    /// Feedback on it.
    Feedback,
    /// Feedback on a claim that openIMIS does not know: a dead letter.
    Stray,
}

impl Kind {
    /// As the mediator calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim-response",
            Self::Feedback | Self::Stray => "feedback",
        }
    }

    /// The only state in which a message of this kind may end here: no fault of the weather is one for ever.
    fn end(self) -> &'static str {
        match self {
            Self::Claim | Self::Feedback => "delivered",
            Self::Stray => "dead",
        }
    }
}

/// What a caller was told.
#[derive(Debug)]
pub enum Answer {
    /// 202, with its body, unless that was cut off.
    Acknowledged(Option<Value>),
    /// Another status.
    Refused(u16),
    /// Nothing.
    None,
}

impl Answer {
    pub fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Acknowledged(_))
    }
}

/// Everything that was sent, and each answer.
#[derive(Default)]
pub struct Books(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    /// By kind and claim: acknowledged or not, and with which numbers.
    sent: BTreeMap<(Kind, String), (bool, Vec<i64>)>,
    /// How often each status came; 0 is no answer.
    statuses: BTreeMap<u16, u64>,
}

impl Books {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer.
    pub fn note(&self, kind: Kind, claim: &str, answer: &Answer) {
        let mut pages = self.pages();
        let (acknowledged, ids) = pages.sent.entry((kind, claim.to_owned())).or_default();
        let status = match answer {
            Answer::Acknowledged(body) => {
                *acknowledged = true;
                ids.extend(body.as_ref().and_then(id_of));
                202
            }
            Answer::Refused(status) => *status,
            Answer::None => 0,
        };
        *pages.statuses.entry(status).or_default() += 1;
    }

    /// How many messages were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.pages().sent.values().filter(|(acknowledged, _)| *acknowledged).count()
    }

    /// How often each status came; 0 is no answer.
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        self.pages().statuses.clone()
    }

    /// Balances the books once the mediator has nothing to do any more.
    pub fn balance(&self, messages: &[Listed], sandbox: &Sandbox) -> Balance {
        let mut balance = Balance::default();
        let pages = self.pages();
        let mut kept: HashMap<(&str, &str), Vec<&Listed>> = HashMap::new();
        for message in messages {
            let claim = message.claim_uuid.as_deref().unwrap_or_default();
            kept.entry((&message.kind, claim)).or_default().push(message);
        }
        let peers = Peers::of(sandbox);
        for ((kind, claim), (acknowledged, ids)) in &pages.sent {
            let messages = kept.remove(&(kind.word(), claim.as_str())).unwrap_or_default();
            let arrived = peers.count(*kind, claim);
            balance.acknowledged += usize::from(*acknowledged);
            balance.delivered += messages.iter().filter(|message| message.state == "delivered").count();
            balance.dead += messages.iter().filter(|message| message.state == "dead").count();
            balance.attempts += messages.iter().map(|message| u64::from(message.attempts)).sum::<u64>();
            let what = || format!("{kind:?} {claim}: {arrived} at the peer, answered as {ids:?}, kept as {messages:?}");
            if messages.len() > 1 || arrived > 1 || ids.iter().any(|id| *id != ids[0]) {
                balance.doubled.push(what());
            }
            let wanted = usize::from(kind.end() == "delivered");
            match messages.first() {
                None if *acknowledged || arrived > 0 => balance.lost.push(what()),
                None => {}
                Some(message) if message.state != kind.end() => balance.lost.push(what()),
                Some(_) if arrived < wanted => balance.lost.push(what()),
                Some(message) if ids.first().is_some_and(|id| *id != message.id) => balance.lost.push(what()),
                Some(_) => {}
            }
        }
        balance.unknown = kept.into_values().flatten().map(|message| format!("{message:?}")).collect();
        balance.disordered = peers.disordered();
        balance
    }
}

/// What arrived at the peers, and when, in milliseconds, by claim.
struct Peers {
    records: HashMap<String, Vec<i64>>,
    feedback: HashMap<String, Vec<i64>>,
}

impl Peers {
    fn of(sandbox: &Sandbox) -> Self {
        let mut peers = Self { records: HashMap::new(), feedback: HashMap::new() };
        for record in sandbox.cht.records() {
            let claim = record["fields"]["op_claim_uuid"].as_str().unwrap_or_default();
            // The stand-in's time: the mediator sends none.
            let at = record["reported_date"].as_i64().expect("a time");
            peers.records.entry(claim.to_owned()).or_default().push(at);
        }
        for (about, at) in sandbox.openimis.feedback_arrivals() {
            let claim = about.rsplit('/').next().unwrap_or_default();
            peers.feedback.entry(claim.to_owned()).or_default().push(at.as_millisecond());
        }
        peers
    }

    fn count(&self, kind: Kind, claim: &str) -> usize {
        let arrived = if kind == Kind::Claim { &self.records } else { &self.feedback };
        arrived.get(claim).map_or(0, Vec::len)
    }

    /// Feedback that openIMIS had before CHT had the claim.
    fn disordered(&self) -> Vec<String> {
        let early = self.feedback.iter().filter(|(claim, at)| {
            let record = self.records.get(*claim).and_then(|at| at.iter().min());
            record.is_none_or(|record| at.iter().any(|at| at < record))
        });
        early
            .map(|(claim, at)| format!("feedback on {claim} at {at:?}, record at {:?}", self.records.get(claim)))
            .collect()
    }
}

/// How the books balance.
#[derive(Debug, Default)]
pub struct Balance {
    pub acknowledged: usize,
    pub delivered: usize,
    pub dead: usize,
    pub attempts: u64,
    /// Acknowledged or kept, and neither delivered nor the dead letter that it has to be.
    pub lost: Vec<String>,
    /// Twice at a peer or in the store.
    pub doubled: Vec<String>,
    /// Feedback before its claim.
    pub disordered: Vec<String>,
    /// In the store, though nobody sent it.
    pub unknown: Vec<String>,
}

impl Balance {
    /// Everything that is wrong.
    pub fn wrong(&self) -> String {
        let lists = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.disordered),
            ("unknown", &self.unknown),
        ];
        let mut wrong = String::new();
        for (what, list) in lists {
            for line in list.iter().take(10) {
                wrong.push_str(&format!("\n{what}: {line}"));
            }
        }
        wrong
    }
}
