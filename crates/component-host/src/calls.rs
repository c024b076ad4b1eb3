//! Typed calls, the port that they serve, and the WIT types that the components see.

use flow::ports::{Mapper, MapperError};
use mapping::lookup::{Answer, Outcome};
use mapping::{
    Issue, IssueType, MapResult, Mapped, Severity, claim_response, eclaim, eligibility, facility, feedback, patient,
};

use opentelemetry::KeyValue;
use wasmtime::Store;

use super::engine::{Call, Runtime};
use super::piece::{ClaimResponse, Feedback, Patient, Slot};
use super::{MappingHost, wit};
use observe::trace::{self, MAPPING, OUTCOME, SpanKind};

impl MappingHost {
    /// Maps a FHIR `ClaimResponse` to the body of CHT's `POST /api/v2/records`.
    pub fn map_claim_response(
        &self,
        claim_response: &str,
        claim_date: Option<&str>,
        contact: Option<&claim_response::ContactLink>,
        settings: &claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
        let set = self.current();
        let slot = &set.claim_response;
        self.counted(slot, told, |runtime| runtime.claim_response(slot, claim_response, claim_date, contact, settings))
    }

    /// Maps what CHT's outbound push sends to the body of openIMIS' `POST Communication/`.
    pub fn map_feedback(
        &self,
        feedback: &str,
        insuree_uuid: Option<&str>,
        settings: &feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        let set = self.current();
        let slot = &set.feedback;
        self.counted(slot, told, |runtime| runtime.feedback(slot, feedback, insuree_uuid, settings))
    }

    /// Maps a FHIR `Patient` to the body of CHT's `POST /api/v1/people`.
    pub fn map_patient(
        &self,
        patient: &str,
        location_codes: &[String],
        settings: &patient::Settings,
    ) -> Result<MapResult, MapperError> {
        let set = self.current();
        let slot = &set.patient;
        self.counted(slot, told, |runtime| runtime.patient(slot, patient, location_codes, settings))
    }

    /// `told`: how a trace tells the answer.
    pub(super) fn counted<I, T>(
        &self,
        slot: &Slot<I>,
        told: impl FnOnce(&T) -> &'static str,
        call: impl FnOnce(&Runtime) -> Result<T, MapperError>,
    ) -> Result<T, MapperError> {
        let attributes = || vec![KeyValue::new(MAPPING, slot.interface.name())];
        let step = trace::step("map", SpanKind::Internal, attributes);
        let mapped = self.inner.figures.called(slot.interface, &slot.memory_bytes, || call(&self.inner.runtime));
        match &mapped {
            Ok(answer) => step.attribute(OUTCOME, told(answer)),
            Err(_) => step.failed("the mapping failed by itself"),
        }
        mapped
    }
}

pub(super) fn told(result: &MapResult) -> &'static str {
    if result.is_ok() { "mapped" } else { "issues" }
}

impl Mapper for MappingHost {
    async fn claim_response(
        &self,
        text: &str,
        date: Option<&str>,
        contact: Option<&claim_response::ContactLink>,
        settings: &claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
        self.map_claim_response(text, date, contact, settings)
    }

    async fn feedback(
        &self,
        text: &str,
        insuree_uuid: Option<&str>,
        settings: &feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        self.map_feedback(text, insuree_uuid, settings)
    }

    async fn patient(
        &self,
        text: &str,
        location_codes: &[String],
        settings: &patient::Settings,
    ) -> Result<MapResult, MapperError> {
        self.map_patient(text, location_codes, settings)
    }

    async fn claim(
        &self,
        document: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eclaim::Settings,
    ) -> Result<Outcome, MapperError> {
        self.map_claim(document, received, known, settings)
    }

    async fn claim_code(&self, document: &str, settings: &eclaim::Settings) -> Result<Option<String>, MapperError> {
        MappingHost::claim_code(self, document, settings)
    }

    async fn claim_answer(
        &self,
        claim_response: &str,
        sent: &str,
        original: &str,
        valuated: Option<&str>,
        settings: &eclaim::Settings,
    ) -> Result<MapResult, MapperError> {
        self.map_claim_answer(claim_response, sent, original, valuated, settings)
    }

    async fn eligibility(
        &self,
        request: &str,
        received: Option<&str>,
        known: &[Answer],
        settings: &eligibility::Settings,
    ) -> Result<Outcome, MapperError> {
        self.map_eligibility(request, received, known, settings)
    }

    async fn facility(
        &self,
        document: &str,
        known: &[Answer],
        settings: &facility::Settings,
    ) -> Result<Outcome, MapperError> {
        self.map_facility(document, known, settings)
    }

    async fn facility_page(&self, page: &str) -> Result<Result<facility::Page, Vec<Issue>>, MapperError> {
        MappingHost::facility_page(self, page)
    }

    async fn facility_envelope(
        &self,
        document: &str,
        settings: &facility::Settings,
    ) -> Result<facility::Envelope, MapperError> {
        MappingHost::facility_envelope(self, document, settings)
    }
}

