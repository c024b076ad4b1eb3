//! Telephone numbers as E.164, by the dialling plans of all countries.
//!
//! # Source
//! The plans (`table`) and how a number is read by them are libphonenumber's; `tests/tests/phone.rs` compares.
//! Where several regions share a calling code, the plan is the main one's: +1 is dialled as in the United States, +44 as in the United
//! Kingdom. More digits may follow the calling code in a prefix, `+1876`, for the local numbers of a region.

mod pattern;
mod table;

use std::borrow::Cow;

use pattern::Digits;
use table::PLANS;

/// Digits of the longest number, with its calling code.
const LONGEST: usize = 15;

/// How numbers are dialled where a calling code is.
struct Plan {
    /// The calling code.
    code: u16,
    /// What is dialled before a number abroad; empty: 00.
    abroad: &'static str,
    /// What may stand before a national number, and is not dialled from abroad. The first that is there counts.
    trunk: &'static [Trunk],
    /// Bit 8: a national number may have eight digits.
    lengths: u32,
    /// What a national number looks like.
    national: &'static str,
}

/// A number with `drop keep skip` in front has `lead keep` there from abroad.
struct Trunk {
    drop: &'static str,
    keep: &'static str,
    skip: &'static str,
    lead: &'static str,
}

/// Why a text is no telephone number that others can call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unusable {
    /// It holds something else than a number, or several of them.
    NoNumber,
    /// A number with an extension, which E.164 cannot hold: what is left of it is a switchboard's.
    Extension,
    /// A national number, and no country is known.
    NoCountry,
    /// No number of its country looks like it.
    Impossible,
}

impl Unusable {
    /// What was found, for an issue.
    pub fn found(self) -> &'static str {
        match self {
            Self::NoNumber | Self::NoCountry => "no number that can be used",
            Self::Extension => "a number with an extension, which CHT cannot call",
            Self::Impossible => "a number that cannot exist",
        }
    }
}

/// Writes a telephone number as E.164, `+` and digits. Blanks, hyphens, dots and brackets are separators; a slash is not, since
/// `4412345/6` is two numbers. `prefix` is the calling code of numbers without one, `+977`.
pub fn e164(number: &str, prefix: &str) -> Option<String> {
    read(number, prefix).ok()
}

/// As [`e164`]; the error says what is wrong with the text.
pub fn read(number: &str, prefix: &str) -> Result<String, Unusable> {
    let written = Written::read(number)?;
    let found = written.e164(&written.digits, prefix);
    let Some(zero) = written.bracketed_zero.filter(|_| found == Err(Unusable::Impossible)) else { return found };
    // `+221 (0) 77…`: a zero as others have it, where there is none.
    let digits = [written.digits.get(..zero), written.digits.get(zero + 1..)].map(Option::unwrap_or_default).concat();
    written.e164(&digits, prefix)
}

/// Whether a calling code, `+977`, is one of those that there are. More digits may follow: `+1876`.
pub fn is_calling_code(prefix: &str) -> bool {
    country(prefix).is_some()
}

/// The plan of a prefix, and what stands behind its calling code.
fn country(prefix: &str) -> Option<(&'static Plan, &str)> {
    let digits = prefix.strip_prefix('+').filter(|digits| Digits::new(digits).is_some())?;
    split(digits)
}

/// The plan of an international number, and the number behind the calling code. No calling code is the beginning of another.
fn split(digits: &str) -> Option<(&'static Plan, &str)> {
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code: u16 = code.parse().ok()?;
        let at = PLANS.binary_search_by_key(&code, |plan| plan.code).ok()?;
        (!digits.starts_with('0')).then_some((&PLANS[at], national))
    })
}

/// A number as somebody wrote it, without separators.
struct Written {
    digits: String,
    has_plus: bool,
    /// Where the 0 of `(0)` is.
    bracketed_zero: Option<usize>,
}

