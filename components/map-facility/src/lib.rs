//! Component shell of `mapping::facility`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::facility as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-facility-component" });
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);
mapping_guest::lookups!(exports::openimis_mediator::mapping::lookups);
mapping_guest::code_rows!(lookups::CodeRow);

use exports::openimis_mediator::mapping::facility::{Envelope, Guest, Page, Settings};

struct Component;
export!(Component);

impl Guest for Component {
    fn take_apart(page: String) -> Result<Page, Vec<types::Issue>> {
        let issues = |list: Vec<mapping_guest::mapping::Issue>| list.into_iter().map(issue_to_wit).collect();
        match map::page(&page) {
            Ok(map::Page { facilities, next, warnings }) => Ok(Page { facilities, next, warnings: issues(warnings) }),
            Err(list) => Err(issues(list)),
        }
    }

    fn read_envelope(document: String, settings: Settings) -> Envelope {
        let map::Envelope { code, fingerprint } = map::envelope(&document, &from_wit(settings));
        Envelope { code, fingerprint }
    }

    fn map_facility(document: String, known: Vec<lookups::Answer>, settings: Settings) -> lookups::Outcome {
        outcome_to_wit(map::map(&document, &answers(known), &from_wit(settings)))
    }
}

fn from_wit(settings: Settings) -> map::Settings {
    map::Settings {
        national_id: settings.national_id,
        codes: rows(settings.codes),
        levels: rows(settings.levels),
        default_level: settings.default_level.unwrap_or_default(),
        sub_levels: rows(settings.sub_levels),
        legal_forms: rows(settings.legal_forms),
        default_legal_form: settings.default_legal_form.unwrap_or_default(),
        care_types: rows(settings.care_types),
        default_care_type: settings.default_care_type,
        districts: rows(settings.districts),
        closed_status: settings.closed_status,
        suspended_status: settings.suspended_status,
        distinct: settings.distinct.into(),
    }
}
