//! FHIR R4's primitive types as texts: a day, an instant, a UUID; and what an issue may tell of a text that is none of them.

use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use uuid::Uuid;

use crate::issue::Issue;
use crate::json::{Node, Text};
use crate::text;

/// The text of an element, if there is one.
pub(crate) fn plain<T: AsRef<str>>(text: &Node<T>) -> Option<&str> {
    text.value().map(T::as_ref).filter(|text| !text.is_empty())
}

/// Reads a UUID in any spelling.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    let text = text::plain(text);
    Uuid::try_parse(after_urn(&text).unwrap_or(&text)).ok()
}

/// What comes behind `urn:uuid:`, whose letters may be of either case.
pub(crate) fn after_urn(text: &str) -> Option<&str> {
    let (urn, rest) = text.split_at_checked(9)?;
    urn.eq_ignore_ascii_case("urn:uuid:").then_some(rest)
}

/// What a text that should be something else looks like, without telling what it says.
#[cold]
pub(crate) fn shape_of(text: &str) -> String {
    match text.trim().chars().count() {
        0 => "an empty text".to_owned(),
        1 => "a text of 1 character".to_owned(),
        count => format!("a text of {count} characters"),
    }
}

/// A code as an issue may tell it: codes are words of code systems. Anything that does not look like one is told by its size.
pub(crate) fn shown(code: &str) -> String {
    let is_code = (1..=90).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if is_code { code.to_owned() } else { shape_of(code) }
}

/// Reads a FHIR `date` or `dateTime` as the day it is at `offset`; a time without a zone is taken as written.
/// The error says what was found. By hand: jiff's parser alone would triple the size of a component.
pub(crate) fn day(text: &str, offset: Offset) -> Result<Date, String> {
    let text = &*text::plain(text);
    let no_such = || "a day or time that does not exist".to_owned();
    match text.len() {
        4 if number(text, 0..4).is_some() => return Err("a year only".to_owned()),
        7 if number(text, 0..4).is_some() && number(text, 5..7).is_some() => {
            return Err("a year and month only".to_owned());
        }
        _ => {}
    }
    let bytes = text.as_bytes();
    let (Some(year), Some(month), Some(day), Some(b'-'), Some(b'-'), None | Some(b'T')) =
        (number(text, 0..4), number(text, 5..7), number(text, 8..10), bytes.get(4), bytes.get(7), bytes.get(10))
    else {
        return Err(shape_of(text));
    };
    let date = Date::new(year, month as i8, day as i8).ok().filter(|_| year > 0).ok_or_else(no_such)?;
    let Some(time) = text.get(11..) else { return Ok(date) };
    let (time, zone) = time_of_day(time).ok_or_else(|| shape_of(text))?;
    let time = time.ok_or_else(no_such)?;
    let Some(zone) = zone else { return Ok(date) };
    let zone = Offset::from_seconds(zone).map_err(|_| no_such())?;
    let instant = zone.to_timestamp(date.to_datetime(time)).map_err(|_| no_such())?;
    Ok(offset.to_datetime(instant).date())
}

/// An `instant`, a date and a time with its zone: the second, and the digits of its fraction. Two of them compare by time.
pub(crate) fn instant(text: &str) -> Option<(i64, &str)> {
    let date = day(text.get(..10)?, Offset::UTC).ok()?;
    let time_text = text.get(10..)?.strip_prefix('T')?;
    let (time, zone) = time_of_day(time_text)?;
    let instant = Offset::from_seconds(zone?).ok()?.to_timestamp(date.to_datetime(time?)).ok()?;
    let fraction = time_text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(fraction.len());
    Some((instant.as_second(), fraction[..digits].trim_end_matches('0')))
}

/// Digits only, at most four.
fn number(text: &str, range: Range<usize>) -> Option<i16> {
    let part = text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
    part.parse().ok()
}

/// Reads `hh:mm[:ss[.fff]][Z|±hh:mm]`: the time (none if there is no such time) and its zone in seconds east of UTC.
fn time_of_day(text: &str) -> Option<(Option<Time>, Option<i32>)> {
    let zone_at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, minute) = (number(clock, 0..2)?, number(clock, 3..5)?);
    let second = match clock.len() {
        5 => 0,
        8 if clock.as_bytes()[5] == b':' => number(clock, 6..8)?,
        _ => return None,
    };
    if clock.as_bytes()[2] != b':' || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let second = if second == 60 { 59 } else { second }; // a leap second, which FHIR allows, is the same day
    let time = Time::new(hour as i8, minute as i8, second as i8, 0).ok();
    let zone = match (zone.as_bytes().first(), zone.len()) {
        (None, _) => None,
        (Some(b'Z'), 1) => Some(0),
        (Some(sign @ (b'+' | b'-')), 6) if zone.as_bytes()[3] == b':' => {
            let seconds = i32::from(number(zone, 1..3)?) * 3600 + i32::from(number(zone, 4..6)?) * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some((time, zone))
}

/// Milliseconds since 1970-01-01 UTC of a day's midnight at `offset`.
pub(crate) fn midnight_ms(day: Date, offset: Offset) -> Option<i64> {
    offset.to_timestamp(day.to_datetime(Time::midnight())).ok().map(|instant| instant.as_millisecond())
}

/// Reads an optional day.
pub(crate) fn optional_day(node: &Node<Text>, path: &str, offset: Offset, issues: &mut Vec<Issue>) -> Option<Date> {
    let expected = "a day, as 2025-08-25 or as a date and time";
    match node {
        Node::Absent => None,
        Node::Other(kind) => {
            issues.push(Issue::unusable(path.to_owned(), expected, kind));
            None
        }
        Node::Value(text) => {
            day(&text.0, offset).map_err(|found| issues.push(Issue::unusable(path.to_owned(), expected, found))).ok()
        }
    }
}

/// The offset of a setting in minutes.
pub(crate) fn offset(minutes: i16) -> Option<Offset> {
    (-1080..=1080).contains(&minutes).then(|| Offset::from_seconds(i32::from(minutes) * 60).ok()).flatten()
}
