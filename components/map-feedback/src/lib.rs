//! Component shell of `mapping::feedback`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::feedback as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-feedback-component" });
mapping_guest::heap!();
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);

use exports::openimis_mediator::mapping::feedback::{Guest, Settings};

struct Component;
export!(Component);

impl Guest for Component {
    fn map_feedback(
        feedback: String,
        insuree_uuid: Option<String>,
        settings: Settings,
    ) -> Result<types::Mapped, Vec<types::Issue>> {
        let settings = map::Settings { rating_min: settings.rating_min, rating_max: settings.rating_max };
        to_wit(map::map(&feedback, insuree_uuid.as_deref(), &settings))
    }
}
