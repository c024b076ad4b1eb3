//! The insuree's policy on the day of the service.

use jiff::civil::Date;

use super::dates::Dates;
use super::insuree::Insuree;
use super::known::openimis_code;
use super::settings::WithoutCoverage;
use super::{Subject, Work};
use crate::fhir::elements::{MANY, OpenImisId, each, openimis_identifier};
use crate::fhir::primitives::{optional_day, plain};
use crate::insured::Coverage;
use crate::issue::{Issue, IssueType};
use crate::lookup::{By, Resource};
use crate::policy::policies;

impl<'w> Work<'w> {
    /// The claim's own coverage where it names openIMIS', else the latest policy of the insuree that holds on the first day.
    pub(super) fn coverage(
        &mut self,
        subject: &'w Subject<'w>,
        insuree: Option<&Insuree>,
        dates: Option<&Dates>,
    ) -> Option<String> {
        let day = dates?.start;
        if let Some(uuid) = self.of_claim_or_bundle(subject, day) {
            return Some(uuid);
        }
        let insuree = insuree?;
        let number = match &insuree.number {
            Some(number) => number.clone(),
            None => self.number_of(subject, insuree)?,
        };
        let found = self.questions.ask(Resource::Policy, By::Code, &number)?;
        let policies = policies(found, &[&insuree.uuid, &number], day, self.offset);
        let latest = policies.first().filter(|policy| policy.holds(day)).map(|policy| policy.uuid.clone());
        if latest.is_none() {
            let path = subject.of_either("insurance", "period");
            let text = match &policies[..] {
                [] => "openIMIS has no policy of the insuree",
                _ => "no policy of the insuree holds on the first day of the services",
            };
            let issue = Issue::error(IssueType::BusinessRule, path, text);
            self.issues.push(match self.settings.without_coverage {
                WithoutCoverage::Refuse => issue,
                WithoutCoverage::Send => issue.as_warning(),
            });
        }
        latest
    }

    /// The insurance number of an insuree who is known by uuid only.
    fn number_of(&mut self, subject: &Subject, insuree: &Insuree) -> Option<String> {
        let found = self.questions.ask(Resource::Patient, By::Uuid, &insuree.uuid)?;
        let number = found.iter().find_map(|text| openimis_code(text));
        if number.is_none() {
            let text = "openIMIS has no insuree with this uuid";
            self.error(IssueType::NotFound, subject.of_either("patient", "subject"), text);
        }
        number
    }

    fn of_claim_or_bundle(&mut self, subject: &'w Subject<'w>, day: Date) -> Option<String> {
        let (entry, claim) = subject.claim.as_ref()?;
        let path = format!("{}.insurance", entry.path);
        for (_, insurance) in each(&claim.insurance, &path, "insurances", &mut self.issues).into_iter().take(MANY) {
            let Some(reference) = insurance.coverage.value() else { continue };
            match self.documents.resolve(reference, entry, &["Coverage"]) {
                Some(entry) => {
                    let Some(coverage) = self.documents.parse::<Coverage>(entry, &mut self.issues) else { continue };
                    self.heed(entry);
                    if let Some(status) = plain(&coverage.status).filter(|status| *status != "active") {
                        let known = ["cancelled", "draft", "entered-in-error"];
                        let status = known.iter().find(|known| **known == status).unwrap_or(&"something else");
                        let text = format!("expected active; found {status}; openIMIS' own policies were asked");
                        self.warn(IssueType::BusinessRule, format!("{}.status", entry.path), text);
                    }
                    let uuid = openimis_identifier(&coverage.identifier);
                    if let (Some(OpenImisId::Uuid(uuid)), true) = (uuid, self.holds(&coverage, day)) {
                        return Some(uuid);
                    }
                }
                None => {
                    let own = reference.identifier.value();
                    let own = own
                        .and_then(|found| found.of_openimis(crate::fhir::codes::UUID))
                        .and_then(crate::fhir::primitives::uuid);
                    if let Some(uuid) = own {
                        return Some(uuid.to_string());
                    }
                }
            }
        }
        None
    }

    /// Whether the hospital's own record of a coverage says that it holds on a day.
    fn holds(&self, coverage: &Coverage, day: Date) -> bool {
        let Some(period) = coverage.period.value() else { return false };
        let mut unusable = Vec::new();
        let start = optional_day(&period.start, "", self.offset, &mut unusable);
        let end = optional_day(&period.end, "", self.offset, &mut unusable);
        let is_active = plain(&coverage.status).is_none_or(|status| status == "active");
        is_active && unusable.is_empty() && start.is_some_and(|start| start <= day) && end.is_none_or(|end| day <= end)
    }
}