impl Written {
    fn read(number: &str) -> Result<Self, Unusable> {
        let number = number.trim();
        let scheme = number.split_at_checked(4).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("tel:"));
        let number = scheme.map_or(number, |(_, behind)| behind);
        let mut written = Self { digits: String::with_capacity(number.len()), has_plus: false, bracketed_zero: None };
        let mut opened = None;
        for (at, character) in number.char_indices() {
            if let Some(digit) = digit(character) {
                written.digits.push(digit);
                continue;
            }
            match character {
                '+' | '\u{ff0b}' if written.digits.is_empty() && !written.has_plus => written.has_plus = true,
                '(' | '\u{ff08}' => opened = Some(written.digits.len()),
                ')' | '\u{ff09}' => {
                    let inside = opened.take().filter(|at| written.digits.get(*at..) == Some("0"));
                    written.bracketed_zero = written.bracketed_zero.or(inside);
                }
                '-' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{b7}' => {}
                blank if blank.is_whitespace() => {}
                _ if number.get(at..).is_some_and(is_extension) && written.digits.len() >= 5 => {
                    return Err(Unusable::Extension);
                }
                _ => return Err(Unusable::NoNumber),
            }
        }
        if written.digits.is_empty() { Err(Unusable::NoNumber) } else { Ok(written) }
    }

    fn e164(&self, digits: &str, prefix: &str) -> Result<String, Unusable> {
        if self.has_plus {
            return international(digits).ok_or(Unusable::Impossible);
        }
        let country = country(prefix);
        let abroad = country.map_or("", |(plan, _)| plan.abroad); // it may be another one than 00, which all understand
        for dialled in [abroad, "00"].into_iter().filter(|dialled| !dialled.is_empty()) {
            let end = Digits::new(digits).and_then(|whole| last_place(whole.ends(dialled, 1)));
            let rest = end.and_then(|end| digits.get(end..));
            match rest.map(|rest| (international(rest), split(rest).is_some())) {
                Some((Some(found), _)) => return Ok(found),
                Some((None, true)) if dialled == "00" => return Err(Unusable::Impossible),
                _ => {}
            }
        }
        match country {
            None if digits.starts_with("00") => Err(Unusable::Impossible),
            None => Err(Unusable::NoCountry),
            Some((plan, area)) => plan.dialled_at_home(digits, area).ok_or(Unusable::Impossible),
        }
    }
}

/// The number behind `+`.
fn international(digits: &str) -> Option<String> {
    let (plan, national) = split(digits)?;
    plan.e164(&plan.without_trunk(national)?)
}

impl Plan {
    /// A number without `+` and without a prefix for abroad. It may have the calling code all the same, if it is none without it.
    fn dialled_at_home(&self, digits: &str, area: &str) -> Option<String> {
        let local = || (!area.is_empty()).then(|| format!("{area}{digits}")).filter(|local| self.has(local));
        let national = local().map(Cow::Owned).or_else(|| self.without_trunk(digits)).or_else(|| {
            let (plan, national) = split(digits)?;
            plan.without_trunk(national).filter(|_| plan.code == self.code)
        });
        self.e164(&national?)
    }

    fn e164(&self, national: &str) -> Option<String> {
        let number = format!("+{}{national}", self.code);
        (number.len() <= LONGEST + 1).then_some(number)
    }

    /// A national number as it is dialled from abroad. What looks like a number both with and without its prefix is one without.
    fn without_trunk<'n>(&self, number: &'n str) -> Option<Cow<'n, str>> {
        let digits = Digits::new(number)?;
        let stripped = self.trunk.iter().find_map(|trunk| trunk.strip(number, &digits));
        let as_it_is = || self.has(number).then_some(Cow::Borrowed(number));
        stripped.filter(|stripped| self.has(stripped)).or_else(as_it_is)
    }

    fn has(&self, national: &str) -> bool {
        self.lengths & 1_u32.checked_shl(national.len() as u32).unwrap_or_default() != 0
            && Digits::new(national).is_some_and(|digits| digits.are(self.national))
    }
}

impl Trunk {
    fn strip<'n>(&self, number: &'n str, digits: &Digits) -> Option<Cow<'n, str>> {
        let mut dropped = digits.ends(self.drop, 1);
        // The longest first.
        while let Some(keep) = last_place(dropped) {
            let mut kept = digits.ends(self.keep, 1 << keep);
            while let Some(skip) = last_place(kept) {
                if let Some(rest) = last_place(digits.ends(self.skip, 1 << skip)) {
                    let is_plain = self.lead.is_empty() && skip == rest;
                    return Some(match is_plain {
                        true => Cow::Borrowed(number.get(keep..)?),
                        false => Cow::Owned([self.lead, number.get(keep..skip)?, number.get(rest..)?].concat()),
                    });
                }
                kept &= !(1 << skip);
            }
            dropped &= !(1 << keep);
        }
        None
    }
}

fn last_place(places: u32) -> Option<usize> {
    places.checked_ilog2().map(|place| place as usize)
}

/// A decimal digit of any script that writes numbers in tens.
fn digit(character: char) -> Option<char> {
    const ZEROS: [char; 20] = [
        '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
        '\u{c66}', '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}',
        '\u{ff10}',
    ];
    let value = |zero: char| u32::from(character).checked_sub(u32::from(zero)).filter(|value| *value < 10);
    ZEROS.iter().find_map(|zero| char::from_digit(value(*zero)?, 10))
}

/// Whether an extension begins here: `ext. 12`, `x12`, `#12`, `poste 12`.
fn is_extension(rest: &str) -> bool {
    const MARKS: [&str; 9] = [";ext=", "extension", "extn", "ext", "poste", "int", "x", "#", ","];
    let behind = |mark: &&str| {
        let (start, behind) = rest.split_at_checked(mark.len())?;
        start.eq_ignore_ascii_case(mark).then_some(behind)
    };
    let Some(behind) = MARKS.iter().find_map(behind) else { return false };
    let behind = behind.trim_matches(|mark: char| mark.is_whitespace() || matches!(mark, '.' | ':' | '#'));
    (1..=7).contains(&behind.chars().count()) && behind.chars().all(|mark| digit(mark).is_some())
}