impl Runtime {
    pub fn claim_response(
        &self,
        slot: &Slot<ClaimResponse>,
        text: &str,
        date: Option<&str>,
        contact: Option<&claim_response::ContactLink>,
        settings: &claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
        let call = call_claim_response(text, date, contact, settings);
        self.call(slot.callable(), |indices, store, instance| call(&indices.load(&mut *store, instance)?, store))
            .map(from_wit)
    }

    pub fn feedback(
        &self,
        slot: &Slot<Feedback>,
        text: &str,
        insuree_uuid: Option<&str>,
        settings: &feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        let call = call_feedback(text, insuree_uuid, settings);
        self.call(slot.callable(), |indices, store, instance| call(&indices.load(&mut *store, instance)?, store))
            .map(from_wit)
    }

    pub fn patient(
        &self,
        slot: &Slot<Patient>,
        text: &str,
        location_codes: &[String],
        settings: &patient::Settings,
    ) -> Result<MapResult, MapperError> {
        let call = call_patient(text, location_codes, settings);
        self.call(slot.callable(), |indices, store, instance| call(&indices.load(&mut *store, instance)?, store))
            .map(from_wit)
    }
}

/// What a component answers.
pub(super) type Answered = Result<wit::types::Mapped, Vec<wit::types::Issue>>;

/// The call with its arguments as WIT has them.
pub(super) fn call_claim_response(
    text: &str,
    date: Option<&str>,
    contact: Option<&claim_response::ContactLink>,
    settings: &claim_response::Settings,
) -> impl Fn(&wit::claim_response::Guest, &mut Store<Call>) -> wasmtime::Result<Answered> {
    use wit::claim_response::{Calendar, ContactLink, FieldNames, Settings};
    let contact = contact.map(|contact| ContactLink { contact_id: contact.contact_id.clone() });
    let fields = &settings.fields;
    let settings = Settings {
        form: settings.form.clone(),
        fields: FieldNames {
            patient_id: fields.patient_id.clone(),
            claim_id: fields.claim_id.clone(),
            claim_uuid: fields.claim_uuid.clone(),
            year: fields.year.clone(),
            month: fields.month.clone(),
            day: fields.day.clone(),
            date: non_empty(&fields.date),
        },
        calendar: match settings.calendar {
            claim_response::Calendar::BikramSambat => Calendar::BikramSambat,
            claim_response::Calendar::Gregorian => Calendar::Gregorian,
        },
        utc_offset_minutes: settings.utc_offset_minutes,
        locale: non_empty(&settings.locale),
    };
    move |guest, store| guest.call_map_claim_response(store, text, date, contact.as_ref(), &settings)
}

/// The call with its arguments as WIT has them.
pub(super) fn call_feedback(
    text: &str,
    insuree_uuid: Option<&str>,
    settings: &feedback::Settings,
) -> impl Fn(&wit::feedback::Guest, &mut Store<Call>) -> wasmtime::Result<Answered> {
    let settings = wit::feedback::Settings { rating_min: settings.rating_min, rating_max: settings.rating_max };
    move |guest, store| guest.call_map_feedback(store, text, insuree_uuid, settings)
}

/// The call with its arguments as WIT has them.
pub(super) fn call_patient(
    text: &str,
    location_codes: &[String],
    settings: &patient::Settings,
) -> impl Fn(&wit::patient::Guest, &mut Store<Call>) -> wasmtime::Result<Answered> {
    let link = |row: &patient::PlaceLink| wit::patient::PlaceLink {
        location_code: row.location_code.clone(),
        place_id: row.place_id.clone(),
    };
    let settings = wit::patient::Settings {
        person_type: settings.person_type.clone(),
        places: settings.places.iter().map(link).collect(),
        default_place: non_empty(&settings.default_place),
        phone_prefix: non_empty(&settings.phone_prefix),
    };
    move |guest, store| guest.call_map_patient(store, text, location_codes, &settings)
}

pub(super) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn from_wit(result: Answered) -> MapResult {
    let issues = |list: Vec<wit::types::Issue>| list.into_iter().map(issue_from_wit).collect();
    match result {
        Ok(wit::types::Mapped { body, idempotency_key, warnings }) => {
            Ok(Mapped { body, idempotency_key, warnings: issues(warnings) })
        }
        Err(list) => Err(issues(list)),
    }
}

pub(super) fn issue_from_wit(issue: wit::types::Issue) -> Issue {
    use wit::types;
    Issue {
        severity: match issue.severity {
            types::Severity::Fatal => Severity::Fatal,
            types::Severity::Error => Severity::Error,
            types::Severity::Warning => Severity::Warning,
            types::Severity::Information => Severity::Information,
        },
        code: match issue.code {
            types::IssueType::Invalid => IssueType::Invalid,
            types::IssueType::Structure => IssueType::Structure,
            types::IssueType::Required => IssueType::Required,
            types::IssueType::Value => IssueType::Value,
            types::IssueType::Conflict => IssueType::Conflict,
            types::IssueType::NotFound => IssueType::NotFound,
            types::IssueType::NotSupported => IssueType::NotSupported,
            types::IssueType::BusinessRule => IssueType::BusinessRule,
        },
        expression: issue.expression.into(),
        diagnostics: issue.diagnostics,
    }
}
