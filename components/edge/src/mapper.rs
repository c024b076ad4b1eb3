//! The mappings: the interfaces of the contract, supplied by `[component.edge.dependencies]` in spin.toml.

use flow::ports::{Mapper, MapperError};
use mapping::{Issue, IssueType, MapResult, Mapped, Severity};

// Spin tells dependencies apart by their package, so of one package it plugs in only one. Under plain names each mapping is a dependency
// of its own. A function that is not the contract's is refused when the components are composed.
wit_bindgen::generate!({
    path: "../../wit/mapping",
    inline: "
        package openimis-mediator:edge;
        world plugged {
            import claim-response: interface {
                use openimis-mediator:mapping/types@0.1.0.{issue, mapped};
                use openimis-mediator:mapping/claim-response@0.1.0.{contact-link, settings};
                map-claim-response: func(claim-response: string, claim-date: option<string>, contact: option<contact-link>,
                    settings: settings) -> result<mapped, list<issue>>;
            }
            import feedback: interface {
                use openimis-mediator:mapping/types@0.1.0.{issue, mapped};
                use openimis-mediator:mapping/feedback@0.1.0.{settings};
                map-feedback: func(feedback: string, insuree-uuid: option<string>, settings: settings)
                    -> result<mapped, list<issue>>;
            }
            import patient: interface {
                use openimis-mediator:mapping/types@0.1.0.{issue, mapped};
                use openimis-mediator:mapping/patient@0.1.0.{settings};
                map-patient: func(patient: string, location-codes: list<string>, settings: settings)
                    -> result<mapped, list<issue>>;
            }
        }
    ",
    world: "openimis-mediator:edge/plugged",
    generate_all,
});
use openimis_mediator::mapping as wit;

/// The components that were plugged in. One that traps takes its request along: the runtime answers 500, and nothing was acknowledged.
pub struct Plugged;

impl Mapper for Plugged {
    async fn claim_response(
        &self,
        text: &str,
        date: Option<&str>,
        contact: Option<&mapping::claim_response::ContactLink>,
        settings: &mapping::claim_response::Settings,
    ) -> Result<MapResult, MapperError> {
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
                mapping::claim_response::Calendar::BikramSambat => Calendar::BikramSambat,
                mapping::claim_response::Calendar::Gregorian => Calendar::Gregorian,
            },
            utc_offset_minutes: settings.utc_offset_minutes,
            locale: non_empty(&settings.locale),
        };
        Ok(from_wit(claim_response::map_claim_response(text, date, contact.as_ref(), &settings)))
    }

    async fn feedback(
        &self,
        text: &str,
        insuree_uuid: Option<&str>,
        settings: &mapping::feedback::Settings,
    ) -> Result<MapResult, MapperError> {
        let settings = wit::feedback::Settings { rating_min: settings.rating_min, rating_max: settings.rating_max };
        Ok(from_wit(feedback::map_feedback(text, insuree_uuid, settings)))
    }

    async fn patient(
        &self,
        text: &str,
        location_codes: &[String],
        settings: &mapping::patient::Settings,
    ) -> Result<MapResult, MapperError> {
        let link = |row: &mapping::patient::PlaceLink| wit::patient::PlaceLink {
            location_code: row.location_code.clone(),
            place_id: row.place_id.clone(),
        };
        let settings = wit::patient::Settings {
            person_type: settings.person_type.clone(),
            places: settings.places.iter().map(link).collect(),
            default_place: non_empty(&settings.default_place),
            phone_prefix: non_empty(&settings.phone_prefix),
        };
        Ok(from_wit(patient::map_patient(text, location_codes, &settings)))
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn from_wit(result: Result<wit::types::Mapped, Vec<wit::types::Issue>>) -> MapResult {
    let issues = |list: Vec<wit::types::Issue>| list.into_iter().map(issue_from_wit).collect();
    match result {
        Ok(wit::types::Mapped { body, idempotency_key, warnings }) => {
            Ok(Mapped { body, idempotency_key, warnings: issues(warnings) })
        }
        Err(list) => Err(issues(list)),
    }
}

fn issue_from_wit(issue: wit::types::Issue) -> Issue {
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
