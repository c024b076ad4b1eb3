//! When a claim's services were given, and when it was made.

use jiff::civil::Date;

use jiff::tz::Offset;

use super::{Subject, Work};
use crate::bundle::Documents;
use crate::fhir::period::Period;
use crate::fhir::primitives::{day, optional_day, plain};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text};

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
        let ((start, end), (created_path, created)) = (days?, created?);
        let mut is_right = true;
        for (path, date) in
            [(format!("{path}.start"), start), (format!("{path}.end"), end), (created_path.clone(), created)]
        {
            if today.is_some_and(|today| date > today) {
                let text = "a day in the future by the clock of utc_offset_minutes; expected one that has begun";
                self.error(IssueType::BusinessRule, path, text);
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

    /// Something that was done on a day that the claim does not bill: openIMIS' items have no days of their own, so that day is lost.
    pub(super) fn check_day(&mut self, path: &str, node: &Node<Text>) {
        let day = optional_day(node, path, self.offset, &mut Vec::new());
        if let (Some((start, end)), Some(day)) = (self.days, day)
            && !(start..=end).contains(&day)
        {
            let text = "a day outside the days that are billed; openIMIS holds one period for all items";
            self.warn(IssueType::Conflict, path, text);
        }
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

    /// The day of the claim, and where it stands: its own, else that of the Bundle, else the day on which it came in.
    fn created(&mut self, subject: &Subject, today: Option<Date>) -> Option<(String, Date)> {
        let of_claim = subject.claim.as_ref().filter(|(_, claim)| !matches!(claim.created, Node::Absent));
        let (path, node) = match of_claim {
            Some((entry, claim)) => (format!("{}.created", entry.path), &claim.created),
            None => ("Bundle.timestamp".to_owned(), &self.documents.timestamp),
        };
        let before = self.issues.len();
        let own = optional_day(node, &path, self.offset, &mut self.issues);
        let created = own.or(today.filter(|_| of_claim.is_none()));
        if created.is_none() && self.issues.len() == before {
            let path = subject.claim.as_ref().map_or(path.clone(), |(entry, _)| format!("{}.created", entry.path));
            self.issues.push(Issue::missing(path, "the day on which the claim was made"));
        }
        created.map(|created| (path, created))
    }
}

/// The clock of the hospital. Where the settings name none, it is that of the document's own times: at 0 a visit of the early morning in Nepal
/// would be billed on the day before.
pub(super) fn clock(documents: &Documents, subject: &Subject, set: Offset) -> Offset {
    if set != Offset::UTC {
        return set;
    }
    let encounter = subject.encounter.as_ref().and_then(|(_, encounter)| encounter.period.value());
    let claim = subject.claim.as_ref().map(|(_, claim)| claim);
    let periods = [claim.and_then(|claim| claim.billable_period.value()), encounter];
    let days = periods.into_iter().flatten().flat_map(|period| [&period.start, &period.end]);
    let mut times = days.chain(claim.map(|claim| &claim.created)).chain([&documents.timestamp]);
    times.find_map(|time| zone(plain(time)?)).unwrap_or(set)
}

/// The offset of a FHIR `dateTime` that has another one than 0.
pub(crate) fn zone(text: &str) -> Option<Offset> {
    let (_, time) = text.split_once('T')?;
    let (sign, zone) =
        time.rfind(['+', '-']).and_then(|at| time.split_at_checked(at)).map(|(_, zone)| zone.split_at(1))?;
    let (hours, minutes) = zone.split_once(':')?;
    let seconds = hours.parse::<u16>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    let seconds = i32::from(seconds) * if sign == "-" { -60 } else { 60 };
    Offset::from_seconds(seconds).ok().filter(|offset| *offset != Offset::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_tells_the_offset_of_its_clock() {
        let seconds = |text: &str| zone(text).map(Offset::seconds);
        assert_eq!(seconds("2026-11-10T02:00:00+05:45"), Some(20_700));
        assert_eq!(seconds("2026-11-10T02:00:00.123-03:00"), Some(-10_800));
        for none in [
            "2026-11-10",
            "2026-11-10T02:00:00Z",
            "2026-11-10T02:00:00",
            "2026-11-10T02:00:00+00:00",
            "T+9999:99",
            "T+x",
        ] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}
