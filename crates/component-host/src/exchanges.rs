//! Typed calls of the mappings between hospitals, registries and openIMIS: claims, eligibility, facilities.

use flow::ports::MapperError;
use mapping::lookup::{Answer, By, Lookup, Outcome, Resource};
use mapping::{Issue, MapResult, eclaim, eligibility, facility};

use super::calls::{from_wit, issue_from_wit, non_empty};
use super::engine::Runtime;
use super::piece::{Claim, Eligibility, Facility, Slot};
use super::tables::Words;
use super::{Interface, MappingHost, wit};

/// What a page of a registry is, taken apart, or what is wrong with it.
pub type Paged = Result<facility::Page, Vec<Issue>>;

impl MappingHost {
    /// Maps a hospital's claim to the body of openIMIS' `POST Claim/`, or tells what has to be looked up first.
    pub fn map_claim(
        &self,
        document: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eclaim::Settings,
    ) -> Result<Outcome, MapperError> {
        let set = self.current();
        let slot = there(&set.claim, Interface::Claim)?;
        self.counted(slot, told, |runtime| runtime.claim(slot, document, received, known, settings))
    }

    /// The code of the claim that a hospital's document becomes.
    pub fn claim_code(&self, document: &str, settings: &eclaim::Settings) -> Result<Option<String>, MapperError> {
        let set = self.current();
        let slot = there(&set.claim, Interface::Claim)?;
        self.counted(slot, |_| "answered", |runtime| runtime.claim_code(slot, document, settings))
    }

    /// Maps openIMIS' `ClaimResponse` to the one that the hospital gets.
    pub fn map_claim_answer(
        &self,
        claim_response: &str,
        sent: &str,
        original: &str,
        valuated: Option<&str>,
        settings: &eclaim::Settings,
    ) -> Result<MapResult, MapperError> {
        let set = self.current();
        let slot = there(&set.claim, Interface::Claim)?;
        self.counted(slot, super::calls::told, |runtime| {
            runtime.claim_answer(slot, claim_response, sent, original, valuated, settings)
        })
    }

    /// Maps a question for an insuree's coverage to its answer, or tells what has to be looked up first.
    pub fn map_eligibility(
        &self,
        request: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eligibility::Settings,
    ) -> Result<Outcome, MapperError> {
        let set = self.current();
        let slot = there(&set.eligibility, Interface::Eligibility)?;
        self.counted(slot, told, |runtime| runtime.eligibility(slot, request, received, known, settings))
    }

    /// Maps a registry's facility to what openIMIS' mutations take, or tells what has to be looked up first.
    pub fn map_facility(
        &self,
        document: &str,
        known: &[Answer],
        settings: &facility::Settings,
    ) -> Result<Outcome, MapperError> {
        let set = self.current();
        let slot = there(&set.facility, Interface::Facility)?;
        self.counted(slot, told, |runtime| runtime.facility(slot, document, known, settings))
    }

    /// Takes a registry's answer apart.
    pub fn facility_page(&self, page: &str) -> Result<Paged, MapperError> {
        let set = self.current();
        let slot = there(&set.facility, Interface::Facility)?;
        self.counted(slot, |_| "answered", |runtime| runtime.facility_page(slot, page))
    }

    /// What can be told of a registry's facility before anything is looked up.
    pub fn facility_envelope(
        &self,
        document: &str,
        settings: &facility::Settings,
    ) -> Result<facility::Envelope, MapperError> {
        let set = self.current();
        let slot = there(&set.facility, Interface::Facility)?;
        self.counted(slot, |_| "answered", |runtime| runtime.facility_envelope(slot, document, settings))
    }
}

/// The mapping, or that no component has it.
fn there<I>(slot: &Option<Slot<I>>, interface: Interface) -> Result<&Slot<I>, MapperError> {
    let gone = || {
        let text = "no component exports it: `cargo xtask build`, or the components of this release";
        MapperError::Unusable(interface.name().to_owned(), text.to_owned())
    };
    slot.as_ref().ok_or_else(gone)
}

fn told(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Mapped(_) => "mapped",
        Outcome::Needs(_) => "needs look-ups",
        Outcome::Issues(_) => "issues",
    }
}

