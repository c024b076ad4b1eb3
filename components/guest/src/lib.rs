//! What all mapping components share: `mapping`'s results as WIT types. Written once, since each component generates its own types.
#![no_std]

pub use mapping;

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
