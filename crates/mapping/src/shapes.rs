//! Elements of another JSON kind than FHIR gives them: told as what they are, not as missing.

use std::fmt;

use crate::decimal::Number;
use crate::issue::{Issue, IssueType, Severity};
use crate::json::{Node, Scalar, Text, Words};

/// Elements that hold alternatives: where one of them cannot be read, another may do.
const ALTERNATIVES: [&str; 5] = ["identifier", "coding", "extension", "participant", "location"];

/// Where an element stands. Its FHIRPath is written when somebody asks for it.
pub(crate) struct At<'p> {
    parent: Option<&'p At<'p>>,
    /// The field's name, or the path of the resource.
    name: &'p str,
    index: Option<usize>,
}

impl<'p> At<'p> {
    pub fn resource(path: &'p str) -> Self {
        Self { parent: None, name: path, index: None }
    }

    pub fn element(&'p self, field: &'p str) -> Self {
        Self { parent: Some(self), name: field, index: None }
    }

    fn one(&'p self, index: usize) -> At<'p> {
        At { parent: self.parent, name: self.name, index: Some(index) }
    }

    /// Whether it stands within something that has alternatives.
    fn has_alternatives(&self) -> bool {
        let is_one = |at: &At| at.parent.is_some() && ALTERNATIVES.contains(&at.name);
        let of_list = self.index.is_some() && is_one(self);
        of_list || self.parent.is_some_and(|parent| is_one(parent) || parent.has_alternatives())
    }

    #[cold]
    fn tell(&self, expected: &str, found: impl fmt::Display, issues: &mut Vec<Issue>) {
        let issue = Issue::unusable(self.to_string(), expected, found);
        issues.push(if self.has_alternatives() { issue.as_warning() } else { issue });
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            None => f.write_str(self.name)?,
            Some(parent) => {
                write!(f, "{parent}.")?;
                let name = match self.name {
                    "kind" => "type",
                    "usage" => "use",
                    name => name,
                };
                for (index, word) in name.split('_').enumerate() {
                    let (first, rest) = word.split_at_checked(usize::from(index > 0)).unwrap_or((word, ""));
                    write!(f, "{}{rest}", first.to_ascii_uppercase())?;
                }
            }
        }
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// What knows its FHIR shape.
pub(crate) trait Told {
    /// The JSON kind that FHIR gives it.
    const EXPECTED: &'static str = "an object";

    /// Tells every element of another kind: an error, or a warning where there are alternatives.
    fn tell(&self, _: &At, _: &mut Vec<Issue>) {}
}

impl Told for Text<'_> {
    const EXPECTED: &'static str = "a text";
}

impl Told for Words<'_> {
    const EXPECTED: &'static str = "a text";
}

impl Told for Scalar<'_> {
    const EXPECTED: &'static str = "a text, a number or a boolean";
}

/// Numbers are told where they are read.
impl Told for Number {}

impl<T: Told> Told for Node<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn tell(&self, at: &At, issues: &mut Vec<Issue>) {
        match self {
            Self::Absent => {}
            Self::Value(value) => value.tell(at, issues),
            Self::Other(kind) => at.tell(Self::EXPECTED, kind, issues),
        }
    }
}

impl<T: Told> Told for Vec<Node<T>> {
    const EXPECTED: &'static str = "a list";

    fn tell(&self, at: &At, issues: &mut Vec<Issue>) {
        for (index, node) in self.iter().enumerate() {
            node.tell(&at.one(index), issues);
        }
    }
}

/// Makes structs of [`Node`]s tell what is not as FHIR has it.
macro_rules! told {
    ($($name:ident { $($field:ident),* $(,)? })+) => {$(
        impl crate::shapes::Told for $name<'_> {
            fn tell(&self, at: &crate::shapes::At, issues: &mut Vec<crate::issue::Issue>) {
                $(crate::shapes::Told::tell(&self.$field, &at.element(stringify!($field)), issues);)*
            }
        }
    )+};
}
pub(crate) use told;

/// Adds what is misshapen to the other issues. Where something is said to be missing that is there in another shape, its shape is told.
pub(crate) fn explain(misshapen: Vec<Issue>, issues: &mut Vec<Issue>) {
    for mut issue in misshapen {
        let path = issue.expression.clone();
        if issues.iter().any(|other| other.code == IssueType::Value && other.expression == path) {
            continue;
        }
        let is_explained = |other: &Issue| {
            let missing = other.expression.as_ref();
            other.code == IssueType::Required
                && missing != "Bundle.entry"
                && (is_within(&path, missing) || is_within(missing, &path))
        };
        let before = issues.len();
        issues.retain(|other| !is_explained(other));
        if issues.len() < before {
            issue.severity = Severity::Error;
        }
        issues.push(issue);
    }
}

/// Whether an element is another one, or a part of it.
fn is_within(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Kind;

    #[test]
    fn an_element_is_told_by_its_fhirpath() {
        let resource = At::resource("Bundle.entry[2].resource");
        let period = resource.element("billable_period");
        assert_eq!(period.element("start").to_string(), "Bundle.entry[2].resource.billablePeriod.start");
        assert!(!period.element("start").has_alternatives());
        let identifiers = resource.element("identifier");
        assert!(!identifiers.has_alternatives());
        let one = identifiers.one(1);
        assert!(one.has_alternatives() && one.element("kind").has_alternatives());
        assert_eq!(one.element("kind").to_string(), "Bundle.entry[2].resource.identifier[1].type");
    }

    #[test]
    fn what_is_there_in_another_shape_is_not_missing() {
        let misshapen = || {
            let mut issues = Vec::new();
            At::resource("Claim").element("identifier").one(0).element("value").tell(
                "a text",
                Kind::Number,
                &mut issues,
            );
            issues
        };
        let mut issues =
            vec![Issue::missing("Claim.identifier", "a code"), Issue::missing("Claim.identify", "another")];
        explain(misshapen(), &mut issues);
        let told: Vec<String> = issues.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "error required Claim.identify: missing; expected another",
                "error value Claim.identifier[0].value: expected a text; found a number",
            ]
        );
        let mut issues = Vec::new();
        explain(misshapen(), &mut issues);
        assert_eq!(issues[0].severity, Severity::Warning);
    }
}
