//! How facilities of a registry become health facilities of openIMIS.

use serde::{Deserialize, Serialize};

use crate::codes::{self, CodeRow, Table};

/// Longest facility code that openIMIS holds.
pub(super) const MAX_CODE: usize = 8;
/// openIMIS' words for a facility's status: active, inactive, delisted, idle.
const STATUSES: [&str; 4] = ["AC", "IN", "DE", "ID"];
const LEVELS: [&str; 3] = ["H", "C", "D"];
const CARE_TYPES: [&str; 3] = ["I", "O", "B"];

/// How facilities of a registry become health facilities of openIMIS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which of a facility's identifiers is its national id: the identifier's system, its type's code or its type's text.
    ///
    /// Default: `[]`: the official one, else the first.
    pub national_id: Vec<String>,
    /// openIMIS' codes of facilities whose national id (alone or as `system|id`) is not their code there. openIMIS holds up to 8 characters.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.codes]]
    /// source = "NP-0000123"
    /// openimis = "HF001"
    /// ```
    pub codes: Table<CodeRow>,
    /// Levels: the registry's type of facility, and "H" (hospital), "C" (health centre) or "D" (dispensary).
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.levels]]
    /// source = "http://terminology.hl7.org/CodeSystem/v3-RoleCode|HOSP"
    /// openimis = "H"
    /// ```
    pub levels: Table<CodeRow>,
    /// Level of facilities whose type is in no row.
    ///
    /// Default: `""`: none, and such a facility is refused.
    pub default_level: String,
    /// Sublevels: the registry's type of facility, and openIMIS' code, one character.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.sub_levels]]
    /// source = "http://registry.example.org/types|district-hospital"
    /// openimis = "R"
    /// ```
    pub sub_levels: Table<CodeRow>,
    /// Legal forms: the type of the organization that runs the facility or owns it, and openIMIS' code, one character.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.legal_forms]]
    /// source = "http://terminology.hl7.org/CodeSystem/organization-type|govt"
    /// openimis = "G"
    /// ```
    pub legal_forms: Table<CodeRow>,
    /// Legal form of facilities whose organizations are in no row.
    ///
    /// Default: `""`: none, and such a facility is refused.
    pub default_legal_form: String,
    /// Kinds of care: the registry's type of facility, and "I" (in-patient), "O" (out-patient) or "B" (both).
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.care_types]]
    /// source = "http://registry.example.org/types|health-post"
    /// openimis = "O"
    /// ```
    pub care_types: Table<CodeRow>,
    /// Kind of care of facilities whose type is in no row.
    ///
    /// Default: `"B"`.
    pub default_care_type: String,
    /// Districts: the registry's area (an identifier, `system|identifier`, `Location/<id>`, or the district of the address), and openIMIS'
    /// code of the district. The areas that a facility is part of are looked for from the nearest one up.
    ///
    /// Optional, for example
    /// ```toml
    /// [[mapping.facility.districts]]
    /// source = "Location/rapta"
    /// openimis = "R1D1"
    /// ```
    pub districts: Table<CodeRow>,
    /// openIMIS' status of a facility that the registry has closed (`inactive`): "IN" (inactive), "DE" (delisted) or "ID" (idle).
    ///
    /// Default: `"IN"`.
    pub closed_status: String,
    /// openIMIS' status of a facility that the registry has suspended.
    ///
    /// Default: `"ID"`.
    pub suspended_status: String,
    /// National ids (alone or as `system|id`) of facilities that have the name of another one in their district and are really another one.
    ///
    /// Default: `[]`.
    pub distinct: Table<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            national_id: Vec::new(),
            codes: Table::default(),
            levels: Table::default(),
            default_level: String::new(),
            sub_levels: Table::default(),
            legal_forms: Table::default(),
            default_legal_form: String::new(),
            care_types: Table::default(),
            default_care_type: "B".to_owned(),
            districts: Table::default(),
            closed_status: "IN".to_owned(),
            suspended_status: "ID".to_owned(),
            distinct: Table::default(),
        }
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let tables = [
            ("codes", &self.codes),
            ("levels", &self.levels),
            ("sub_levels", &self.sub_levels),
            ("legal_forms", &self.legal_forms),
            ("care_types", &self.care_types),
            ("districts", &self.districts),
        ];
        for (name, rows) in tables {
            problems.extend(codes::problems(name, rows));
        }
        let is_one = |code: &str| code.chars().count() == 1;
        let is_level = |code: &str| LEVELS.contains(&code);
        let is_care = |code: &str| CARE_TYPES.contains(&code);
        let mut check = |name: &str, rows: &[CodeRow], fits: &dyn Fn(&str) -> bool, expected: &str| {
            for (index, row) in
                rows.iter().enumerate().filter(|(_, row)| !row.openimis.is_empty() && !fits(&row.openimis))
            {
                problems.push(format!("{name}[{index}].openimis: expected {expected}; found {}", row.openimis));
            }
        };
        let short = |code: &str| code.chars().count() <= MAX_CODE;
        check("codes", &self.codes, &short, "up to 8 characters");
        check("levels", &self.levels, &is_level, "H, C or D");
        check("sub_levels", &self.sub_levels, &is_one, "one character");
        check("legal_forms", &self.legal_forms, &is_one, "one character");
        check("care_types", &self.care_types, &is_care, "I, O or B");
        if !self.default_level.is_empty() && !is_level(&self.default_level) {
            problems.push("default_level: expected H, C or D".to_owned());
        }
        if !self.default_legal_form.is_empty() && !is_one(&self.default_legal_form) {
            problems.push("default_legal_form: expected one character".to_owned());
        }
        if !is_care(&self.default_care_type) {
            problems.push("default_care_type: expected I, O or B".to_owned());
        }
        for (name, status) in [("closed_status", &self.closed_status), ("suspended_status", &self.suspended_status)] {
            if !STATUSES.contains(&status.as_str()) {
                problems.push(format!("{name}: expected AC, IN, DE or ID"));
            }
        }
        problems
    }
}
