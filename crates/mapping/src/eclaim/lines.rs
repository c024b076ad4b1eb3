//! The claim's lines: items and services with quantity and price, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::products::Coded;
use super::source::{Item, Quantity, whole};
use super::{Subject, Work};
use crate::decimal::{Number, PLACES, fits, is_bounded, rounded};
use crate::fhir::elements::{Money, each};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType, Severity};
use crate::json::Node;

/// More items than the bill of any hospital stay.
const MAX_LINES: usize = 1000;

/// One line of openIMIS' claim.
#[derive(Debug)]
pub(super) struct Line {
    pub path: String,
    pub sequence: u32,
    pub is_service: bool,
    pub uuid: String,
    pub code: String,
    pub quantity: Decimal,
    pub price: Decimal,
}

impl<'w> Work<'w> {
    /// The lines and their currency.
    pub(super) fn lines(&mut self, subject: &'w Subject<'w>) -> (Vec<Line>, String) {
        let before = self.issues.len();
        let mut currencies = Vec::new();
        let of_claim = subject.claim.as_ref().filter(|(_, claim)| !matches!(claim.item, Node::Absent));
        let mut lines = match of_claim {
            Some((entry, claim)) => {
                let path = format!("{}.item", entry.path);
                let items = each(&claim.item, &path, "items", &mut self.issues);
                match self.is_claimable(items.len(), &path) {
                    true => self.items(&items, &mut currencies),
                    false => Vec::new(),
                }
            }
            None => self.acts(subject, &mut currencies),
        };
        if let Some((entry, claim)) = &subject.claim {
            currencies.extend(currency(&format!("{}.total", entry.path), claim.total.value()));
        }
        lines.retain(|line| {
            let is_bounded = is_bounded(line.quantity * line.price);
            if !is_bounded {
                let text = "quantity times price is more than openIMIS holds";
                self.issues.push(Issue::error(IssueType::Value, line.path.clone(), text));
            }
            is_bounded
        });
        let nothing_said = self.issues[before..].iter().all(|issue| issue.severity > Severity::Error);
        if lines.is_empty() && nothing_said {
            let path = subject.claim.as_ref().map_or("Bundle.entry".to_owned(), |_| subject.of_claim("item"));
            self.issues.push(Issue::missing(path, "at least one item or service that is claimed"));
        }
        self.twice(&lines);
        (lines, self.currency(&currencies))
    }

    /// Every item may be a question to openIMIS, so there is an end to them.
    pub(super) fn is_claimable(&mut self, count: usize, path: &str) -> bool {
        if count > MAX_LINES {
            let text = format!("{count} items; expected up to {MAX_LINES} in one claim");
            self.error(IssueType::NotSupported, path, text);
        }
        count <= MAX_LINES
    }

