//! How a person is written.

use serde::{Deserialize, Serialize};

use crate::phone;

/// One row of the table openIMIS location to CHT place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceLink {
    /// Code of the openIMIS location.
    #[serde(deserialize_with = "crate::text::code")]
    pub location_code: String,
    /// `_id` of the CHT place.
    #[serde(deserialize_with = "crate::text::code")]
    pub place_id: String,
}

/// How a person is written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// CHT contact type of the person.
    ///
    /// Default: `"person"`; another one is written as `contact_type`.
    pub person_type: String,
    /// Which CHT place is which openIMIS location. The insuree's village is looked for first, then its municipality,
    /// district and region. One such block a place.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.patient.places]]
    /// location_code = "R1D1M1V1"
    /// place_id = "7a36af4d-2ee0-4c1a-9b30-4c13ad8b0c57"
    /// ```
    pub places: Vec<PlaceLink>,
    /// `_id` of the CHT place for insurees whose openIMIS location is not in the table `places`.
    ///
    /// Default: `""`: none, and the claim of such an insuree becomes a dead letter.
    pub default_place: String,
    /// Country calling code for phone numbers that are written without one.
    ///
    /// Default: `""`: such a number is left out. For example `"+977"`.
    pub phone_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            person_type: "person".into(),
            places: Vec::new(),
            default_place: String::new(),
            phone_prefix: String::new(),
        }
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.person_type.trim().is_empty() {
            problems.push("person_type: is empty; expected a CHT contact type, for example person".to_owned());
        }
        if !self.phone_prefix.is_empty() && !phone::is_calling_code(&self.phone_prefix) {
            problems.push("phone_prefix: expected a country calling code such as +977".to_owned());
        }
        for (index, row) in self.places.iter().enumerate() {
            if row.location_code.trim().is_empty() || row.place_id.trim().is_empty() {
                problems.push(format!("places[{index}]: expected a location_code and a place_id"));
            } else if self.places[..index].iter().any(|other| other.location_code == row.location_code) {
                problems.push(format!("places[{index}]: {} is there twice", row.location_code));
            }
        }
        problems
    }
}
