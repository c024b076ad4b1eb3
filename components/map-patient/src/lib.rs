//! Component shell of `mapping::patient`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::patient as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-patient-component" });
mapping_guest::heap!();
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);

use exports::openimis_mediator::mapping::patient::{Guest, PlaceLink, Settings};

struct Component;
export!(Component);

impl Guest for Component {
    fn map_patient(
        patient: String,
        location_codes: Vec<String>,
        settings: Settings,
    ) -> Result<types::Mapped, Vec<types::Issue>> {
        let link = |PlaceLink { location_code, place_id }| map::PlaceLink { location_code, place_id };
        let settings = map::Settings {
            person_type: settings.person_type,
            places: settings.places.into_iter().map(link).collect(),
            default_place: settings.default_place.unwrap_or_default(),
            phone_prefix: settings.phone_prefix.unwrap_or_default(),
        };
        to_wit(map::map(&patient, &location_codes, &settings))
    }
}
