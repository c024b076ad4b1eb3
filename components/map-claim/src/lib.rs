//! Component shell of `mapping::eclaim`.
#![allow(missing_docs)] // generated exports; the WIT files document them

use mapping_guest::mapping::eclaim as map;

wit_bindgen::generate!({ path: "../../wit/mapping", world: "map-claim-component" });
mapping_guest::conversions!(exports::openimis_mediator::mapping::types);
mapping_guest::lookups!(exports::openimis_mediator::mapping::lookups);
mapping_guest::code_rows!(lookups::CodeRow);

use exports::openimis_mediator::mapping::claim::{
    FacilityRow, Guest, Icd10Form, ItemKind, ItemRow, Settings, WithoutCoverage,
};

struct Component;
export!(Component);

impl Guest for Component {
    fn map_claim(
        document: String,
        received: Option<String>,
        known: Vec<lookups::Answer>,
        settings: Settings,
    ) -> lookups::Outcome {
        outcome_to_wit(map::map(&document, received.as_deref(), &answers(known), &from_wit(settings)))
    }

    fn claim_code(document: String, settings: Settings) -> Option<String> {
        map::envelope(&document, &from_wit(settings)).claim_code
    }

    fn map_claim_answer(
        claim_response: String,
        sent: String,
        original: String,
        valuated: Option<String>,
        settings: Settings,
    ) -> Result<types::Mapped, Vec<types::Issue>> {
        to_wit(map::answer::map(&claim_response, &sent, &original, valuated.as_deref(), &from_wit(settings)))
    }
}

fn from_wit(settings: Settings) -> map::Settings {
    map::Settings {
        code_prefix: settings.code_prefix,
        code_length: settings.code_length,
        utc_offset_minutes: settings.utc_offset_minutes,
        source_currency: settings.source_currency.unwrap_or_default(),
        currency: settings.currency.unwrap_or_default(),
        insurance_number: settings.insurance_number,
        trust_references: settings.trust_references,
        visit_type: settings.visit_type,
        visit_types: rows(settings.visit_types),
        icd10_systems: settings.icd10_systems,
        icd10: match settings.icd10 {
            Icd10Form::Full => map::Icd10::Full,
            Icd10Form::NoDot => map::Icd10::NoDot,
            Icd10Form::Category => map::Icd10::Category,
        },
        diagnoses: rows(settings.diagnoses),
        items: settings.items.into_iter().map(item).collect(),
        facilities: settings.facilities.into_iter().map(facility).collect(),
        default_facility: settings.default_facility.unwrap_or_default(),
        practitioners: rows(settings.practitioners),
        default_enterer: settings.default_enterer.unwrap_or_default(),
        without_coverage: match settings.without_coverage {
            WithoutCoverage::Refuse => map::WithoutCoverage::Refuse,
            WithoutCoverage::Send => map::WithoutCoverage::Send,
        },
    }
}

fn item(ItemRow { source, kind, openimis, uuid, price }: ItemRow) -> map::ItemRow {
    let kind = match kind {
        ItemKind::Item => map::ItemKind::Item,
        ItemKind::Service => map::ItemKind::Service,
        ItemKind::LeftOut => map::ItemKind::LeftOut,
    };
    map::ItemRow { source, kind, openimis, uuid, price }
}

fn facility(FacilityRow { source, openimis, enterer }: FacilityRow) -> map::FacilityRow {
    map::FacilityRow { source, openimis, enterer }
}