    fn items(&mut self, items: &[(String, &Item)], currencies: &mut Vec<(String, String)>) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut sequences = BTreeSet::new();
        for (index, (path, item)) in items.iter().enumerate() {
            currencies.extend(currency(&format!("{path}.unitPrice"), item.unit_price.value()));
            currencies.extend(currency(&format!("{path}.net"), item.net.value()));
            let sequence = self.sequence(path, item, index, &mut sequences);
            self.check_day(&format!("{path}.servicedDate"), &item.serviced_date);
            if let Some(period) = item.serviced_period.value() {
                self.check_day(&format!("{path}.servicedPeriod.start"), &period.start);
                self.check_day(&format!("{path}.servicedPeriod.end"), &period.end);
            }
            let product = self.product_of_item(path, item);
            let product = match product {
                Coded::Known(product) => Some(product),
                Coded::Unknown => None,
                Coded::LeftOut => continue,
            };
            let amounts = self.amounts(path, item, product.as_ref().map(|product| product.price));
            let Some(product) = product else { continue };
            if let (Some(uuid), Some((quantity, price)), Some(sequence)) = (product.uuid, amounts, sequence) {
                let (path, code) = (path.clone(), product.code);
                lines.push(Line { path, sequence, is_service: product.is_service, uuid, code, quantity, price });
            }
        }
        lines
    }

    fn sequence(&mut self, path: &str, item: &Item, index: usize, seen: &mut BTreeSet<u32>) -> Option<u32> {
        let path = format!("{path}.sequence");
        let sequence = match &item.sequence {
            Node::Absent => u32::try_from(index + 1).ok(),
            found => whole(found),
        };
        match sequence {
            None => self.issues.push(Issue::unusable(path, "a whole number from 1", "something else")),
            Some(number) if !seen.insert(number) => {
                self.error(
                    IssueType::Conflict,
                    path,
                    format!("{number} is there twice; expected another for each item"),
                );
            }
            Some(number) => return Some(number),
        }
        None
    }

    /// Quantity and price of an item. Its `net` has to agree, or tells the price. `known`: the table's or openIMIS' price, if the item itself
    /// is known.
    fn amounts(&mut self, path: &str, item: &Item, known: Option<Option<Decimal>>) -> Option<(Decimal, Decimal)> {
        if item.detail.items().next().is_some() {
            let text = "openIMIS has no items within items; expected each as an item of its own";
            self.error(IssueType::NotSupported, format!("{path}.detail"), text);
        }
        self.check_factor(&format!("{path}.factor"), &item.factor.0);
        let before = self.issues.len();
        let quantity = self.quantity(&format!("{path}.quantity"), item.quantity.value(), Some(Decimal::ONE));
        let mut read = |money: &Node<Money>, name: &str| match money {
            Node::Value(money) => money.value.read(format!("{path}.{name}.value"), "an amount", &mut self.issues),
            Node::Absent => None,
            Node::Other(kind) => {
                self.issues.push(Issue::unusable(format!("{path}.{name}"), "an amount of money", kind));
                None
            }
        };
        let (price, net) = (read(&item.unit_price, "unitPrice"), read(&item.net, "net"));
        if self.issues.len() > before {
            return None;
        }
        let quantity = quantity?;
        match (price, net) {
            (Some(price), Some(net)) if rounded(quantity * price) != net => {
                let text = format!("quantity times price is {}; found {net}", rounded(quantity * price));
                self.error(IssueType::Conflict, format!("{path}.net.value"), text);
                None
            }
            (Some(price), _) => Some((quantity, price)),
            (None, Some(net)) => {
                self.divided(&format!("{path}.net.value"), net, quantity).map(|price| (quantity, price))
            }
            (None, None) => self.price(&format!("{path}.unitPrice"), known?).map(|price| (quantity, price)),
        }
    }

    /// The price of one, of what all cost together.
    pub(super) fn divided(&mut self, path: &str, total: Decimal, quantity: Decimal) -> Option<Decimal> {
        let price = (total / quantity).normalize();
        if fits(price) && price * quantity == total {
            return Some(price);
        }
        let text = format!("it cannot be divided by the quantity; expected a price of one with {PLACES} decimals");
        self.error(IssueType::Value, path, text);
        None
    }

    pub(super) fn check_factor(&mut self, path: &str, factor: &Number) {
        if !matches!(factor.0, Node::Absent) && factor.fitting() != Some(Decimal::ONE) {
            self.error(IssueType::NotSupported, path, "openIMIS has no factors; expected 1 or none");
        }
    }

    /// The table's or openIMIS' price.
    pub(super) fn price(&mut self, path: &str, known: Option<Decimal>) -> Option<Decimal> {
        if known.is_none() {
            self.issues
                .push(Issue::missing(path.to_owned(), "a price, in the document, in the table items or in openIMIS"));
        }
        known
    }

    /// How many; one that is not there may have a default.
    pub(super) fn quantity(
        &mut self,
        path: &str,
        node: Option<&Quantity>,
        default: Option<Decimal>,
    ) -> Option<Decimal> {
        if !self.is_exact(path, node) {
            return None;
        }
        let absent = Number::default();
        let number = node.map_or(&absent, |quantity| &quantity.value);
        let path = format!("{path}.value");
        let found = match (&number.0, default) {
            (Node::Absent, Some(default)) => return Some(default),
            (Node::Absent, None) => number.require(path.clone(), "how many were given", &mut self.issues),
            _ => number.read(path.clone(), "a quantity", &mut self.issues),
        }?;
        if found.is_zero() {
            self.issues.push(Issue::unusable(path, "a quantity above 0", "0"));
            return None;
        }
        Some(found)
    }

    fn twice(&mut self, lines: &[Line]) {
        let mut first: BTreeMap<(&str, Decimal, Decimal), &str> = BTreeMap::new();
        for line in lines {
            let same = (line.uuid.as_str(), line.quantity, line.price);
            if let Some(first) = first.insert(same, &line.path) {
                let text = format!("{} is claimed at {first} already; both were written", shown(&line.code));
                self.issues.push(Issue::error(IssueType::Conflict, line.path.clone(), text).as_warning());
            }
        }
    }

    /// The currency of all prices.
    fn currency(&mut self, found: &[(String, String)]) -> String {
        let settings = self.settings;
        let expected = match settings.source_currency.as_str() {
            "" => found.first().map(|(_, currency)| currency.as_str()),
            set => Some(set),
        };
        for (path, currency) in found {
            if let Some(expected) = expected.filter(|expected| expected != currency) {
                let text = format!("expected {}; found {}", shown(expected), shown(currency));
                self.error(IssueType::Conflict, format!("{path}.currency"), text);
            }
        }
        match settings.currency.as_str() {
            "" => expected.unwrap_or_default().to_owned(),
            set => set.to_owned(),
        }
    }

    /// The total has to be what the lines add up to; openIMIS refuses a claim of nothing.
    pub(super) fn check_total(&mut self, subject: &Subject, lines: &[Line]) {
        let path = subject.claim.as_ref().map_or("Bundle.entry".to_owned(), |_| subject.of_claim("total"));
        let sum = rounded(sum(lines));
        if let Some((_, claim)) = &subject.claim
            && let Node::Value(total) = &claim.total
        {
            let before = self.issues.len();
            let total = total.value.read(format!("{path}.value"), "an amount", &mut self.issues);
            let count = claim.item.items().count();
            if let Some(total) = total.filter(|total| *total != sum && lines.len() == count && count > 0) {
                let text = format!("the items add up to {}; found {total}", sum.normalize());
                self.error(IssueType::Conflict, format!("{path}.value"), text);
            }
            if self.issues.len() > before {
                return;
            }
        }
        if !lines.is_empty() && sum.is_zero() {
            self.error(
                IssueType::BusinessRule,
                path,
                "the items add up to 0, which openIMIS takes for a missing total",
            );
        }
    }
}

/// What lines add up to.
pub(super) fn sum(lines: &[Line]) -> Decimal {
    lines.iter().map(|line| line.quantity * line.price).sum()
}

pub(super) fn currency(path: &str, money: Option<&Money>) -> Option<(String, String)> {
    plain(&money?.currency).map(|currency| (path.to_owned(), currency.to_owned()))
}
