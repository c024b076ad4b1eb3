//! Component shell of `mapping::claim_response`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::claim_response as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-claim-response-component" });
mapping_guest::heap!();
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);

use exports::openimis_mediator::mapping::claim_response::{Calendar, ContactLink, Guest, Settings};

struct Component;
export!(Component);

impl Guest for Component {
    fn map_claim_response(
        claim_response: String,
        claim_date: Option<String>,
        contact: Option<ContactLink>,
        settings: Settings,
    ) -> Result<types::Mapped, Vec<types::Issue>> {
        let contact = contact.map(|contact| map::ContactLink { contact_id: contact.contact_id });
        let fields = settings.fields;
        let settings = map::Settings {
            form: settings.form,
            fields: map::FieldNames {
                patient_id: fields.patient_id,
                claim_id: fields.claim_id,
                claim_uuid: fields.claim_uuid,
                year: fields.year,
                month: fields.month,
                day: fields.day,
                date: fields.date.unwrap_or_default(),
            },
            calendar: match settings.calendar {
                Calendar::BikramSambat => map::Calendar::BikramSambat,
                Calendar::Gregorian => map::Calendar::Gregorian,
            },
            utc_offset_minutes: settings.utc_offset_minutes,
            locale: settings.locale.unwrap_or_default(),
        };
        to_wit(map::map(&claim_response, claim_date.as_deref(), contact.as_ref(), &settings))
    }
}
