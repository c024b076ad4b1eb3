//! An insuree's policies, as openIMIS tells them: nodes of GraphQL `policiesByInsuree`, or FHIR `Coverage`.

use jiff::civil::Date;
use jiff::tz::Offset;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::decimal::Number;
use crate::fhir::elements::{Identifier, List, OpenImisId, Reference, openimis_identifier};
use crate::fhir::period::Period;
use crate::fhir::primitives::{optional_day, plain, uuid};
use crate::json::{Node, Scalar, Text, document, object_shape};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyNode<'a> {
    #[serde(borrow, default)]
    policy_uuid: Node<Text<'a>>,
    /// GraphQL's number or FHIR's word.
    #[serde(borrow, default)]
    status: Node<Scalar<'a>>,
    #[serde(borrow, default)]
    product_code: Node<Text<'a>>,
    #[serde(borrow, default)]
    product_name: Node<Text<'a>>,
    #[serde(borrow, default)]
    effective_date: Node<Text<'a>>,
    #[serde(borrow, default)]
    expiry_date: Node<Text<'a>>,
    #[serde(default)]
    ceiling: Number,
    #[serde(default)]
    ceiling_in_patient: Number,
    #[serde(default)]
    ceiling_out_patient: Number,
    // FHIR's elements.
    #[serde(borrow, default)]
    identifier: List<Identifier<'a>>,
    #[serde(borrow, default)]
    beneficiary: Node<Reference<'a>>,
    #[serde(borrow, default)]
    period: Node<Period<'a>>,
    #[serde(borrow, default)]
    class: List<Class<'a>>,
}

#[derive(Debug, Deserialize)]
struct Class<'a> {
    #[serde(borrow, default)]
    value: Node<Text<'a>>,
    #[serde(borrow, default)]
    name: Node<Text<'a>>,
}

object_shape!(PolicyNode, Class);

/// One policy.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Policy {
    pub start: Option<Date>,
    pub end: Option<Date>,
    pub uuid: String,
    /// Active, or expired by now: its days decide.
    is_paid: bool,
    pub product: Option<String>,
    pub name: Option<String>,
    /// What is left, with its name. Empty where openIMIS does not say, or where nothing is limited.
    pub left: Vec<(&'static str, Decimal)>,
}

impl Policy {
    /// Reads one; none if it is no policy, or another insuree's. openIMIS' FHIR does not filter by insuree: `names` are the insuree's uuid
    /// and insurance number, and whoever the policy names has to be among them.
    pub fn read(text: &str, names: &[&str], offset: Offset) -> Option<Self> {
        let node: PolicyNode = document(text, "policy").ok()?;
        let beneficiary = node.beneficiary.value().and_then(crate::bundle::parts).map(|(_, id)| id);
        if beneficiary.is_some_and(|id| names.iter().all(|name| !name.eq_ignore_ascii_case(id))) {
            return None;
        }
        let uuid = match openimis_identifier(&node.identifier) {
            Some(OpenImisId::Uuid(uuid)) => uuid,
            _ => plain(&node.policy_uuid).and_then(uuid)?.to_string(),
        };
        let is_paid = match node.status.value()? {
            Scalar::Integer(status) => matches!(status, 2 | 8),
            Scalar::Text(status) => status == "active",
            _ => false,
        };
        let period = node.period.value();
        let read = |own: &Node<Text>, other: Option<&Node<Text>>| {
            let mut issues = Vec::new();
            let day =
                optional_day(own, "", offset, &mut issues).or_else(|| optional_day(other?, "", offset, &mut issues));
            issues.is_empty().then_some(day)
        };
        let start = read(&node.effective_date, period.map(|period| &period.start))?;
        let end = read(&node.expiry_date, period.map(|period| &period.end))?;
        let class = node.class.items().next();
        let product = plain(&node.product_code).or_else(|| plain(&class?.value)).map(str::to_owned);
        let name = plain(&node.product_name).or_else(|| plain(&class?.name)).map(str::to_owned);
        let left = node.left();
        Some(Self { start, end, uuid, is_paid, product, name, left })
    }

    /// Whether it holds on a day.
    pub fn holds(&self, day: Date) -> bool {
        self.is_paid && self.start.is_some_and(|start| start <= day) && self.end.is_none_or(|end| day <= end)
    }
}

impl PolicyNode<'_> {
    /// openIMIS writes 0 for in- and out-patient care that has no limit of its own, so 0 tells nothing there.
    fn left(&self) -> Vec<(&'static str, Decimal)> {
        let amounts = [
            ("all care", &self.ceiling, true),
            ("in-patient care", &self.ceiling_in_patient, false),
            ("out-patient care", &self.ceiling_out_patient, false),
        ];
        let read = |(name, amount, zero_counts): (&'static str, &Number, bool)| {
            let amount = amount.0.value()?.round_dp(crate::decimal::PLACES);
            (zero_counts || !amount.is_zero()).then_some((name, amount.max(Decimal::ZERO)))
        };
        amounts.into_iter().filter_map(read).collect()
    }
}

/// The insuree's policies, those that hold on the day first, then the latest.
pub(crate) fn policies(found: &[String], names: &[&str], on: Date, offset: Offset) -> Vec<Policy> {
    let mut policies: Vec<Policy> = found.iter().filter_map(|text| Policy::read(text, names, offset)).collect();
    policies.sort_by(|one, other| (other.holds(on), other).cmp(&(one.holds(on), one)));
    policies
}
