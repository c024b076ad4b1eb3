//! Pure policy: when to try again, when to give up. Time is an argument.

use jiff::{SignedDuration, Timestamp};

use crate::message::{Kind, Message, MessageId, NewMessage, Origin, Outcome, State};
use crate::peers::error::PeerError;
use crate::settings::{Eclaim, Retry};

/// When a message is tried again after its `attempt`th failure: doubled each time up to the longest wait, and up to a fifth
/// earlier, so that messages which failed together do not come back together.
pub fn retry_at(now: Timestamp, id: MessageId, attempt: u32, retry: &Retry) -> Timestamp {
    let doubled = 2_i32.checked_pow(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let wait = retry.first.checked_mul(doubled).map_or(retry.longest, |wait| wait.min(retry.longest));
    // Fibonacci hashing spreads neighbouring ids; no random numbers in here.
    let spread = (id.0 as u64).wrapping_add(u64::from(attempt) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let fifth = wait.as_millis() / 5;
    let earlier = (fifth * i128::from(spread)) >> 32;
    let wait = wait - SignedDuration::from_millis(earlier as i64);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// What follows from a peer's failure. `effect`: the request may have changed something at the peer.
pub fn after(error: &PeerError, effect: bool, message: &Message, now: Timestamp, retry: &Retry) -> Outcome {
    let uncertain = match error {
        PeerError::Paused { until, reason, peer } => {
            let reason = format!("{peer} is left alone: {reason}");
            return Outcome::Waiting { at: *until, reason };
        }
        PeerError::Refused(..) => return Outcome::dead(error.to_string()),
        PeerError::NoAnswer(..) | PeerError::Unreadable(..) => effect,
        // A proxy in front of the peer says 502 or 504 when the peer was slow, and the peer 500 when it failed halfway.
        PeerError::Failed(_, status, _) => effect && status.is_server_error(),
        PeerError::NotSent(..) => false,
    };
    let uncertain = uncertain.then_some(now).or(message.uncertain);
    again(error.to_string(), uncertain, message, now, retry)
}

/// Trying for less than this is not given up, however old the message: it may have waited for something else until now.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long the waits after so many failed attempts are together, or more than `enough`.
fn tried_for(attempts: u32, enough: SignedDuration, retry: &Retry) -> SignedDuration {
    let (mut wait, mut all) = (retry.first, SignedDuration::ZERO);
    for _ in 1..attempts {
        all = all.saturating_add(wait);
        if all >= enough {
            break;
        }
        wait = wait.checked_mul(2).map_or(retry.longest, |wait| wait.min(retry.longest));
    }
    all
}

/// Try again, or give up if that has gone on for too long.
pub fn again(
    reason: String,
    uncertain: Option<Timestamp>,
    message: &Message,
    now: Timestamp,
    retry: &Retry,
) -> Outcome {
    let enough = retry.give_up_after.min(TRIED_FOR);
    let is_old = message.age(now) > retry.give_up_after;
    if is_old && tried_for(message.attempt, enough, retry) >= enough {
        let reason = format!("given up after {} attempts: {reason}", message.attempt);
        return Outcome::Dead { reason, issues: Vec::new(), uncertain };
    }
    Outcome::Retry { at: retry_at(now, message.id, message.attempt, retry), reason, uncertain }
}

/// From when on something is sent a second time that the peer does not show after an attempt of unknown outcome. A peer that stalls may
/// still do what it got before: it is given `wait` after the attempt, and after the last time that it gave no answer; but no more than
/// four times that, so that a line that loses an answer now and then holds nothing up for ever.
pub fn resend_from(uncertain: Timestamp, silent: Option<Timestamp>, wait: SignedDuration) -> Timestamp {
    let after = |from: Timestamp, wait| from.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let soonest = after(uncertain, wait);
    let latest = after(uncertain, wait.checked_mul(4).unwrap_or(SignedDuration::MAX));
    silent.map_or(soonest, |silent| soonest.max(after(silent, wait)).min(latest))
}

/// When the peer is asked again whether it has it by now: after as long as it is uncertain already.
pub fn look_again_at(now: Timestamp, uncertain: Timestamp, resend: Timestamp, retry: &Retry) -> Timestamp {
    let wait = now.duration_since(uncertain).max(retry.first);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX).min(resend)
}

/// When a claim that is not submitted yet is looked at again: the older it is the later, at most a day. None: no more.
pub fn recheck_at(now: Timestamp, received_at: Timestamp, retry: &Retry) -> Option<Timestamp> {
    let age = now.duration_since(received_at);
    if age > SignedDuration::from_hours(180 * 24) {
        return None;
    }
    let wait = age.max(retry.recheck).min(SignedDuration::from_hours(24).max(retry.recheck));
    now.saturating_add(wait).ok()
}

/// When openIMIS is asked again what became of a claim: the older it is the later. None: no more.
pub fn follow_at(now: Timestamp, received_at: Timestamp, eclaim: &Eclaim) -> Option<Timestamp> {
    let age = now.duration_since(received_at);
    if age > eclaim.follow_for {
        return None;
    }
    let wait = age.max(eclaim.follow_first).min(eclaim.follow_longest);
    now.saturating_add(wait).ok()
}

/// Whether a message that is there already takes a new body and is tried (again).
pub fn revives(old_state: State, old_origin: Origin, old_body: Option<&[u8]>, new: &NewMessage) -> bool {
    if new.kind == Kind::EclaimAnswer {
        return false; // each status is told once; what the hospital refused waits for a person
    }
    let selected_now = new.origin == Origin::Selected && old_origin != Origin::Selected;
    match old_state {
        State::Skipped | State::Dead => selected_now || old_body != Some(&new.body),
        State::Pending => selected_now,
        State::Leased | State::Delivered | State::Discarded => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempt: u32, id: i64) -> SignedDuration {
        let now = Timestamp::UNIX_EPOCH;
        retry_at(now, MessageId(id), attempt, &Retry::default()).duration_since(now)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_differ_between_messages() {
        for id in 1..200 {
            for attempt in 1..=40 {
                let full =
                    SignedDuration::from_secs(5 * 2_i64.pow((attempt - 1).min(20))).min(SignedDuration::from_hours(1));
                let wait = wait(attempt, id);
                assert!(
                    wait <= full && wait >= full * 4 / 5,
                    "attempt {attempt} of message {id} waits {wait:#}, full {full:#}"
                );
            }
        }
        assert_ne!(wait(5, 1), wait(5, 2));
        assert_ne!(wait(20, 1), wait(21, 1));
    }

    #[test]
    fn nothing_is_given_up_because_of_its_age_while_the_clock_is_doubted() {
        let message = |is_ageless| Message {
            id: MessageId(1),
            kind: Kind::Eclaim,
            origin: Origin::Push,
            lane: String::new(),
            claim_uuid: None,
            body: Vec::new(),
            received_at: Timestamp::UNIX_EPOCH,
            attempt: 60,
            lease: 60,
            uncertain: None,
            is_ageless,
        };
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(800 * 24);
        let outcome = |is_ageless| again("away".to_owned(), None, &message(is_ageless), now, &Retry::default());
        assert!(matches!(outcome(false), Outcome::Dead { .. }));
        assert!(matches!(outcome(true), Outcome::Retry { .. }));
        assert_eq!(recheck_at(now, message(false).counted_from(now), &Retry::default()), None);
        assert!(recheck_at(now, message(true).counted_from(now), &Retry::default()).is_some());
    }

    #[test]
    fn nothing_is_sent_twice_before_a_peer_that_stalls_had_its_time() {
        let (start, wait) = (Timestamp::UNIX_EPOCH, SignedDuration::from_secs(120));
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        for (silent, from) in [(None, 120), (Some(-5), 120), (Some(30), 150), (Some(300), 420), (Some(3_000), 480)] {
            assert_eq!(resend_from(start, silent.map(at), wait), at(from), "{silent:?}");
        }
        assert_eq!(resend_from(start, None, SignedDuration::ZERO), start);
        let (mut now, mut looks) = (start, Vec::new());
        while now < at(120) {
            now = look_again_at(now, start, at(120), &Retry::default());
            looks.push(now.as_second());
        }
        assert_eq!(looks, [5, 10, 20, 40, 80, 120]);
    }

    #[test]
    fn an_unsubmitted_claim_is_looked_at_less_and_less_often_and_then_no_more() {
        let retry = Retry::default();
        let after = |hours| {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
            recheck_at(now, Timestamp::UNIX_EPOCH, &retry).map(|at| at.duration_since(now))
        };
        assert_eq!(after(0), Some(SignedDuration::from_mins(10)));
        assert_eq!(after(5), Some(SignedDuration::from_hours(5)));
        assert_eq!(after(100), Some(SignedDuration::from_hours(24)));
        assert_eq!(after(181 * 24), None);
    }
}
