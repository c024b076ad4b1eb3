//! Which of several identifiers, names, numbers or addresses counts: FHIR's `use`, `period` and `rank`, read the same way everywhere.
//!
//! - What is `old`, or whose period was over on the day of the document, does not count at all.
//! - A mapping has no clock. Where the document has no day, a period that ends is taken as a sign that it is over: such an element counts
//!   where there is no other.
//! - Of the others: `official` before `usual`, before those that say nothing or where the number is answered, before `temp` and
//!   `secondary`, before `nickname`, before `maiden` and `anonymous`; then FHIR's `rank`; then the order of the document.

use crate::fhir::period::Period;
use crate::fhir::primitives::plain;
use crate::json::{Node, Scalar, Text};

/// What an issue says that found nothing else.
pub(crate) const NO_LONGER: &str = "an identifier that is no longer in use";

/// What an element that repeats says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repetition<'a> {
    /// `use`.
    pub usage: Option<&'a str>,
    /// `period.start`.
    pub start: Option<&'a str>,
    /// `period.end`.
    pub end: Option<&'a str>,
    /// `rank`: 1 is preferred.
    pub rank: Option<u32>,
}

/// How far an element counts: the least one first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Standing {
    is_ending: bool,
    usage: u8,
    rank: u32,
}

impl Repetition<'_> {
    /// How far it counts on a day, a FHIR `date` or `dateTime`; none if it is no longer in use.
    #[inline]
    pub fn standing(&self, on: Option<&str>) -> Option<Standing> {
        let Self { usage, start, end, rank } = self;
        if usage.is_some_and(|usage| usage.eq_ignore_ascii_case("old")) {
            return None;
        }
        let is_ending = (start.is_some() || end.is_some()) && is_ending(*start, *end, on)?;
        Some(Standing { is_ending, usage: usage.map_or(OTHER, class), rank: rank.unwrap_or(u32::MAX) })
    }
}

const OTHER: u8 = 2;

#[cold]
fn class(usage: &str) -> u8 {
    const CLASSES: [(&str, u8); 7] = [
        ("official", 0),
        ("usual", 1),
        ("temp", 3),
        ("secondary", 3),
        ("nickname", 4),
        ("maiden", 5),
        ("anonymous", 5),
    ];
    CLASSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(usage)).map_or(OTHER, |(_, class)| *class)
}

/// Whether a period seems to end, or has not begun; none if it is over.
#[cold]
fn is_ending(start: Option<&str>, end: Option<&str>, on: Option<&str>) -> Option<bool> {
    let Some(on) = on.filter(|on| is_day(on)) else { return Some(end.is_some()) };
    match end {
        Some(end) if is_day(end) && precedes(end, on) => None,
        Some(end) if !is_day(end) => Some(true),
        _ => Some(start.is_some_and(|start| is_day(start) && precedes(on, start))),
    }
}

/// Whether a text begins with a year.
fn is_day(text: &str) -> bool {
    text.len() >= 4 && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
}

/// Whether a day comes before another one, as far as both are known: a year is before the days of later years only.
fn precedes(one: &str, other: &str) -> bool {
    let known = one.len().min(other.len()).min(10);
    one.as_bytes().get(..known) < other.as_bytes().get(..known)
}

/// An element that repeats.
pub(crate) trait Repeated {
    fn repetition(&self) -> Repetition<'_>;
}

/// Reads a repetition's elements.
pub(crate) fn repetition<'n>(
    usage: &'n Node<Text>,
    period: &'n Node<Period>,
    rank: Option<&Node<Scalar>>,
) -> Repetition<'n> {
    let period = period.value();
    Repetition {
        usage: plain(usage),
        start: period.and_then(|period| plain(&period.start)),
        end: period.and_then(|period| plain(&period.end)),
        rank: match rank.and_then(Node::value) {
            Some(Scalar::Integer(rank)) => u32::try_from(*rank).ok(),
            _ => None,
        },
    }
}

