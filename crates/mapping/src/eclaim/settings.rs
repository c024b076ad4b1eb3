//! How claims of other systems become claims of openIMIS: tables of codes, facilities and people.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::codes::{self, CodeRow, Row, Table};
use crate::decimal::{decimal, fits};
use crate::fhir::primitives::offset;

/// What openIMIS pays for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A medical item: a drug, a consumable. FHIR `Medication`.
    Item,
    /// A medical service: a consultation, a test, an operation. FHIR `ActivityDefinition`.
    Service,
    /// Nothing that is claimed: left out on purpose.
    LeftOut,
}

/// One row of the table of items and services.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRow {
    /// The other system's code as `system|code`, or the code alone where it comes without a system; `Medication/<id>` for one drug, which
    /// goes before its code: OpenMRS' codes tell the substance, not strength and form.
    ///
    /// Required, for example `"https://cielterminology.org|70116"`.
    #[serde(deserialize_with = "crate::text::code")]
    pub source: String,
    /// "item", "service", or "left-out" for what is never claimed.
    ///
    /// Required, for example `"item"`.
    pub kind: ItemKind,
    /// openIMIS' code of the item or service.
    ///
    /// Default: `""`, which only "left-out" may have.
    #[serde(default)]
    #[serde(deserialize_with = "crate::text::code")]
    pub openimis: String,
    /// openIMIS' uuid of the item or service; it saves a look-up.
    ///
    /// Optional, for example `"00000000-0000-4000-8000-000000000002"`.
    #[serde(default)]
    #[serde(deserialize_with = "crate::text::optional_code")]
    pub uuid: Option<String>,
    /// Price of one, as text, where the document holds none. Without it: openIMIS' own price.
    ///
    /// Optional, for example `"10.00"`.
    #[serde(default)]
    pub price: Option<String>,
}

/// One row of the table of health facilities.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FacilityRow {
    /// How the other system names the facility: `system|identifier`, an identifier, or `Organization/<id>` or `Location/<id>`.
    ///
    /// Required, for example `"Location/833d0c66-e29a-4d31-ac13-ca9050d1bfa9"`.
    #[serde(deserialize_with = "crate::text::code")]
    pub source: String,
    /// openIMIS' code or uuid of the facility.
    ///
    /// Required, for example `"HF001"`.
    #[serde(deserialize_with = "crate::text::code")]
    pub openimis: String,
    /// Code or uuid of openIMIS' claim administrator for claims whose author is in no table.
    ///
    /// Optional, for example `"CA001"`.
    #[serde(default)]
    #[serde(deserialize_with = "crate::text::optional_code")]
    pub enterer: Option<String>,
}

/// How ICD-10 codes are written in openIMIS' table of diagnoses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Icd10 {
    /// With the dot: A02.1.
    #[default]
    Full,
    /// Without the dot: A021.
    NoDot,
    /// The three characters of the category: A02.
    Category,
}

/// What is done with a claim of an insuree without a policy on the day.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutCoverage {
    /// It is refused, before openIMIS rejects it.
    #[default]
    Refuse,
    /// It is sent, with a warning, and openIMIS decides.
    Send,
}

/// How a claim is written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What claim codes begin with, up to 4 letters or digits. The rest is computed from the encounter.
    ///
    /// Default: `"B"`.
    pub code_prefix: String,
    /// Length of claim codes, 12 to 20. openIMIS as shipped takes 20; the shorter, the likelier two encounters get the same one.
    ///
    /// Default: `16`.
    pub code_length: u8,
    /// Minutes east of UTC of the clock that decides on the day of a service. -1080 to 1080.
    ///
    /// Default: `0`: the offset of the document's own times, if they have one. Nepal is `345`.
    pub utc_offset_minutes: i16,
    /// Currency of prices as the other system writes it. A price in another one is refused.
    ///
    /// Default: `""`: any one, if all prices of a claim have the same. For example `"NPR"`.
    pub source_currency: String,
    /// Currency as openIMIS writes it.
    ///
    /// Default: `""`: as it comes. For example `"$"`.
    pub currency: String,
    /// By what an insurance number is known: the system of a patient's identifier, its type's code or its type's text, or the type of an
    /// OpenMRS person attribute. "Patient/": the id in a reference to a patient whom the document does not hold, unless it is a uuid.
    ///
    /// Default: `["SN", "MB", "Insurance Number"]`.
    pub insurance_number: Vec<String>,
    /// Whether a reference that the document itself does not resolve holds openIMIS' uuid. Not with OpenMRS, whose uuids are its own.
    ///
    /// Default: `false`.
    pub trust_references: bool,
    /// openIMIS' visit type where the table `visit_types` has none: "O" (other), "E" (emergency) or "R" (referral).
    ///
    /// Default: `"O"`.
    pub visit_type: String,
    /// Visit types: the claim's type or subtype, or the encounter's class, type or admission source, and "O", "E" or "R". An
    /// encounter of class EMER is an emergency without a row.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.eclaim.visit_types]]
    /// source = "http://fhir.openmrs.org/code-system/encounter-type|referral"
    /// openimis = "R"
    /// ```
    pub visit_types: Table<CodeRow>,
    /// Code systems whose codes are ICD-10 codes.
    ///
    /// Default: `["http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-who"]`.
    pub icd10_systems: Vec<String>,
    /// How openIMIS' table of diagnoses writes ICD-10 codes: "full" (A02.1), "no-dot" (A021) or "category" (A02).
    ///
    /// Default: `"full"`.
    pub icd10: Icd10,
    /// Diagnoses of other code systems and openIMIS' code. A FHIR ConceptMap gives such rows, too.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.eclaim.diagnoses]]
    /// source = "https://cielterminology.org|116128"
    /// openimis = "B54"
    /// ```
    pub diagnoses: Table<CodeRow>,
    /// Items and services.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.eclaim.items]]
    /// source = "https://cielterminology.org|70116"
    /// kind = "item"
    /// openimis = "0004"
    /// [[mapping.eclaim.items]]
    /// source = "https://cielterminology.org|160542"
    /// kind = "service"
    /// openimis = "M1"
    /// uuid = "00000000-0000-4000-8000-000000000003"
    /// price = "100.00"
    /// ```
    pub items: Table<ItemRow>,
    /// Health facilities.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.eclaim.facilities]]
    /// source = "Location/833d0c66-e29a-4d31-ac13-ca9050d1bfa9"
    /// openimis = "HF001"
    /// enterer = "CA001"
    /// ```
    pub facilities: Table<FacilityRow>,
    /// openIMIS' code or uuid of the facility of claims that name none of the table.
    ///
    /// Default: `""`: none, and such a claim is refused.
    pub default_facility: String,
    /// Who enters claims: the other system's practitioners and openIMIS' claim administrators (code or uuid).
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.eclaim.practitioners]]
    /// source = "http://hospital.example.org/staff|ram"
    /// openimis = "CA001"
    /// ```
    pub practitioners: Table<CodeRow>,
    /// openIMIS' code or uuid of the claim administrator where no table has one.
    ///
    /// Default: `""`: none, and such a claim is refused.
    pub default_enterer: String,
    /// What is done with a claim of an insuree without a policy on the day: "refuse" or "send".
    ///
    /// Default: `"refuse"`.
    pub without_coverage: WithoutCoverage,
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            code_prefix: "B".to_owned(),
            code_length: 16,
            utc_offset_minutes: 0,
            source_currency: String::new(),
            currency: String::new(),
            insurance_number: texts(&["SN", "MB", "Insurance Number"]),
            trust_references: false,
            visit_type: "O".to_owned(),
            visit_types: Table::default(),
            icd10_systems: texts(&["http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-who"]),
            icd10: Icd10::Full,
            diagnoses: Table::default(),
            items: Table::default(),
            facilities: Table::default(),
            default_facility: String::new(),
            practitioners: Table::default(),
            default_enterer: String::new(),
            without_coverage: WithoutCoverage::Refuse,
        }
    }
}