impl Runtime {
    pub fn claim(
        &self,
        slot: &Slot<Claim>,
        document: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eclaim::Settings,
    ) -> Result<Outcome, MapperError> {
        let (known, settings) = (answers(known), claim_settings(document, settings));
        let result = self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_map_claim(store, document, received, &known, &settings)
        })?;
        Ok(outcome(result))
    }

    pub fn claim_code(
        &self,
        slot: &Slot<Claim>,
        document: &str,
        settings: &eclaim::Settings,
    ) -> Result<Option<String>, MapperError> {
        // The code depends on no table.
        let settings = claim_settings("", settings);
        self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_claim_code(store, document, &settings)
        })
    }

    pub fn claim_answer(
        &self,
        slot: &Slot<Claim>,
        claim_response: &str,
        sent: &str,
        original: &str,
        valuated: Option<&str>,
        settings: &eclaim::Settings,
    ) -> Result<MapResult, MapperError> {
        let settings = claim_settings(original, settings);
        let result = self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_map_claim_answer(store, claim_response, sent, original, valuated, &settings)
        })?;
        Ok(from_wit(result))
    }

    pub fn eligibility(
        &self,
        slot: &Slot<Eligibility>,
        request: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eligibility::Settings,
    ) -> Result<Outcome, MapperError> {
        let known = answers(known);
        let settings = wit::eligibility::Settings {
            insurance_number: settings.insurance_number.clone(),
            utc_offset_minutes: settings.utc_offset_minutes,
            currency: non_empty(&settings.currency),
        };
        let result = self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_map_eligibility(store, request, received, &known, &settings)
        })?;
        Ok(outcome(result))
    }

    pub fn facility(
        &self,
        slot: &Slot<Facility>,
        document: &str,
        known: &[Answer],
        settings: &facility::Settings,
    ) -> Result<Outcome, MapperError> {
        let (known, settings) = (answers(known), facility_settings(document, settings));
        let result = self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_map_facility(store, document, &known, &settings)
        })?;
        Ok(outcome(result))
    }

    pub fn facility_page(&self, slot: &Slot<Facility>, page: &str) -> Result<Paged, MapperError> {
        let issues = |list: Vec<wit::types::Issue>| list.into_iter().map(issue_from_wit).collect();
        let result = self.call(slot.callable(), |indices, store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_take_apart(store, page)
        })?;
        Ok(match result {
            Ok(page) => {
                let wit::facility::Page { facilities, next, warnings } = page;
                Ok(facility::Page { facilities, next, warnings: issues(warnings) })
            }
            Err(list) => Err(issues(list)),
        })
    }

    pub fn facility_envelope(
        &self,
        slot: &Slot<Facility>,
        document: &str,
        settings: &facility::Settings,
    ) -> Result<facility::Envelope, MapperError> {
        let settings = facility_settings(document, settings);
        let wit::facility::Envelope { code, fingerprint } =
            self.call(slot.callable(), |indices, store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_read_envelope(store, document, &settings)
            })?;
        Ok(facility::Envelope { code, fingerprint })
    }
}

