//! What all mapping components share: `mapping`'s results as WIT types. Written once, since each component generates its own types.
#![no_std]

pub use mapping;

#[cfg(target_arch = "wasm32")]
pub mod heap;

/// Gives a component its heap. Not for mappings that allocate for long: nothing is used again before everything is given back.
#[macro_export]
macro_rules! heap {
    () => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static HEAP: $crate::heap::Heap = $crate::heap::Heap::new();
    };
}

/// Defines `to_wit`, which turns a [`mapping::MapResult`] into the WIT result of the calling component.
/// `$types` is the path of the component's generated `types` module.
#[macro_export]
macro_rules! conversions {
    ($types:path) => {
        use $types as types;

        fn to_wit(result: $crate::mapping::MapResult) -> Result<types::Mapped, Vec<types::Issue>> {
            let issues = |list: Vec<$crate::mapping::Issue>| list.into_iter().map(issue_to_wit).collect();
            match result {
                Ok($crate::mapping::Mapped { body, idempotency_key, warnings }) => {
                    Ok(types::Mapped { body, idempotency_key, warnings: issues(warnings) })
                }
                Err(list) => Err(issues(list)),
            }
        }

        fn issue_to_wit(issue: $crate::mapping::Issue) -> types::Issue {
            use $crate::mapping::{IssueType, Severity};
            types::Issue {
                severity: match issue.severity {
                    Severity::Fatal => types::Severity::Fatal,
                    Severity::Error => types::Severity::Error,
                    Severity::Warning => types::Severity::Warning,
                    Severity::Information => types::Severity::Information,
                },
                code: match issue.code {
                    IssueType::Invalid => types::IssueType::Invalid,
                    IssueType::Structure => types::IssueType::Structure,
                    IssueType::Required => types::IssueType::Required,
                    IssueType::Value => types::IssueType::Value,
                    IssueType::Conflict => types::IssueType::Conflict,
                    IssueType::NotFound => types::IssueType::NotFound,
                    IssueType::NotSupported => types::IssueType::NotSupported,
                    IssueType::BusinessRule => types::IssueType::BusinessRule,
                },
                expression: issue.expression.into_owned(),
                diagnostics: issue.diagnostics,
            }
        }
    };
}

/// Defines conversions for mappings that ask for look-ups: `answers` and `outcome_to_wit`.
/// `$lookups` is the path of the component's generated `lookups` module. Needs [`conversions`] beside it.
#[macro_export]
macro_rules! lookups {
    ($lookups:path) => {
        use $lookups as lookups;

        fn answers(known: Vec<lookups::Answer>) -> Vec<$crate::mapping::lookup::Answer> {
            known.into_iter().map(answer).collect()
        }

        fn answer(known: lookups::Answer) -> $crate::mapping::lookup::Answer {
            use $crate::mapping::lookup::{Answer, By, Lookup, Resource};
            let lookups::Lookup { target, by, value } = known.lookup;
            let resource = match target {
                lookups::Target::Patient => Resource::Patient,
                lookups::Target::Organization => Resource::Organization,
                lookups::Target::Practitioner => Resource::Practitioner,
                lookups::Target::Medication => Resource::Medication,
                lookups::Target::ActivityDefinition => Resource::ActivityDefinition,
                lookups::Target::Policy => Resource::Policy,
                lookups::Target::Location => Resource::Location,
                lookups::Target::HealthFacility => Resource::HealthFacility,
            };
            let by = match by {
                lookups::By::Code => By::Code,
                lookups::By::Uuid => By::Uuid,
                lookups::By::District => By::District,
            };
            Answer { lookup: Lookup { resource, by, value }, found: known.found }
        }

        fn lookup_to_wit(lookup: $crate::mapping::lookup::Lookup) -> lookups::Lookup {
            use $crate::mapping::lookup::{By, Lookup, Resource};
            let Lookup { resource, by, value } = lookup;
            let target = match resource {
                Resource::Patient => lookups::Target::Patient,
                Resource::Organization => lookups::Target::Organization,
                Resource::Practitioner => lookups::Target::Practitioner,
                Resource::Medication => lookups::Target::Medication,
                Resource::ActivityDefinition => lookups::Target::ActivityDefinition,
                Resource::Policy => lookups::Target::Policy,
                Resource::Location => lookups::Target::Location,
                Resource::HealthFacility => lookups::Target::HealthFacility,
            };
            let by = match by {
                By::Code => lookups::By::Code,
                By::Uuid => lookups::By::Uuid,
                By::District => lookups::By::District,
            };
            lookups::Lookup { target, by, value }
        }

        fn outcome_to_wit(outcome: $crate::mapping::lookup::Outcome) -> lookups::Outcome {
            use $crate::mapping::lookup::Outcome;
            let result = match outcome {
                Outcome::Needs(wanted) => {
                    return lookups::Outcome::Needs(wanted.into_iter().map(lookup_to_wit).collect());
                }
                Outcome::Mapped(mapped) => to_wit(Ok(mapped)),
                Outcome::Issues(issues) => to_wit(Err(issues)),
            };
            result.map_or_else(lookups::Outcome::Issues, lookups::Outcome::Mapped)
        }
    };
}

/// Defines `rows`, for mappings with code tables. `$lookups` as in [`lookups`].
#[macro_export]
macro_rules! code_rows {
    ($lookups:path) => {
        fn rows(rows: Vec<$lookups>) -> $crate::mapping::codes::Table<$crate::mapping::codes::CodeRow> {
            let row = |row: $lookups| $crate::mapping::codes::CodeRow { source: row.source, openimis: row.openimis };
            rows.into_iter().map(row).collect()
        }
    };
}
