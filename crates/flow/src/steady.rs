//! Whether the clock may decide on what cannot be undone: what is pruned, and what is given up because of its age.
//!
//! A machine that starts with a clock a month ahead would take everything for old. So the time is compared with the newest time that the
//! store has seen. A jump is doubted until time has passed steadily for a day, or somebody says that the clock is right.

use jiff::{SignedDuration, Timestamp};

use crate::ports::{Store, StoreError};

/// Watermark: the newest time at which somebody looked.
const NEWEST: &str = "clock";
/// Watermark: since when the clock is doubted; 1970 while it is not.
const DOUBTED: &str = "clock-doubted";
/// A jump is doubted for so long.
const PROOF: SignedDuration = SignedDuration::from_hours(24);
/// A tenth of the retention may pass unseen, but no less and no more than this.
const LEAST: SignedDuration = SignedDuration::from_hours(1);
const MOST: SignedDuration = SignedDuration::from_hours(72);

/// What the store knows of the time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClockRecord {
    /// The newest time that was seen.
    pub newest: Option<Timestamp>,
    /// Since when the clock is doubted.
    pub doubted_since: Option<Timestamp>,
}

/// What is to be thought of the clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClockVerdict {
    /// Time has passed steadily.
    Trusted,
    /// It jumped ahead just now, from the newest time that was seen.
    Jumped {
        /// The newest time that was seen.
        newest: Timestamp,
        /// How far.
        by: SignedDuration,
    },
    /// It jumped ahead then.
    Doubted {
        /// When, by the clock that is doubted.
        since: Timestamp,
    },
}

impl ClockVerdict {
    /// Whether it may decide on what cannot be undone.
    pub fn is_trusted(self) -> bool {
        self == Self::Trusted
    }
}

/// How far the clock may be ahead of what was seen, after a stop over a weekend for example.
pub fn allowed(retention: SignedDuration) -> SignedDuration {
    (retention / 10).clamp(LEAST, MOST)
}

/// Judges the clock. `ran`: how long this process has measured since the last look; nothing at its first one.
pub fn judge(
    known: ClockRecord,
    now: Timestamp,
    ran: SignedDuration,
    allowed: SignedDuration,
) -> (ClockRecord, ClockVerdict) {
    let seen = |doubted_since| ClockRecord { newest: Some(now), doubted_since };
    let Some(newest) = known.newest else { return (seen(None), ClockVerdict::Trusted) };
    let by = now.duration_since(newest).saturating_sub(ran);
    if by > allowed {
        return (seen(Some(now)), ClockVerdict::Jumped { newest, by });
    }
    match known.doubted_since {
        // It was set right, or set back: nothing is taken for older than it is.
        Some(since) if now < since => (seen(None), ClockVerdict::Trusted),
        Some(since) if now.duration_since(since) < PROOF => (seen(Some(since)), ClockVerdict::Doubted { since }),
        _ => (seen(None), ClockVerdict::Trusted),
    }
}

/// What a store knows of the time.
pub async fn known<S: Store>(store: &S) -> Result<ClockRecord, StoreError> {
    let newest = match store.watermark(NEWEST).await? {
        Some(newest) => Some(newest),
        None => store.newest().await?,
    };
    let doubted_since = store.watermark(DOUBTED).await?.filter(|since| *since > Timestamp::UNIX_EPOCH);
    Ok(ClockRecord { newest, doubted_since })
}

/// Judges the clock by what the store knows, and writes down what was seen.
pub async fn look<S: Store>(
    store: &S,
    now: Timestamp,
    ran: SignedDuration,
    allowed: SignedDuration,
) -> Result<ClockVerdict, StoreError> {
    let (seen, judged) = judge(known(store).await?, now, ran, allowed);
    write(store, seen, now).await?;
    Ok(judged)
}

/// Somebody says that the clock is right.
pub async fn accept<S: Store>(store: &S, now: Timestamp) -> Result<(), StoreError> {
    write(store, ClockRecord { newest: Some(now), doubted_since: None }, now).await
}

async fn write<S: Store>(store: &S, seen: ClockRecord, now: Timestamp) -> Result<(), StoreError> {
    // The doubt first: a process that dies in between must not have seen the jump and forgotten it.
    store.save_watermark(DOUBTED, seen.doubted_since.unwrap_or(Timestamp::UNIX_EPOCH)).await?;
    store.save_watermark(NEWEST, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);
    const ALLOWED: SignedDuration = SignedDuration::from_hours(72);
    const TICK: SignedDuration = SignedDuration::from_mins(10);

    fn day(days: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + DAY * 20_000 + DAY * i32::try_from(days).expect("few")
    }

    fn start(known: ClockRecord, now: Timestamp) -> (ClockRecord, ClockVerdict) {
        judge(known, now, SignedDuration::ZERO, ALLOWED)
    }

    #[test]
    fn a_jump_is_doubted_for_a_day_of_steady_running() {
        let (known, judged) = start(ClockRecord::default(), day(0));
        assert_eq!(judged, ClockVerdict::Trusted, "a new store knows no better");
        for ahead in [4, 60, 800, 20_000] {
            let (mut known, judged) = start(known, day(ahead));
            assert_eq!(judged, ClockVerdict::Jumped { newest: day(0), by: DAY * ahead as i32 }, "{ahead}");
            let mut now = day(ahead);
            let mut looks = 0;
            loop {
                now += TICK;
                let (seen, judged) = judge(known, now, TICK, ALLOWED);
                known = seen;
                looks += 1;
                if judged.is_trusted() {
                    break;
                }
                assert_eq!(judged, ClockVerdict::Doubted { since: day(ahead) });
            }
            assert_eq!(looks, 6 * 24);
        }
    }

    #[test]
    fn another_start_does_not_end_the_doubt_and_another_jump_begins_it_anew() {
        let (known, _) = start(ClockRecord { newest: Some(day(0)), doubted_since: None }, day(60));
        let (known, judged) = start(known, day(60) + TICK);
        assert_eq!(judged, ClockVerdict::Doubted { since: day(60) });
        let (known, judged) = start(known, day(90));
        assert!(matches!(judged, ClockVerdict::Jumped { .. }));
        let (_, judged) = start(known, day(90) + DAY - TICK);
        assert_eq!(judged, ClockVerdict::Doubted { since: day(90) });
    }

    #[test]
    fn a_clock_that_is_set_right_is_trusted_again_and_a_stop_is_no_jump() {
        let (known, _) = start(ClockRecord { newest: Some(day(0)), doubted_since: None }, day(60));
        let (known, judged) = start(known, day(0) + TICK);
        assert_eq!((judged, known.newest), (ClockVerdict::Trusted, Some(day(0) + TICK)));
        assert_eq!(start(known, day(3)).1, ClockVerdict::Trusted, "a weekend");
        // What this process has measured is no jump, however long ago the last look was.
        assert_eq!(judge(known, day(30), DAY * 30, ALLOWED).1, ClockVerdict::Trusted);
        assert!(!judge(known, day(90), DAY * 30, ALLOWED).1.is_trusted(), "a jump while it runs");
    }

    #[test]
    fn a_tenth_of_the_retention_may_pass_unseen() {
        assert_eq!(allowed(DAY * 30), DAY * 3);
        assert_eq!(allowed(DAY * 700), DAY * 3);
        assert_eq!(allowed(DAY * 10), DAY);
        assert_eq!(allowed(SignedDuration::from_mins(5)), SignedDuration::from_hours(1));
    }
}
