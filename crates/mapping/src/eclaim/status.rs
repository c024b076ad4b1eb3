//! FHIR's modifier elements: words by which a resource says that something was not done, or is not so. None of them is passed over.

use super::source::{Act, Condition, Quantity};
use super::{Subject, Work};
use crate::bundle::Entry;
use crate::fhir::elements::Concept;
use crate::fhir::primitives::plain;
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Scalar};

/// The statuses of what is claimed: those that count, and those that do not.
const STATUSES: [(&str, &[&str], &[&str]); 5] = [
    (
        "MedicationRequest",
        &["active", "completed", "unknown"],
        &["on-hold", "cancelled", "entered-in-error", "stopped", "draft"],
    ),
    ("Procedure", &["completed", "in-progress", "unknown"], &["preparation", "not-done", "on-hold", "stopped", ERROR]),
    ("ServiceRequest", &["active", "completed", "unknown"], &["draft", "on-hold", "revoked", ERROR]),
    (
        "MedicationDispense",
        &["completed", "unknown"],
        &["preparation", "in-progress", "cancelled", "on-hold", ERROR, "stopped", "declined"],
    ),
    ("ChargeItem", &["billable", "unknown"], &["planned", "not-billable", "aborted", "billed", ERROR]),
];
const ERROR: &str = "entered-in-error";
/// Intents of a request that somebody made, and of one that is only thought of.
const ORDERED: [&str; 5] = ["order", "original-order", "reflex-order", "filler-order", "instance-order"];
const THOUGHT_OF: [&str; 4] = ["proposal", "plan", "directive", "option"];
/// OpenMRS writes `unknown` where it does not say. The last two are R5's words.
const FINISHED: [&str; 4] = ["finished", "unknown", "completed", "discharged"];
const GOING_ON: [&str; 4] = ["arrived", "triaged", "in-progress", "onleave"];
pub(super) const NOT_A_VISIT: [&str; 3] = ["planned", "cancelled", ERROR];

/// What a status says of what was done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    Counts,
    /// A warning says so. What it stands for does not count either.
    NotDone,
    /// As if it were not there.
    NeverThere,
}

fn one_of<'k>(known: &[&'k str], word: &str) -> Option<&'k str> {
    known.iter().find(|known| **known == word).copied()
}

