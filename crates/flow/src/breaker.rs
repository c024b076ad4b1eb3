//! Whether a peer can be spoken to: a circuit breaker that opens after failures in a row and lets single requests probe, and pauses
//! that a peer's own words ask for. Time is an argument.

use jiff::{SignedDuration, Timestamp};

use crate::message::Kind;
use crate::peers::error::{Peer, PeerError};
use crate::ports::{Clock, Http, Mapper, Store};
use crate::settings::Retry;
use crate::{Flow, held};

/// What is known of a peer.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Failed requests since the last one that worked.
    pub failures: u32,
    /// How often the breaker opened since then.
    opened: u32,
    /// Since when no request worked; none while they do.
    pub since: Option<Timestamp>,
    /// Why it is left alone, in our own words: for a log.
    pub cause: String,
    /// Left alone until then; afterwards it is probed, until a request works.
    pub away: Option<(Timestamp, String)>,
    /// When a request last worked, since this process started.
    pub last_success: Option<Timestamp>,
    /// When one last failed, and why; the words may be the peer's.
    pub last_failure: Option<(Timestamp, String)>,
    /// When one last got no answer: what was sent until then may still wait at the peer.
    pub last_silence: Option<Timestamp>,
}

/// How messages of a kind go on at the moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gate {
    /// As many at a time as the settings allow.
    Open,
    /// One at a time: a peer was away and has not shown yet that it is back.
    Probe,
    /// None before this moment.
    Closed {
        /// Until when.
        until: Timestamp,
        /// Which peer, and why.
        reason: String,
    },
}

impl Health {
    /// A request worked, or was refused in the peer's own words: it is there.
    fn worked(&mut self, now: Timestamp) {
        let (last_failure, last_silence) = (self.last_failure.take(), self.last_silence);
        *self = Self { last_success: Some(now), last_failure, last_silence, ..Self::default() };
    }

    /// A request failed.
    fn failed(&mut self, why: &str, now: Timestamp, retry: &Retry) {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        self.last_failure = Some((now, why.to_owned()));
        let was_away = self.away.as_ref();
        if was_away.is_some_and(|(until, _)| *until > now) {
            return; // it was sent before the breaker opened
        }
        if was_away.is_none() && self.failures < retry.trip_after {
            return;
        }
        let doubled = 2_i32.checked_pow(self.opened).unwrap_or(i32::MAX);
        let wait = retry.first.checked_mul(doubled).map_or(retry.probe_longest, |wait| wait.min(retry.probe_longest));
        self.opened = self.opened.saturating_add(1);
        let reason = format!("{} requests in a row failed, the last one with: {why}", self.failures);
        self.leave_alone(now.saturating_add(wait).unwrap_or(Timestamp::MAX), &reason, now);
    }

    fn leave_alone(&mut self, until: Timestamp, reason: &str, now: Timestamp) {
        self.since.get_or_insert(now);
        self.cause = reason.to_owned();
        self.away = Some((until, reason.to_owned()));
    }

    /// Whether it is left alone, or has not shown yet that it is back.
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }

    fn gate(&self, peer: Peer, now: Timestamp) -> Gate {
        match &self.away {
            None => Gate::Open,
            Some((until, _)) if *until <= now => Gate::Probe,
            Some((until, reason)) => Gate::Closed { until: *until, reason: format!("{peer}: {reason}") },
        }
    }
}

/// The health of all peers.
#[derive(Debug, Default)]
pub(crate) struct Healths {
    openimis: Health,
    cht: Health,
    hospital: Health,
}

impl Healths {
    fn of(&mut self, peer: Peer) -> &mut Health {
        match peer {
            Peer::OpenImis => &mut self.openimis,
            Peer::Cht => &mut self.cht,
            Peer::Hospital => &mut self.hospital,
        }
    }
}

impl<H: Http, S: Store, C: Clock, M: Mapper> Flow<H, S, C, M> {
    /// Until when a peer is left alone, and why.
    pub fn paused(&self, peer: Peer) -> Option<(Timestamp, String)> {
        let now = self.clock.now();
        held(&self.healths).of(peer).away.clone().filter(|(until, _)| *until > now)
    }

    /// Leaves a peer alone for as long as an earlier process was told to.
    pub fn keep_paused(&self, peer: Peer, until: Timestamp, reason: &str) {
        held(&self.healths).of(peer).leave_alone(until, reason, self.clock.now());
    }

    /// What is known of a peer.
    pub fn health(&self, peer: Peer) -> Health {
        held(&self.healths).of(peer).clone()
    }

