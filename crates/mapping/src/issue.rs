//! Issues: what is wrong with an input, in FHIR's words. Never a piece of the input that could be personal data.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// FHIR R4 `issue-severity`, worst first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing could be read, no mapping was tried.
    Fatal,
    /// The input cannot be mapped as it is.
    Error,
    /// The input was mapped; somebody should look at this.
    Warning,
    /// Good to know, nothing to do.
    Information,
}

/// FHIR R4 `issue-type`, as far as a mapping needs it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueType {
    /// Content is not valid.
    Invalid,
    /// Not the JSON structure or the resource that was expected.
    Structure,
    /// A required element is missing.
    Required,
    /// An element's value is not what was expected.
    Value,
    /// Elements of the same document disagree.
    Conflict,
    /// A reference or a code could not be resolved.
    NotFound,
    /// Valid, but this mapping has no way to carry it.
    NotSupported,
    /// Valid, but the settings or the domain's rules do not allow it.
    BusinessRule,
}

/// One problem of an input.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// Which kind of problem it is.
    pub code: IssueType,
    /// FHIRPath of the element, or the path of the key where the document is not FHIR.
    pub expression: Cow<'static, str>,
    /// What is wrong, what was expected and what kind of thing was there.
    pub diagnostics: String,
}

impl Issue {
    /// The element is absent.
    #[cold]
    pub fn missing(path: impl Into<Cow<'static, str>>, expected: &str) -> Self {
        Self::error(IssueType::Required, path, ["missing; expected ", expected].concat())
    }

    /// The element is there and cannot be used. `found` names the kind of thing, not its content.
    #[cold]
    pub fn unusable(path: impl Into<Cow<'static, str>>, expected: &str, found: impl fmt::Display) -> Self {
        Self::error(IssueType::Value, path, format!("expected {expected}; found {found}"))
    }

    /// An error of any kind.
    #[cold]
    pub fn error(code: IssueType, path: impl Into<Cow<'static, str>>, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, expression: path.into(), diagnostics: diagnostics.into() }
    }

    /// Nothing could be read.
    #[cold]
    pub fn fatal(path: impl Into<Cow<'static, str>>, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::error(IssueType::Structure, path, diagnostics) }
    }

    /// The same issue, no longer in the way.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// One line: severity, type, path (if it is about an element), text. What cases and logs show.
impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, code, expression, diagnostics } = self;
        match expression.as_ref() {
            "" => write!(f, "{severity} {code}: {diagnostics}"),
            path => write!(f, "{severity} {code} {path}: {diagnostics}"),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for IssueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