/// openIMIS' visit types.
pub(super) const VISIT_TYPES: [(&str, &str); 3] = [("E", "Emergency"), ("R", "Referrals"), ("O", "Other")];

fn is_visit_type(code: &str) -> bool {
    VISIT_TYPES.iter().any(|(known, _)| *known == code)
}

impl Row for ItemRow {
    fn source(&self) -> &str {
        &self.source
    }
}

impl Row for FacilityRow {
    fn source(&self) -> &str {
        &self.source
    }

    /// By which the settings name the facility of claims that name none.
    fn alias(&self) -> Option<&str> {
        Some(self.openimis.trim())
    }
}

impl ItemRow {
    /// The row's price.
    pub(super) fn price(&self) -> Option<Decimal> {
        self.price.as_deref().and_then(decimal).filter(|price| fits(*price))
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let prefix = &self.code_prefix;
        if prefix.len() > 4 || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            problems.push("code_prefix: expected up to 4 letters or digits".to_owned());
        }
        if !(12..=20).contains(&self.code_length) {
            problems.push("code_length: expected 12 to 20".to_owned());
        }
        if offset(self.utc_offset_minutes).is_none() {
            problems.push("utc_offset_minutes: expected -1080 to 1080".to_owned());
        }
        for (key, names) in [("insurance_number", &self.insurance_number), ("icd10_systems", &self.icd10_systems)] {
            if names.iter().any(|name| name.trim().is_empty()) {
                problems.push(format!("{key}: one of them is empty"));
            }
        }
        if !is_visit_type(&self.visit_type) {
            problems.push("visit_type: expected O, E or R".to_owned());
        }
        for (index, row) in self.visit_types.iter().enumerate() {
            if !is_visit_type(&row.openimis) {
                problems.push(format!("visit_types[{index}].openimis: expected O, E or R"));
            }
        }
        problems.extend(codes::source_problems("visit_types", self.visit_types.iter().map(|row| row.source.as_str())));
        problems.extend(codes::problems("diagnoses", &self.diagnoses));
        problems.extend(codes::problems("practitioners", &self.practitioners));
        problems.extend(self.item_problems());
        problems.extend(codes::source_problems("facilities", self.facilities.iter().map(|row| row.source.as_str())));
        for (index, row) in self.facilities.iter().enumerate() {
            if row.openimis.trim().is_empty() || row.enterer.as_ref().is_some_and(|enterer| enterer.trim().is_empty()) {
                problems.push(format!("facilities[{index}]: expected openIMIS' code or uuid"));
            }
        }
        problems
    }

    fn item_problems(&self) -> Vec<String> {
        let mut problems = codes::source_problems("items", self.items.iter().map(|row| row.source.as_str()));
        for (index, row) in self.items.iter().enumerate() {
            if row.openimis.trim().is_empty() && row.kind != ItemKind::LeftOut {
                problems.push(format!("items[{index}].openimis: is empty; expected openIMIS' code"));
            }
            if row.uuid.as_ref().is_some_and(|uuid| crate::fhir::primitives::uuid(uuid).is_none()) {
                problems.push(format!("items[{index}].uuid: expected a uuid"));
            }
            if row.price.is_some() && row.price().is_none() {
                problems
                    .push(format!("items[{index}].price: expected a number from 0, with at most 2 decimals, as text"));
            }
        }
        problems
    }
}
