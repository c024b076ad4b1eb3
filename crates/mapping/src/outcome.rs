//! Issues as the FHIR R4 resource that carries them: `OperationOutcome`.

use serde::Serialize;

use crate::issue::{Issue, Severity};
use crate::json::to_json;

/// Renders issues as a FHIR R4 `OperationOutcome`. An empty list is the all-well outcome that FHIR asks for.
pub fn operation_outcome(issues: &[Issue]) -> String {
    #[derive(Serialize)]
    struct Outcome<'a> {
        #[serde(rename = "resourceType")]
        resource_type: &'static str,
        issue: Vec<Line<'a>>,
    }
    #[derive(Serialize)]
    struct Line<'a> {
        severity: Severity,
        code: &'a str,
        diagnostics: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        expression: Option<[&'a str; 1]>,
    }
    let codes: Vec<String> = issues.iter().map(|issue| issue.code.to_string()).collect();
    let mut lines: Vec<Line> = issues
        .iter()
        .zip(&codes)
        .map(|(issue, code)| Line {
            severity: issue.severity,
            code,
            diagnostics: &issue.diagnostics,
            expression: (!issue.expression.is_empty()).then_some([issue.expression.as_ref()]),
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line {
            severity: Severity::Information,
            code: "informational",
            diagnostics: "All OK",
            expression: None,
        });
    }
    let outcome = Outcome { resource_type: "OperationOutcome", issue: lines };
    to_json(&outcome).unwrap_or_default() // strings and fixed keys: cannot fail
}
