//! Code tables: which code of another system is which code of openIMIS.

mod concept_map;
mod table;

use serde::{Deserialize, Serialize};

pub use concept_map::concept_map;
pub use table::{Row, Table};

/// One row of a code table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRow {
    /// The other system's code as `system|code`, or the code alone where it comes without a system.
    ///
    /// Required, for example `"https://cielterminology.org|116128"`.
    #[serde(deserialize_with = "crate::text::code")]
    pub source: String,
    /// openIMIS' code, or its uuid where the table is of things that have one.
    ///
    /// Required, for example `"B54"`.
    #[serde(deserialize_with = "crate::text::code")]
    pub openimis: String,
}

/// The row of a token.
pub(crate) fn find<'t>(rows: &'t [CodeRow], tokens: &[String]) -> Option<&'t CodeRow> {
    tokens.iter().find_map(|token| rows.iter().find(|row| row.source == *token))
}

/// What is wrong with a table's column of sources, as sentences.
pub(crate) fn source_problems<'t>(table: &str, sources: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut seen = std::collections::BTreeMap::new();
    let mut problems = Vec::new();
    for (index, source) in sources.enumerate() {
        if source.trim().is_empty() || source.trim() != source || source.ends_with('|') {
            problems.push(format!("{table}[{index}].source: expected system|code, or a code"));
        } else if let Some(first) = seen.insert(source, index) {
            problems.push(format!("{table}[{index}].source: {source} is there twice, also at {first}"));
        }
    }
    problems
}

/// What is wrong with a code table, as sentences.
pub(crate) fn problems(table: &str, rows: &[CodeRow]) -> Vec<String> {
    let mut problems = source_problems(table, rows.iter().map(|row| row.source.as_str()));
    for (index, row) in rows.iter().enumerate() {
        if row.openimis.trim().is_empty() {
            problems.push(format!("{table}[{index}].openimis: is empty; expected openIMIS' code"));
        }
    }
    problems
}
