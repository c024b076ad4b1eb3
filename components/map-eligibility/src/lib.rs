//! Component shell of `mapping::eligibility`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::eligibility as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-eligibility-component" });
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);
mapping_guest::lookups!(exports::openimis_mediator::mapping::lookups);

use exports::openimis_mediator::mapping::eligibility::{Guest, Settings};

struct Component;
export!(Component);

impl Guest for Component {
    fn map_eligibility(
        request: String,
        received: Option<String>,
        known: Vec<lookups::Answer>,
        settings: Settings,
    ) -> lookups::Outcome {
        let settings = map::Settings {
            insurance_number: settings.insurance_number,
            utc_offset_minutes: settings.utc_offset_minutes,
            currency: settings.currency.unwrap_or_default(),
        };
        outcome_to_wit(map::map(&request, received.as_deref(), &answers(known), &settings))
    }
}