impl Work<'_> {
    pub(super) fn check_status(&mut self, subject: &Subject) {
        if let Some((entry, claim)) = &subject.claim {
            self.heed(entry);
            let status = plain(&claim.status);
            if status.is_some_and(|status| status != "active") {
                let found = status.and_then(|status| one_of(&["draft", "cancelled", ERROR], status));
                let text = format!("expected active; found {}", found.unwrap_or("something else"));
                self.error(IssueType::BusinessRule, format!("{}.status", entry.path), text);
            }
            if let Some(usage) = plain(&claim.usage).filter(|usage| *usage != "claim") {
                let found = one_of(&["preauthorization", "predetermination"], usage).unwrap_or("something else");
                let text = format!("openIMIS takes claims only; expected claim, found {found}");
                self.error(IssueType::NotSupported, format!("{}.use", entry.path), text);
            }
        }
        if let Some((entry, encounter)) = &subject.encounter {
            self.heed(entry);
            let status = plain(&encounter.status).unwrap_or("unknown");
            let found = one_of(&NOT_A_VISIT, status)
                .or_else(|| one_of(&GOING_ON, status).filter(|_| subject.claim.is_none()))
                .or_else(|| (!FINISHED.contains(&status) && !GOING_ON.contains(&status)).then_some("something else"));
            if let Some(found) = found {
                let text = format!("expected finished; found {found}");
                self.error(IssueType::BusinessRule, format!("{}.status", entry.path), text);
            }
        }
    }

    /// Tells what changes the meaning of a resource that is used.
    pub(super) fn heed(&mut self, entry: &Entry) {
        self.documents.heed(entry, &mut self.issues);
    }

    pub(super) fn warn(&mut self, code: IssueType, path: impl Into<String>, text: impl Into<String>) {
        self.issues.push(Issue::error(code, path.into(), text).as_warning());
    }

    /// Whether something was really ordered, given or done. What was not is told.
    pub(super) fn standing(&mut self, kind: &str, entry: &Entry, act: &Act) -> Standing {
        let status = plain(&act.status).unwrap_or("unknown");
        let Some((_, counted, others)) = STATUSES.iter().find(|(known, ..)| *known == kind) else {
            return Standing::NeverThere;
        };
        let path = format!("{}.status", entry.path);
        if let Some(status) = one_of(others, status) {
            self.warn(IssueType::BusinessRule, path, format!("{kind} of status {status}; not claimed"));
            return if status == ERROR { Standing::NeverThere } else { Standing::NotDone };
        }
        if !counted.contains(&status) {
            let expected = format!("a status of {kind}, such as {}", counted[0]);
            self.issues.push(Issue::unusable(path, &expected, "something else"));
        }
        if self.is_not_ordered(entry, act) { Standing::NotDone } else { Standing::Counts }
    }

    fn is_not_ordered(&mut self, entry: &Entry, act: &Act) -> bool {
        let path = format!("{}.intent", entry.path);
        let intent = plain(&act.intent).unwrap_or("order");
        if let Some(intent) = one_of(&THOUGHT_OF, intent) {
            self.warn(IssueType::BusinessRule, path, format!("intent {intent}, which is no order; not claimed"));
            return true;
        }
        if !ORDERED.contains(&intent) {
            self.issues.push(Issue::unusable(path, "an intent, such as order", "something else"));
        }
        let path = format!("{}.doNotPerform", entry.path);
        match &act.do_not_perform {
            Node::Absent | Node::Value(Scalar::Bool(false)) => return false,
            Node::Value(Scalar::Bool(true)) => {
                self.warn(IssueType::BusinessRule, path, "an order not to do this; not claimed");
            }
            _ => self.issues.push(Issue::unusable(path, "true or false", "something else")),
        }
        true
    }

    /// Whether a condition is a diagnosis. What was ruled out is told; whether it may be left out depends on who names it.
    pub(super) fn is_diagnosed(&mut self, entry: &Entry, condition: &Condition, is_claimed: bool) -> bool {
        const KNOWN: [&str; 4] = ["unconfirmed", "provisional", "differential", "confirmed"];
        let path = format!("{}.verificationStatus", entry.path);
        let concept = condition.verification_status.value();
        let statuses: Vec<&str> = concept.into_iter().flat_map(Concept::codes).collect();
        if let Some(status) = statuses.iter().find_map(|status| one_of(&["refuted", ERROR], status)) {
            let text = format!("the diagnosis is {status}; not claimed");
            let issue = Issue::error(IssueType::BusinessRule, path, text);
            self.issues.push(if is_claimed { issue } else { issue.as_warning() });
            return false;
        }
        if concept.is_some() && !statuses.iter().any(|status| KNOWN.contains(status)) {
            self.issues.push(Issue::unusable(path, "a verification status, such as confirmed", "something else"));
        }
        let clinical = condition.clinical_status.value();
        let mut past = clinical.into_iter().flat_map(Concept::codes);
        if let Some(status) = past.find_map(|status| one_of(&["inactive", "remission", "resolved"], status)) {
            let text = format!("the condition is {status}; claimed as a diagnosis of this visit");
            self.warn(IssueType::BusinessRule, format!("{}.clinicalStatus", entry.path), text);
        }
        self.heed(entry);
        true
    }

    /// A quantity that is only a bound says nothing that could be claimed.
    pub(super) fn is_exact(&mut self, path: &str, quantity: Option<&Quantity>) -> bool {
        let is_exact = quantity.is_none_or(|quantity| matches!(quantity.comparator, Node::Absent));
        if !is_exact {
            let text = "a bound, not a number; expected a quantity without comparator";
            self.error(IssueType::NotSupported, format!("{path}.comparator"), text);
        }
        is_exact
    }
}
