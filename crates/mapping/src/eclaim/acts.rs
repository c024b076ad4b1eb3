//! Lines of what was prescribed, given, ordered, done and charged in an encounter, where nobody made a claim of it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::lines::Line;
use super::products::Coded;
use super::references::names;
use super::source::{Act, Medication};
use super::status::Standing;
use super::{Subject, Work};
use crate::bundle::{Documents, Entry};
use crate::fhir::elements::{Concept, Reference};
use crate::fhir::primitives::plain;
use crate::issue::{Issue, IssueType};
use crate::json::Node;

/// What is claimed of an encounter.
pub(super) const KINDS: [&str; 5] =
    ["MedicationRequest", "Procedure", "ServiceRequest", "MedicationDispense", "ChargeItem"];
/// What a charge may be for, and what that may be based on.
const SERVICES: [&str; 10] = [
    "DiagnosticReport",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Procedure",
    "ServiceRequest",
    "SupplyDelivery",
];

/// One resource that may be a line.
pub(super) struct Found<'w> {
    pub kind: &'static str,
    pub entry: &'w Entry<'w>,
    pub act: Act<'w>,
    counts: bool,
}

impl<'w> Work<'w> {
    pub(super) fn acts(&mut self, subject: &'w Subject<'w>, currencies: &mut Vec<(String, String)>) -> Vec<Line> {
        let documents = self.documents;
        let entries: Vec<(&'static str, &'w Entry<'w>)> =
            KINDS.iter().flat_map(|kind| documents.of(kind).map(|entry| (*kind, entry))).collect();
        if !self.is_claimable(entries.len(), "Bundle.entry") {
            return Vec::new();
        }
        let all = entries.into_iter().filter_map(|(kind, entry)| self.found(kind, entry)).collect();
        let found = self.of_visit(all, subject);
        let charged = stood_for(documents, &found);
        self.tell_unread(subject, &charged);
        let mut lines: Vec<Line> = Vec::new();
        let mut kinds = Vec::new();
        for Found { kind, entry, act, counts } in &found {
            if !counts || charged.contains(&entry.index) {
                continue;
            }
            self.heed(entry);
            self.check_days(kind, entry, act);
            let sequence = u32::try_from(lines.len() + 1).unwrap_or(u32::MAX);
            if let Some(line) = self.act(kind, entry, act, currencies) {
                lines.push(Line { sequence, ..line });
                kinds.push(*kind);
            }
        }
        self.tell_other_kinds(&lines, &kinds);
        lines
    }

    fn found(&mut self, kind: &'static str, entry: &'w Entry<'w>) -> Option<Found<'w>> {
        let act = self.documents.parse::<Act>(entry, &mut self.issues)?;
        Some(Found { kind, entry, act, counts: true })
    }

    /// Those of the encounter. What is given for a prescription of the encounter belongs to it, wherever it was given.
    fn of_visit(&mut self, all: Vec<Found<'w>>, subject: &Subject) -> Vec<Found<'w>> {
        let documents = self.documents;
        let mut found: Vec<Found> = Vec::new();
        for one in all {
            let prescribed = one.act.authorizing_prescription.items();
            let is_prescribed = prescribed
                .filter_map(|reference| documents.resolve(reference, one.entry, &["MedicationRequest"]))
                .any(|entry| found.iter().any(|found| found.entry.index == entry.index));
            let named = one.act.encounter.value().or(one.act.context.value());
            if !(is_prescribed || self.is_of(subject, one.entry, named)) {
                continue;
            }
            match self.standing(one.kind, one.entry, &one.act) {
                Standing::NeverThere => {}
                standing => found.push(Found { counts: standing == Standing::Counts, ..one }),
            }
        }
        found
    }

    fn act(&mut self, kind: &str, entry: &Entry, act: &Act, currencies: &mut Vec<(String, String)>) -> Option<Line> {
        let element = if kind.starts_with("Medication") { "medication" } else { "code" };
        let path = format!("{}.{element}", entry.path);
        let product = self.product_of_act(kind, &path, entry, act);
        if matches!(product, Coded::LeftOut) {
            return None;
        }
        let (element, quantity, default) = match kind {
            "MedicationRequest" => {
                let dispensed = act.dispense_request.value().and_then(|request| request.quantity.value());
                ("dispenseRequest.quantity", dispensed, None)
            }
            "MedicationDispense" => ("quantity", act.quantity.value(), None),
            "ChargeItem" => ("quantity", act.quantity.value(), Some(Decimal::ONE)),
            _ => ("quantityQuantity", act.quantity_quantity.value(), Some(Decimal::ONE)),
        };
        let quantity = self.quantity(&format!("{}.{element}", entry.path), quantity, default);
        let charged = self.charged(entry, act, quantity, currencies);
        let Coded::Known(product) = product else { return None };
        let price = match charged {
            Some(price) => price,
            None => self.price(&path, product.price),
        };
        let (is_service, code) = (product.is_service, product.code);
        let (uuid, quantity, price) = (product.uuid?, quantity?, price?);
        Some(Line { path, sequence: 0, is_service, uuid, code, quantity, price })
    }

    /// The price of one, where a charge tells what all of it costs. `Some(None)` where it cannot be told; an issue says why.
    fn charged(
        &mut self,
        entry: &Entry,
        act: &Act,
        quantity: Option<Decimal>,
        currencies: &mut Vec<(String, String)>,
    ) -> Option<Option<Decimal>> {
        self.check_factor(&format!("{}.factorOverride", entry.path), &act.factor_override.0);
        let Node::Value(money) = &act.price_override else { return None };
        let path = format!("{}.priceOverride", entry.path);
        currencies.extend(super::lines::currency(&path, Some(money)));
        let total = money.value.require(format!("{path}.value"), "an amount", &mut self.issues);
        Some(total.zip(quantity).and_then(|(total, quantity)| self.divided(&format!("{path}.value"), total, quantity)))
    }

    /// When it was done; an order may be for a later day.
    fn check_days(&mut self, kind: &str, entry: &Entry, act: &Act) {
        let path = &entry.path;
        match kind {
            "Procedure" => {
                self.check_day(&format!("{path}.performedDateTime"), &act.performed_date_time);
                if let Some(period) = act.performed_period.value() {
                    self.check_day(&format!("{path}.performedPeriod.start"), &period.start);
                }
            }
            "MedicationDispense" => self.check_day(&format!("{path}.whenHandedOver"), &act.when_handed_over),
            "ChargeItem" => self.check_day(&format!("{path}.occurrenceDateTime"), &act.occurrence_date_time),
            _ => {}
        }
    }

    fn product_of_act(&mut self, kind: &str, path: &str, entry: &Entry, act: &Act) -> Coded {
        let is_drug = kind.starts_with("Medication");
        let is_service = match kind {
            "ChargeItem" => self.is_service(entry, act),
            _ => Some(!is_drug),
        };
        match (is_drug, &act.code, &act.medication_codeable_concept, &act.medication_reference) {
            (false, Node::Value(concept), ..) => self.product(path, concept, is_service),
            (true, _, Node::Value(concept), _) => self.product(path, concept, is_service),
            (true, _, _, Node::Value(reference)) => self.medication(path, reference, entry),
            _ => {
                self.issues.push(Issue::missing(path.to_owned(), "the code of an item or service"));
                Coded::Unknown
            }
        }
    }

    /// Whether a charge is for a service or for an item, as far as it tells.
    fn is_service(&self, entry: &Entry, act: &Act) -> Option<bool> {
        if !matches!((&act.product_reference, &act.product_codeable_concept), (Node::Absent, Node::Absent)) {
            return Some(false);
        }
        let mut services = act.service.items();
        let service = services.find_map(|reference| self.documents.resolve(reference, entry, &SERVICES))?;
        Some(
            !(service.kind.starts_with("Medication")
                || service.kind == "Immunization"
                || service.kind == "SupplyDelivery"),
        )
    }

    /// A drug may be in the table by its own id, which tells strength and form; OpenMRS' codes tell the substance only.
    fn medication(&mut self, path: &str, reference: &Reference, from: &Entry) -> Coded {
        let entry = self.documents.resolve(reference, from, &["Medication"]);
        let mut tokens = names(reference);
        tokens.extend(entry.and_then(Entry::own_id).map(|id| format!("Medication/{id}")));
        let medication = entry.and_then(|entry| self.documents.parse::<Medication>(entry, &mut self.issues));
        if let (Some(entry), Some(medication)) = (entry, &medication) {
            self.heed(entry);
            if plain(&medication.status) == Some("entered-in-error") {
                let text = "this drug was entered in error; expected the one that was given";
                self.error(IssueType::BusinessRule, format!("{}.status", entry.path), text);
            }
        }
        let row = tokens.iter().find_map(|token| self.settings.items.iter().find(|row| row.source == *token));
        if let Some(row) = row {
            return self.product_of_row(path, row);
        }
        let Some(entry) = entry else {
            self.unresolved(&format!("{path}Reference"), "a Medication of the Bundle, or a row of items for it");
            return Coded::Unknown;
        };
        let Some(medication) = medication else { return Coded::Unknown };
        let path = format!("{}.code", entry.path);
        let Some(concept) = medication.code.value() else {
            self.issues.push(Issue::missing(path, "the code of a medical item"));
            return Coded::Unknown;
        };
        self.product(&path, concept, Some(false))
    }

    /// The same thing ordered and charged, and nothing says that both are one: somebody should look.
    fn tell_other_kinds(&mut self, lines: &[Line], kinds: &[&str]) {
        let mut first: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (line, kind) in lines.iter().zip(kinds) {
            let (path, other) = *first.entry(line.uuid.as_str()).or_insert((line.path.as_str(), *kind));
            if other != *kind {
                let text = format!("{} is claimed at {path} as {other} already; both were written", line.code);
                self.warn(IssueType::Conflict, line.path.clone(), text);
            }
        }
    }
}

/// What others stand for: the prescription for what was given, the order for what was done, what was done for what is charged.
fn stood_for(documents: &Documents, found: &[Found]) -> BTreeSet<usize> {
    let mut charged = BTreeSet::new();
    for Found { kind, entry, act, .. } in found {
        match *kind {
            "MedicationDispense" => {
                let requests = act.authorizing_prescription.items();
                charged.extend(
                    requests.filter_map(|it| Some(documents.resolve(it, entry, &["MedicationRequest"])?.index)),
                );
            }
            "Procedure" => {
                let tokens = act.code.value().map(Concept::tokens).unwrap_or_default();
                let same = |other: &Found| {
                    let others = other.act.code.value().map(Concept::tokens).unwrap_or_default();
                    others.iter().any(|token| tokens.contains(token))
                };
                let orders = act.based_on.items().filter_map(|it| documents.resolve(it, entry, &["ServiceRequest"]));
                let orders = orders.filter(|order| found.iter().any(|it| it.entry.index == order.index && same(it)));
                charged.extend(orders.map(|order| order.index));
            }
            "ChargeItem" => {
                for service in act.service.items().filter_map(|it| documents.resolve(it, entry, &SERVICES)) {
                    charged.insert(service.index);
                    charged.extend(based_on(documents, service));
                }
            }
            _ => {}
        }
    }
    charged
}

/// The orders that something was done for.
pub(super) fn based_on(documents: &Documents, entry: &Entry) -> Vec<usize> {
    let Some(act) = documents.parse::<Act>(entry, &mut Vec::new()) else { return Vec::new() };
    let all = act.based_on.items().chain(act.authorizing_prescription.items()).chain(act.request.value());
    all.filter_map(|reference| documents.resolve(reference, entry, &SERVICES)).map(|order| order.index).collect()
}