/// Of large tables only the rows that the document can need.
fn claim_settings(document: &str, settings: &eclaim::Settings) -> wit::claim::Settings {
    use wit::claim::{FacilityRow, Icd10Form, ItemKind, ItemRow, Settings, WithoutCoverage};
    let words = Words::of(document, settings.default_facility.trim());
    let item = |row: &eclaim::ItemRow| ItemRow {
        source: row.source.clone(),
        kind: match row.kind {
            eclaim::ItemKind::Item => ItemKind::Item,
            eclaim::ItemKind::Service => ItemKind::Service,
            eclaim::ItemKind::LeftOut => ItemKind::LeftOut,
        },
        openimis: row.openimis.clone(),
        uuid: row.uuid.clone(),
        price: row.price.clone(),
    };
    let facility = |row: &eclaim::FacilityRow| FacilityRow {
        source: row.source.clone(),
        openimis: row.openimis.clone(),
        enterer: row.enterer.clone(),
    };
    Settings {
        code_prefix: settings.code_prefix.clone(),
        code_length: settings.code_length,
        utc_offset_minutes: settings.utc_offset_minutes,
        source_currency: non_empty(&settings.source_currency),
        currency: non_empty(&settings.currency),
        insurance_number: settings.insurance_number.clone(),
        trust_references: settings.trust_references,
        visit_type: settings.visit_type.clone(),
        visit_types: words.code_rows(&settings.visit_types),
        icd10_systems: settings.icd10_systems.clone(),
        icd10: match settings.icd10 {
            eclaim::Icd10::Full => Icd10Form::Full,
            eclaim::Icd10::NoDot => Icd10Form::NoDot,
            eclaim::Icd10::Category => Icd10Form::Category,
        },
        diagnoses: words.code_rows(&settings.diagnoses),
        items: words.rows(&settings.items).map(item).collect(),
        facilities: words.rows(&settings.facilities).map(facility).collect(),
        default_facility: non_empty(&settings.default_facility),
        practitioners: words.code_rows(&settings.practitioners),
        default_enterer: non_empty(&settings.default_enterer),
        without_coverage: match settings.without_coverage {
            eclaim::WithoutCoverage::Refuse => WithoutCoverage::Refuse,
            eclaim::WithoutCoverage::Send => WithoutCoverage::Send,
        },
    }
}

fn facility_settings(document: &str, settings: &facility::Settings) -> wit::facility::Settings {
    let words = Words::of(document, "");
    wit::facility::Settings {
        national_id: settings.national_id.clone(),
        codes: words.code_rows(&settings.codes),
        levels: words.code_rows(&settings.levels),
        default_level: non_empty(&settings.default_level),
        sub_levels: words.code_rows(&settings.sub_levels),
        legal_forms: words.code_rows(&settings.legal_forms),
        default_legal_form: non_empty(&settings.default_legal_form),
        care_types: words.code_rows(&settings.care_types),
        default_care_type: settings.default_care_type.clone(),
        districts: words.code_rows(&settings.districts),
        closed_status: settings.closed_status.clone(),
        suspended_status: settings.suspended_status.clone(),
        distinct: words.rows(&settings.distinct).cloned().collect(),
    }
}

fn answers(known: &[Answer]) -> Vec<wit::lookups::Answer> {
    use wit::lookups::{By as WitBy, Target};
    let answer = |answer: &Answer| wit::lookups::Answer {
        lookup: wit::lookups::Lookup {
            target: match answer.lookup.resource {
                Resource::Patient => Target::Patient,
                Resource::Organization => Target::Organization,
                Resource::Practitioner => Target::Practitioner,
                Resource::Medication => Target::Medication,
                Resource::ActivityDefinition => Target::ActivityDefinition,
                Resource::Policy => Target::Policy,
                Resource::Location => Target::Location,
                Resource::HealthFacility => Target::HealthFacility,
            },
            by: match answer.lookup.by {
                By::Code => WitBy::Code,
                By::Uuid => WitBy::Uuid,
                By::District => WitBy::District,
            },
            value: answer.lookup.value.clone(),
        },
        found: answer.found.clone(),
    };
    known.iter().map(answer).collect()
}

fn outcome(outcome: wit::lookups::Outcome) -> Outcome {
    use wit::lookups::{By as WitBy, Outcome as Wit, Target};
    let lookup = |wit::lookups::Lookup { target, by, value }| Lookup {
        resource: match target {
            Target::Patient => Resource::Patient,
            Target::Organization => Resource::Organization,
            Target::Practitioner => Resource::Practitioner,
            Target::Medication => Resource::Medication,
            Target::ActivityDefinition => Resource::ActivityDefinition,
            Target::Policy => Resource::Policy,
            Target::Location => Resource::Location,
            Target::HealthFacility => Resource::HealthFacility,
        },
        by: match by {
            WitBy::Code => By::Code,
            WitBy::Uuid => By::Uuid,
            WitBy::District => By::District,
        },
        value,
    };
    match outcome {
        Wit::Needs(wanted) => Outcome::Needs(wanted.into_iter().map(lookup).collect()),
        Wit::Mapped(mapped) => from_wit(Ok(mapped)).into(),
        Wit::Issues(issues) => from_wit(Err(issues)).into(),
    }
}
