//! How questions for an insuree's coverage are read.

use serde::{Deserialize, Serialize};

use crate::fhir::primitives::offset;

/// How questions for an insuree's coverage are read and answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// By what an insurance number is known: the system of a patient's identifier, its type's code or its type's text, or the type of an
    /// OpenMRS person attribute. "Patient/": the id in a reference to a patient whom the document does not hold, unless it is a uuid.
    ///
    /// Default: `["SN", "MB", "Insurance Number", "Patient/"]`.
    pub insurance_number: Vec<String>,
    /// Minutes east of UTC of the clock that decides on the day of the question. -1080 to 1080.
    ///
    /// Default: `0`: the offset of the question's own time, if it has one. Nepal is `345`.
    pub utc_offset_minutes: i16,
    /// Currency of the amounts in the answer.
    ///
    /// Default: `""`: none is written. For example `"NPR"`.
    pub currency: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            insurance_number: ["SN", "MB", "Insurance Number", "Patient/"].map(str::to_owned).to_vec(),
            utc_offset_minutes: 0,
            currency: String::new(),
        }
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.insurance_number.iter().any(|name| name.trim().is_empty()) {
            problems.push("insurance_number: one of them is empty".to_owned());
        }
        if offset(self.utc_offset_minutes).is_none() {
            problems.push("utc_offset_minutes: expected -1080 to 1080".to_owned());
        }
        problems
    }
}
