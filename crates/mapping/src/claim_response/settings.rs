//! How a record is written: the documented `OP` form unless told otherwise.

use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

/// The calendar of the record's year, month and day fields.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calendar {
    /// As CHT's `bsYear`, `bsMonth` and `bsDay` fields expect (Nepal).
    #[default]
    BikramSambat,
    /// The civil calendar.
    Gregorian,
}

/// Names of the fields of the CHT form. Defaults: the documented `OP` form.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldNames {
    /// The CHT contact.
    ///
    /// Default: `"patient_id"`.
    pub patient_id: String,
    /// The claim's code.
    ///
    /// Default: `"op_claim_id"`.
    pub claim_id: String,
    /// The claim's uuid; the feedback form has to send it back.
    ///
    /// Default: `"op_claim_uuid"`.
    pub claim_uuid: String,
    /// Year of the claim.
    ///
    /// Default: `"op_year"`.
    pub year: String,
    /// Month, 1 to 12.
    ///
    /// Default: `"op_month"`.
    pub month: String,
    /// Day, 1 to 32.
    ///
    /// Default: `"op_day"`.
    pub day: String,
    /// Milliseconds since 1970-01-01 UTC of the claim day's midnight, as a number: the form's field is a date. "" leaves it out.
    ///
    /// Default: `"op_date"`.
    pub date: String,
}

impl Default for FieldNames {
    fn default() -> Self {
        Self {
            patient_id: "patient_id".into(),
            claim_id: "op_claim_id".into(),
            claim_uuid: "op_claim_uuid".into(),
            year: "op_year".into(),
            month: "op_month".into(),
            day: "op_day".into(),
            date: "op_date".into(),
        }
    }
}

/// How a record is written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Code of the CHT form.
    ///
    /// Default: `"OP"`.
    pub form: String,
    /// Names of the fields of the CHT form. No name may be empty (but `date`) or be used twice.
    pub fields: FieldNames,
    /// Calendar of the record's year, month and day: "bikram-sambat" (Nepal) or "gregorian".
    ///
    /// Default: `"bikram-sambat"`.
    pub calendar: Calendar,
    /// Minutes east of UTC of the clock that decides on which day a claim was made, and on the midnight of fields.date.
    /// -1080 to 1080.
    ///
    /// Default: `0`, as CHT's server as shipped.
    pub utc_offset_minutes: i16,
    /// Locale of the record (`_meta.locale`), for example "ne".
    ///
    /// Default: `""`: none.
    pub locale: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            form: "OP".into(),
            fields: FieldNames::default(),
            calendar: Calendar::default(),
            utc_offset_minutes: 0,
            locale: String::new(),
        }
    }
}

impl Settings {
    /// Everything that is wrong with these settings, as sentences; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let fields = &self.fields;
        let mut names = vec!["_meta"];
        let mut problems = Vec::new();
        if self.form.trim().is_empty() {
            problems.push("form: is empty; expected the code of the CHT form, for example OP".to_owned());
        }
        if self.offset().is_none() {
            problems.push("utc_offset_minutes: expected -1080 to 1080".to_owned());
        }
        for (key, name) in [
            ("patient_id", &fields.patient_id),
            ("claim_id", &fields.claim_id),
            ("claim_uuid", &fields.claim_uuid),
            ("year", &fields.year),
            ("month", &fields.month),
            ("day", &fields.day),
            ("date", &fields.date),
        ] {
            if name.is_empty() && key != "date" {
                problems.push(format!("fields.{key}: is empty; expected the name of a field of the form"));
            } else if !name.is_empty() && names.contains(&name.as_str()) {
                problems.push(format!("fields.{key}: the name is used twice"));
            }
            names.push(name);
        }
        problems
    }

    pub(super) fn offset(&self) -> Option<Offset> {
        (-1080..=1080)
            .contains(&self.utc_offset_minutes)
            .then(|| Offset::from_seconds(i32::from(self.utc_offset_minutes) * 60).ok())
            .flatten()
    }
}
