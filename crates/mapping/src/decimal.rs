//! Amounts and quantities: decimals as they are written in the document. Never floats, which cannot hold 0.10.

use std::borrow::Cow;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::issue::Issue;
use crate::json::{Kind, Node};

/// What is sent with two decimals, as openIMIS stores amounts and quantities.
pub(crate) const PLACES: u32 = 2;
/// Far above any price, far below what could overflow.
const LIMIT: i64 = 1_000_000_000_000;

/// As many significant digits nobody writes by hand.
const FLOAT_DIGITS: u32 = 15;

/// A JSON number, read from its own digits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Number(pub Node<Decimal>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            None | Some(b'n') => Node::Absent,
            Some(b'"') => Node::Other(Kind::Text),
            Some(b't' | b'f') => Node::Other(Kind::Bool),
            Some(b'[') => Node::Other(Kind::Array),
            Some(b'{') => Node::Other(Kind::Object),
            Some(_) => decimal(raw).map_or(Node::Other(Kind::Number), Node::Value),
        }))
    }
}

impl Number {
    /// The number, if openIMIS can hold it, without the noise of floating-point numbers.
    pub fn fitting(&self) -> Option<Decimal> {
        self.0.value().and_then(|number| fitting(*number))
    }

    /// The number, if it is one that openIMIS can hold: not negative, two decimals. Anything else but an absent one is an issue.
    pub fn read(&self, path: impl Into<Cow<'static, str>>, what: &str, issues: &mut Vec<Issue>) -> Option<Decimal> {
        let expected = || format!("{what}: a number from 0, with at most {PLACES} decimals");
        match &self.0 {
            Node::Absent => None,
            Node::Other(Kind::Number) => {
                issues.push(Issue::unusable(path, &expected(), "a number too large or too long for one"));
                None
            }
            Node::Other(kind) => {
                issues.push(Issue::unusable(path, &expected(), kind));
                None
            }
            Node::Value(number) => {
                let found = fitting(*number);
                if found.is_none() {
                    issues.push(Issue::unusable(path, &expected(), number));
                }
                found
            }
        }
    }

    /// The same; an absent one is an issue.
    pub fn require(&self, path: String, what: &str, issues: &mut Vec<Issue>) -> Option<Decimal> {
        if matches!(self.0, Node::Absent) {
            issues.push(Issue::missing(path, what));
            return None;
        }
        self.read(path, what, issues)
    }
}

/// Reads a decimal without loss: none if it does not fit.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    if text.len() > 40 {
        return None;
    }
    let number = if text.contains(['e', 'E']) {
        match Decimal::from_scientific(text) {
            Ok(number) => number,
            Err(_) => return is_noise_of_zero(text).then_some(Decimal::ZERO),
        }
    } else {
        Decimal::from_str_exact(text).ok()?
    };
    is_bounded(number).then(|| number.normalize())
}

/// Whether openIMIS can hold it as it is.
pub(crate) fn fits(number: Decimal) -> bool {
    (number.is_zero() || !number.is_sign_negative()) && number.normalize().scale() <= PLACES && is_bounded(number)
}

/// The number as openIMIS can hold it. Who adds floating-point numbers writes 0.30000000000000004 for 0.30: that many digits, next to a
/// cent, are noise. A third of a cent is not.
pub(crate) fn fitting(number: Decimal) -> Option<Decimal> {
    if fits(number) {
        return Some(number);
    }
    let digits = number.normalize().mantissa().unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    let nearest = rounded(number);
    // A float has 15 to 17 digits. A sum of many is wrong by more than its last one.
    let tolerance = (number.abs() * Decimal::new(1, 14)).clamp(Decimal::new(1, 6), Decimal::new(1, 3));
    (digits >= FLOAT_DIGITS && (number - nearest).abs() <= tolerance && fits(nearest)).then_some(nearest)
}

/// Whether it is what is left where floating-point numbers should add up to 0, such as 5.551115123125783e-17.
fn is_noise_of_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    digits >= FLOAT_DIGITS as usize && text.parse().is_ok_and(|number: f64| number.abs() < 1e-6)
}

/// Whether sums of such numbers cannot overflow.
pub(crate) fn is_bounded(number: Decimal) -> bool {
    number.abs() < Decimal::from(LIMIT)
}

/// Rounded to two decimals, halves away from zero, as bills are.
pub(crate) fn rounded(number: Decimal) -> Decimal {
    number.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero).normalize()
}

/// Written with two decimals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Amount(pub Decimal);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format!("{:.2}", rounded(self.0).abs());
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<Decimal> {
        let number: Number = serde_json::from_str(text).expect("JSON");
        number.0.value().copied()
    }

    #[test]
    fn a_number_is_what_its_digits_say() {
        assert_eq!(number("0.10").map(|number| number.to_string()), Some("0.1".to_owned()));
        assert_eq!(number("999999999999.99").map(|number| number.to_string()), Some("999999999999.99".to_owned()));
        assert_eq!(number("12E1"), Some(Decimal::from(120)));
        for other in ["1e99", "1e-99", "1000000000000", "0.00000000000000000000000000000000000000001", "\"1\"", "null"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn the_noise_of_floats_is_taken_off_and_nothing_else() {
        let noisy = [
            ("0.30000000000000004", "0.3"),
            ("0.7999999999999999", "0.8"),
            ("1234567.8900000001", "1234567.89"),
            ("12345678901.230002", "12345678901.23"),
            ("10.100000381469727", "10.1"),
            ("3.0000000000000004e-1", "0.3"),
            ("5.551115123125783e-17", "0"),
            ("-5.551115123125783e-17", "0"),
            ("1.1368683772161603e-13", "0"),
            ("2.9999999999999996", "3"),
        ];
        for (text, expected) in noisy {
            let found = number(text).and_then(fitting).map(|number| number.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        let others = ["0.3333333333333333", "0.333", "10.255", "2.5649999999999995", "0.30001", "-0.30000000000000004"];
        for text in others {
            assert_eq!(number(text).and_then(fitting), None, "{text}");
        }
    }

    #[test]
    fn thirds_of_a_cent_and_debts_do_not_fit() {
        for (text, expected) in [("10.25", true), ("10.250", true), ("10.255", false), ("-1", false), ("-0.0", true)] {
            assert_eq!(fits(number(text).expect("a number")), expected, "{text}");
        }
        assert_eq!(serde_json::to_string(&Amount(Decimal::from(10))).expect("JSON"), "10.00");
        assert_eq!(serde_json::to_string(&Amount(number("2.5650").expect("a number"))).expect("JSON"), "2.57");
        assert_eq!(serde_json::to_string(&Amount(number("-0.0").expect("a number"))).expect("JSON"), "0.00");
    }
}
