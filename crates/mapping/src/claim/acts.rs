//! Lines of what was prescribed, ordered and done in an encounter, where nobody made a claim of it.

use rust_decimal::Decimal;

use super::lines::Line;
use super::parties::names;
use super::products::Coded;
use super::source::{Act, Medication};
use super::{Subject, Work};
use crate::bundle::Entry;
use crate::issue::Issue;
use crate::json::{Node, Scalar};
use crate::r4::{Reference, plain};

/// What is claimed of an encounter.
const KINDS: [&str; 3] = ["MedicationRequest", "Procedure", "ServiceRequest"];

impl<'w> Work<'w> {
    pub(super) fn acts(&mut self, subject: &'w Subject<'w>) -> Vec<Line> {
        let documents = self.documents;
        let entries: Vec<(&str, &Entry)> =
            KINDS.iter().flat_map(|kind| documents.of(kind).map(|entry| (*kind, entry))).collect();
        if !self.is_claimable(entries.len(), "Bundle.entry") {
            return Vec::new();
        }
        let mut lines: Vec<Line> = Vec::new();
        for (kind, entry) in entries {
            let Some(act) = documents.parse::<Act>(entry, &mut self.issues) else { continue };
            if !counts(kind, &act) || !self.is_of(subject, entry, act.encounter.value()) {
                continue;
            }
            let sequence = u32::try_from(lines.len() + 1).unwrap_or(u32::MAX);
            lines.extend(self.act(kind, entry, &act).map(|line| Line { sequence, ..line }));
        }
        lines
    }

    fn act(&mut self, kind: &str, entry: &Entry, act: &Act) -> Option<Line> {
        let is_service = kind != "MedicationRequest";
        let path = format!("{}.{}", entry.path, if is_service { "code" } else { "medication" });
        let product = match (is_service, &act.code, &act.medication_codeable_concept, &act.medication_reference) {
            (true, Node::Value(concept), ..) => self.product(&path, concept, Some(true)),
            (false, _, Node::Value(concept), _) => self.product(&path, concept, Some(false)),
            (false, _, _, Node::Value(reference)) => self.medication(&path, reference, entry),
            _ => {
                self.issues.push(Issue::missing(path.clone(), "the code of an item or service"));
                Coded::Unknown
            }
        };
        if matches!(product, Coded::LeftOut) {
            return None;
        }
        let quantity = if is_service {
            let path = format!("{}.quantityQuantity", entry.path);
            self.quantity(&path, act.quantity_quantity.value(), Some(Decimal::ONE))
        } else {
            let dispensed = act.dispense_request.value().and_then(|request| request.quantity.value());
            self.quantity(&format!("{}.dispenseRequest.quantity", entry.path), dispensed, None)
        };
        let Coded::Known(product) = product else { return None };
        let price = self.price(&path, product.price);
        let (uuid, quantity, price) = (product.uuid?, quantity?, price?);
        Some(Line { path, sequence: 0, is_service, uuid, code: product.code, quantity, price })
    }

    /// A drug may be in the table by its own id, which tells strength and form; OpenMRS' codes tell the substance only.
    fn medication(&mut self, path: &str, reference: &Reference, from: &Entry) -> Coded {
        let entry = self.documents.resolve(reference, from, &["Medication"]);
        let mut tokens = names(reference);
        tokens.extend(entry.and_then(Entry::own_id).map(|id| format!("Medication/{id}")));
        let row = tokens.iter().find_map(|token| self.settings.items.iter().find(|row| row.source == *token));
        if let Some(row) = row {
            return self.product_of_row(path, row);
        }
        let Some(entry) = entry else {
            self.unresolved(&format!("{path}Reference"), "a Medication of the Bundle, or a row of items for it");
            return Coded::Unknown;
        };
        let Some(medication) = self.documents.parse::<Medication>(entry, &mut self.issues) else {
            return Coded::Unknown;
        };
        let path = format!("{}.code", entry.path);
        let Some(concept) = medication.code.value() else {
            self.issues.push(Issue::missing(path, "the code of a medical item"));
            return Coded::Unknown;
        };
        self.product(&path, concept, Some(false))
    }
}

/// Whether something was really ordered or done. OpenMRS writes `unknown` where it does not say.
fn counts(kind: &str, act: &Act) -> bool {
    let status = plain(&act.status).unwrap_or("unknown");
    let proposed = matches!(plain(&act.intent), Some("proposal" | "plan" | "option"));
    let forbidden = matches!(act.do_not_perform.value(), Some(Scalar::Bool(true)));
    let is_done = match kind {
        "Procedure" => matches!(status, "completed" | "in-progress" | "unknown"),
        _ => matches!(status, "active" | "completed" | "unknown"),
    };
    is_done && !proposed && !forbidden
}