    /// How messages of a kind go on at the moment. A claim goes to CHT, and many need openIMIS before that: while openIMIS is away they
    /// go one at a time, so that those which need it do not turn in circles and the others still go.
    pub fn gate(&self, kind: Kind) -> Gate {
        let now = self.clock.now();
        let mut healths = held(&self.healths);
        let openimis = healths.of(Peer::OpenImis).gate(Peer::OpenImis, now);
        match kind {
            Kind::Feedback | Kind::Eclaim | Kind::Adjudication => openimis,
            Kind::EclaimAnswer => healths.of(Peer::Hospital).gate(Peer::Hospital, now),
            Kind::ClaimResponse => match (healths.of(Peer::Cht).gate(Peer::Cht, now), openimis) {
                (Gate::Open, Gate::Open) => Gate::Open,
                (closed @ Gate::Closed { .. }, _) => closed,
                _ => Gate::Probe,
            },
        }
    }

    /// Leaves a peer alone and says so as an error.
    pub(crate) fn leave_alone(&self, peer: Peer, wait: SignedDuration, reason: &str) -> PeerError {
        let now = self.clock.now();
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let mut healths = held(&self.healths);
        healths.of(peer).leave_alone(until, reason, now);
        // What the peer itself said stands in brackets behind our words.
        healths.of(peer).cause = reason.split(" (").next().unwrap_or_default().to_owned();
        drop(healths);
        if peer == Peer::Cht {
            self.cht.set_open(false);
        }
        PeerError::Paused { peer, until, reason: reason.to_owned() }
    }

    /// Learns from what became of a request.
    pub(crate) fn learn<T: PeerAnswer>(&self, peer: Peer, answer: &Result<T, PeerError>) {
        let failed = match answer {
            Ok(answer) if answer.is_the_peers_own() => None,
            Ok(_) => Some("an answer that is not JSON".to_owned()),
            Err(PeerError::Refused(..)) => None,
            Err(PeerError::Paused { .. }) => return, // nothing was sent, or the pause is set already
            // A right is missing: the peer is there, and other requests may work.
            Err(PeerError::Failed(_, status, _)) if *status == http::StatusCode::FORBIDDEN => return,
            Err(error) => Some(error.to_string()),
        };
        let unquoted = answer.as_ref().err().map(PeerError::unquoted);
        let mut healths = held(&self.healths);
        if matches!(answer, Err(PeerError::NoAnswer(..))) {
            healths.of(peer).last_silence = Some(self.clock.now());
        }
        match failed {
            None => healths.of(peer).worked(self.clock.now()),
            Some(why) => {
                let health = healths.of(peer);
                health.failed(&why, self.clock.now(), &self.settings.retry);
                if let Some(unquoted) = unquoted {
                    health.cause = health.cause.replace(&why, &unquoted);
                }
            }
        }
    }
}

/// What can be told of an answer before it is read.
pub(crate) trait PeerAnswer {
    /// A proxy's page is not; neither peer says anything but JSON, or nothing.
    fn is_the_peers_own(&self) -> bool;
}

/// A login that could be read.
impl PeerAnswer for String {
    fn is_the_peers_own(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: fn() -> Retry = Retry::default;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn closed_until(health: &Health, now: i64) -> Option<i64> {
        match health.gate(Peer::Cht, at(now)) {
            Gate::Closed { until, .. } => Some(until.as_second()),
            _ => None,
        }
    }

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_and_waits_longer_each_time() {
        let (mut health, retry) = (Health::default(), RETRY());
        for _ in 0..4 {
            health.failed("down", at(0), &retry);
            assert_eq!(health.gate(Peer::Cht, at(0)), Gate::Open);
        }
        health.failed("down", at(0), &retry);
        assert_eq!(closed_until(&health, 0), Some(5));
        health.failed("down", at(1), &retry);
        assert_eq!(closed_until(&health, 1), Some(5), "one that was on its way counts no more");
        assert_eq!(health.gate(Peer::Cht, at(5)), Gate::Probe);
        let mut now = 5;
        for wait in [10, 20, 40, 60, 60] {
            health.failed("down", at(now), &retry);
            assert_eq!(closed_until(&health, now), Some(now + wait));
            now += wait;
        }
        health.worked(at(now));
        assert_eq!(health.gate(Peer::Cht, at(now)), Gate::Open);
        assert_eq!(health.last_success, Some(at(now)));
        assert_eq!(
            health.last_failure,
            Some((at(now - 60), "down".to_owned())),
            "a failure is told of also afterwards"
        );
        health.failed("down", at(now), &retry);
        assert_eq!(health.gate(Peer::Cht, at(now)), Gate::Open, "counting begins anew");
    }

    #[test]
    fn failures_with_successes_between_them_open_nothing() {
        let (mut health, retry) = (Health::default(), RETRY());
        for _ in 0..20 {
            (0..4).for_each(|_| health.failed("one message", at(0), &retry));
            health.worked(at(0));
        }
        assert_eq!(health.gate(Peer::Cht, at(0)), Gate::Open);
    }
}