/// What is picked from the element that counts most among those from which something can be picked.
pub(crate) fn best<'n, T: Repeated + 'n, R>(
    elements: impl Iterator<Item = &'n T>,
    on: Option<&str>,
    pick: impl Fn(&'n T) -> Option<R>,
) -> Option<R> {
    let mut best: Option<(Standing, R)> = None;
    for element in elements {
        let Some(standing) = element.repetition().standing(on) else { continue };
        if best.as_ref().is_none_or(|(other, _)| standing < *other)
            && let Some(picked) = pick(element)
        {
            best = Some((standing, picked));
        }
    }
    best.map(|(_, picked)| picked)
}

/// The elements that count, the ones that count most first.
pub(crate) fn in_use<'n, T: Repeated>(elements: impl Iterator<Item = &'n T>, on: Option<&str>) -> Vec<&'n T> {
    // Inserted one by one: there are few, and the standard library's sort is a twentieth of a component.
    let mut counting: Vec<(Standing, &T)> = Vec::new();
    for element in elements {
        let Some(standing) = element.repetition().standing(on) else { continue };
        let place = counting.partition_point(|(other, _)| *other <= standing);
        counting.insert(place, (standing, element));
    }
    counting.into_iter().map(|(_, element)| element).collect()
}

/// What is picked from all elements that may be meant: those in use, `temp` and the like only where there is no other. That one of two is
/// official is no reason to leave out the other where a mistake would be another person's claim.
pub(crate) fn may_be_meant<'n, T: Repeated + 'n, R>(
    elements: impl Iterator<Item = &'n T>,
    on: Option<&str>,
    pick: impl Fn(&'n T) -> Option<R>,
) -> Vec<R> {
    let mut best: Option<Standing> = None;
    let mut picked = Vec::new();
    for element in elements {
        let Some(Standing { is_ending, usage, .. }) = element.repetition().standing(on) else { continue };
        let standing = Standing { is_ending, usage: usage.max(OTHER), rank: u32::MAX };
        if best.is_some_and(|best| best < standing) {
            continue;
        }
        let Some(found) = pick(element) else { continue };
        if best != Some(standing) {
            picked.clear();
            best = Some(standing);
        }
        picked.push(found);
    }
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<const N: usize>(elements: [Repetition<'static>; N], on: Option<&str>) -> Vec<usize> {
        let mut standings: Vec<(Standing, usize)> =
            elements.iter().enumerate().filter_map(|(index, element)| Some((element.standing(on)?, index))).collect();
        standings.sort();
        standings.into_iter().map(|(_, index)| index).collect()
    }

    fn usage(usage: &'static str) -> Repetition<'static> {
        Repetition { usage: Some(usage), ..Repetition::default() }
    }

    fn until(end: &'static str) -> Repetition<'static> {
        Repetition { end: Some(end), ..Repetition::default() }
    }

    #[test]
    fn official_comes_first_and_old_not_at_all() {
        let elements = ["maiden", "old", "nickname", "temp", "mobile", "usual", "Official", "OLD"].map(usage);
        assert_eq!(order(elements, None), [6, 5, 4, 3, 2, 0]);
        assert_eq!(order([usage("home"), Repetition::default()], None), [0, 1], "the document's order");
    }

    #[test]
    fn what_has_ended_comes_last_and_not_at_all_where_the_day_is_known() {
        let elements =
            [until("2002"), Repetition::default(), until("2026-12"), until("2026-11-29T10:00:00Z"), until("soon")];
        assert_eq!(order(elements, None), [1, 0, 2, 3, 4]);
        assert_eq!(order(elements, Some("2026-11-30")), [1, 2, 4]);
        assert_eq!(order(elements, Some("2026")), [1, 2, 3, 4]);
        assert_eq!(order(elements, Some("no day")), [1, 0, 2, 3, 4]);
        let ended_official = Repetition { usage: Some("official"), ..until("2002") };
        assert_eq!(order([ended_official, usage("temp")], None), [1, 0]);
        let from = |start| Repetition { start: Some(start), ..Repetition::default() };
        assert_eq!(order([from("2027-01-01"), from("2020")], Some("2026-11-30")), [1, 0], "not yet");
    }

    #[test]
    fn rank_decides_between_equals() {
        let ranked = |rank| Repetition { rank: Some(rank), ..Repetition::default() };
        assert_eq!(order([Repetition::default(), ranked(2), ranked(1), usage("temp")], None), [2, 1, 0, 3]);
    }
}
