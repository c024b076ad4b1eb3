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
    /// The number, if it is one that openIMIS can hold: not negative, two decimals. Anything else but an absent one is an issue.
    pub fn read(&self, path: impl Into<Cow<'static, str>>, what: &str, issues: &mut Vec<Issue>) -> Option<Decimal> {
        let expected = || format!("{what}: a number from 0, with at most {PLACES} decimals");
        match &self.0 {
            Node::Absent => None,
            Node::Other(kind) => {
                issues.push(Issue::unusable(path, &expected(), kind));
                None
            }
            Node::Value(number) => match fits(*number) {
                true => Some(*number),
                false => {
                    issues.push(Issue::unusable(path, &expected(), number));
                    None
                }
            },
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
        Decimal::from_scientific(text).ok()?
    } else {
        Decimal::from_str_exact(text).ok()?
    };
    is_bounded(number).then(|| number.normalize())
}

/// Whether openIMIS can hold it as it is.
pub(crate) fn fits(number: Decimal) -> bool {
    (number.is_zero() || !number.is_sign_negative()) && number.normalize().scale() <= PLACES && is_bounded(number)
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
    fn thirds_of_a_cent_and_debts_do_not_fit() {
        for (text, expected) in [("10.25", true), ("10.250", true), ("10.255", false), ("-1", false), ("-0.0", true)] {
            assert_eq!(fits(number(text).expect("a number")), expected, "{text}");
        }
        assert_eq!(serde_json::to_string(&Amount(Decimal::from(10))).expect("JSON"), "10.00");
        assert_eq!(serde_json::to_string(&Amount(number("2.5650").expect("a number"))).expect("JSON"), "2.57");
        assert_eq!(serde_json::to_string(&Amount(number("-0.0").expect("a number"))).expect("JSON"), "0.00");
    }
}
