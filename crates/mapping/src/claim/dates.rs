//! When a claim's services were given, when it was made, and what kind of visit it was.

use jiff::civil::Date;

use super::settings::VISIT_TYPES;
use super::{Subject, Work};
use crate::codes;
use crate::fhir::day;
use crate::issue::{Issue, IssueType};
use crate::json::Node;
use crate::r4::{Coding, Concept, Period, optional_day, plain, system};

/// The claim's days.
pub(super) struct Dates {
    pub start: Date,
    pub end: Date,
    pub created: Date,
}

impl Work<'_> {
    /// The billable period is the claim's own, else the encounter's.
    pub(super) fn dates(&mut self, subject: &Subject, received: Option<&str>) -> Option<Dates> {
        let today = received.and_then(|text| {
            let found = day(text, self.offset);
            found
                .map_err(|found| self.issues.push(Issue::unusable("", "the time at which the document came in", found)))
                .ok()
        });
        let of_claim = subject.claim.as_ref().and_then(|(entry, claim)| {
            let period = claim.billable_period.value()?;
            Some((format!("{}.billablePeriod", entry.path), period))
        });
        let of_encounter = || {
            let (entry, encounter) = subject.encounter.as_ref()?;
            Some((format!("{}.period", entry.path), encounter.period.value()?))
        };
        let Some((path, period)) = of_claim.or_else(of_encounter) else {
            let path = subject.of_either("billablePeriod", "period");
            self.issues.push(Issue::missing(path, "the period in which the services were given"));
            self.created(subject, today);
            return None;
        };
        let (days, created) = (self.period(&path, period, subject), self.created(subject, today));
        let ((start, end), created) = (days?, created?);
        let created_path = subject.of_claim("created");
        let mut is_right = true;
        for (path, date) in
            [(format!("{path}.start"), start), (format!("{path}.end"), end), (created_path.clone(), created)]
        {
            if today.is_some_and(|today| date > today) {
                self.error(IssueType::BusinessRule, path, "a day in the future; expected one that has begun");
                is_right = false;
            }
        }
        if end < start {
            self.error(IssueType::Conflict, path, "it ends before it starts");
            is_right = false;
        } else if created < start {
            // openIMIS takes such a claim and rejects it ("TARGET DATE").
            self.error(IssueType::Conflict, created_path, "the claim was made before the services were given");
            is_right = false;
        }
        is_right.then_some(Dates { start, end, created })
    }

    fn period(&mut self, path: &str, period: &Period, subject: &Subject) -> Option<(Date, Date)> {
        let start_path = format!("{path}.start");
        if matches!(period.start, Node::Absent) {
            self.issues.push(Issue::missing(start_path.clone(), "the day on which the services began"));
        }
        let start = optional_day(&period.start, &start_path, self.offset, &mut self.issues);
        let end = optional_day(&period.end, &format!("{path}.end"), self.offset, &mut self.issues);
        if matches!(period.end, Node::Absent) {
            let class = subject.encounter.as_ref().and_then(|(_, encounter)| plain(&encounter.class.value()?.code));
            if matches!(class, Some("IMP" | "ACUTE" | "NONAC")) {
                self.issues.push(Issue::missing(format!("{path}.end"), "the day on which the hospital stay ended"));
                return None;
            }
        } else if end.is_none() {
            return None;
        }
        start.map(|start| (start, end.unwrap_or(start)))
    }

    /// The day of the claim: its own, else that of the Bundle, else the day on which it came in.
    fn created(&mut self, subject: &Subject, today: Option<Date>) -> Option<Date> {
        if let Some((entry, claim)) = &subject.claim
            && !matches!(claim.created, Node::Absent)
        {
            return optional_day(&claim.created, &format!("{}.created", entry.path), self.offset, &mut self.issues);
        }
        let timestamp = optional_day(&self.documents.timestamp, "Bundle.timestamp", self.offset, &mut self.issues);
        let created = timestamp.or(today);
        if created.is_none() {
            self.issues.push(Issue::missing(subject.of_claim("created"), "the day on which the claim was made"));
        }
        created
    }

    /// openIMIS' own visit type, the table's, emergency by the encounter's class, or the setting.
    pub(super) fn visit_type(&mut self, subject: &Subject) -> &'static str {
        let known = |code: &str| VISIT_TYPES.iter().find(|(known, _)| *known == code).map(|(known, _)| *known);
        let claim = subject.claim.as_ref().map(|(_, claim)| claim);
        let own = claim.and_then(|claim| claim.kind.value()?.code_of(&system("claim-visit-type")));
        if let Some(own) = own {
            if let Some(code) = known(own) {
                return code;
            }
            let text = "openIMIS knows E, R and O; the table was asked instead";
            self.issues.push(Issue::error(IssueType::Value, subject.of_claim("type"), text).as_warning());
        }
        let mut tokens: Vec<String> = Vec::new();
        for concept in claim.into_iter().flat_map(|claim| [&claim.sub_type, &claim.kind]) {
            tokens.extend(concept.value().into_iter().flat_map(Concept::tokens));
        }
        let mut is_emergency = false;
        if let Some((_, encounter)) = &subject.encounter {
            tokens.extend(encounter.kind.items().flat_map(Concept::tokens));
            let admission = encounter.hospitalization.value().and_then(|stay| stay.admit_source.value());
            tokens.extend(admission.into_iter().flat_map(Concept::tokens));
            let class = encounter.class.value();
            tokens.extend(class.and_then(Coding::token));
            is_emergency = class.is_some_and(|class| plain(&class.code) == Some("EMER"));
        }
        let row = codes::find(&self.settings.visit_types, &tokens).and_then(|row| known(&row.openimis));
        row.or(is_emergency.then_some("E")).or(known(&self.settings.visit_type)).unwrap_or("O")
    }
}
