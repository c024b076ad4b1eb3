//! What may turn the meaning of a resource around and is known to nobody here: FHIR's modifier extensions and implicit rules. FHIR forbids to
//! pass them over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Documents, Entry};
use crate::fhir::primitives::{plain, shown};
use crate::issue::{Issue, IssueType};
use crate::json::{Node, Text, document, object_shape};

const EXTENSION: &str = "modifierExtension";
const RULES: &str = "implicitRules";

#[derive(Debug, Deserialize)]
struct Extension<'a> {
    #[serde(borrow, default)]
    url: Node<Text<'a>>,
}

object_shape!(Extension);

impl Documents<'_> {
    /// Tells what changes the meaning of a resource that is read, once for each.
    pub fn heed(&self, entry: &Entry, issues: &mut Vec<Issue>) {
        if !entry.is_heeded.replace(true) {
            tell(&entry.path, entry.text, issues);
        }
    }
}

/// Tells all modifier extensions and implicit rules in a resource, but not in what it contains: that is told where it is read.
pub(crate) fn tell(path: &str, text: &str, issues: &mut Vec<Issue>) {
    if !text.contains(EXTENSION) && !text.contains(RULES) {
        return;
    }
    if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            tell(&format!("{path}[{index}]"), item.get(), issues);
        }
        return;
    }
    let elements: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    for (name, element) in elements {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "contained" | "resource" => {}
            EXTENSION => tell_extensions(&path, element.get(), issues),
            RULES if element.get() != "null" => {
                let text = "rules that change what the resource means, and that are not known here; expected none";
                issues.push(Issue::error(IssueType::NotSupported, path, text));
            }
            _ => tell(&path, element.get(), issues),
        }
    }
}

fn tell_extensions(path: &str, text: &str, issues: &mut Vec<Issue>) {
    let items: Vec<&RawValue> = match text {
        "null" => return,
        _ => serde_json::from_str(text).unwrap_or_else(|_| serde_json::from_str(text).into_iter().collect()),
    };
    for (index, item) in items.iter().enumerate() {
        let extension: Option<Extension> = document(item.get(), "extension").ok();
        let url = extension.as_ref().and_then(|extension| plain(&extension.url)).map(shown);
        let url = url.map(|url| format!(" {url}")).unwrap_or_default();
        let text =
            format!("the modifier extension{url} may change what this means, and is not known here; expected none");
        issues.push(Issue::error(IssueType::NotSupported, format!("{path}[{index}]"), text));
    }
}
