//! What kind of visit it was.

use super::settings::VISIT_TYPES;
use super::{Subject, Work};
use crate::codes;
use crate::fhir::elements::{Coding, Concept};
use crate::fhir::primitives::{plain, shown};
use crate::issue::IssueType;

/// Classes of FHIR's encounters that say where a patient was treated. None of them but EMER is a visit type of its own in openIMIS.
const CLASSES: [&str; 13] =
    ["AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC", "SS", "VR", "inpatient", "outpatient"];
/// FHIR's types of claims, which say what is billed and not what kind of visit it was.
const CLAIM_TYPES: &str = "http://terminology.hl7.org/CodeSystem/claim-type";
const SUB_TYPES: &str = "http://terminology.hl7.org/CodeSystem/ex-claimsubtype";
const EMERGENCY: &str = "http://terminology.hl7.org/CodeSystem/ex-claimsubtype|emergency";

impl Work<'_> {
    /// openIMIS' own visit type, the table's, emergency by the encounter's class, or the setting. A code that none of them knows is told.
    pub(super) fn visit_type(&mut self, subject: &Subject) -> &'static str {
        let own = subject.claim.as_ref().and_then(|(_, claim)| claim.kind.value().and_then(own_type));
        if let Some(code) = own.and_then(known) {
            return code;
        }
        let mut tokens: Vec<String> = Vec::new();
        if let Some((_, claim)) = &subject.claim {
            tokens.extend([&claim.sub_type, &claim.kind].into_iter().filter_map(|it| it.value()).flat_map(words));
        }
        let mut is_emergency = tokens.iter().any(|token| token == EMERGENCY);
        if let Some((_, encounter)) = &subject.encounter {
            tokens.extend(encounter.kind.items().flat_map(Concept::tokens));
            let admission = encounter.hospitalization.value().and_then(|stay| stay.admit_source.value());
            tokens.extend(admission.into_iter().flat_map(Concept::tokens));
            let class = encounter.class.value();
            tokens.extend(class.and_then(Coding::token));
            is_emergency |= class.is_some_and(|class| plain(&class.code) == Some("EMER"));
        }
        if let Some(code) = codes::find(&self.settings.visit_types, &tokens).and_then(|row| known(&row.openimis)) {
            return code;
        }
        let code = if is_emergency { "E" } else { known(&self.settings.visit_type).unwrap_or("O") };
        self.tell_unknown_visit(subject, code);
        code
    }

    /// What the claim, else the encounter, calls the visit, and what it became in its place.
    fn tell_unknown_visit(&mut self, subject: &Subject, code: &str) {
        let mut unknown: Vec<(String, String)> = Vec::new();
        if let Some((entry, claim)) = &subject.claim {
            for (name, concept) in [("type", &claim.kind), ("subType", &claim.sub_type)] {
                let says_nothing = |token: &String| [CLAIM_TYPES, SUB_TYPES].iter().any(|it| token.starts_with(it));
                let token = concept.value().and_then(|concept| words(concept).into_iter().find(|it| !says_nothing(it)));
                unknown.extend(token.map(|token| (format!("{}.{name}", entry.path), token)));
            }
        }
        if let Some((entry, encounter)) = &subject.encounter {
            let class = encounter.class.value().and_then(|class| Some((plain(&class.code)?, class.token()?)));
            let of_type = || encounter.kind.items().flat_map(Concept::tokens).next();
            let (element, token) = match class {
                Some((code, _)) if CLASSES.contains(&code) => ("class", None),
                Some((_, token)) => ("class", Some(token)),
                None => ("type", of_type()),
            };
            unknown.extend(token.map(|token| (format!("{}.{element}", entry.path), token)));
        }
        for (path, token) in unknown {
            let text = format!(
                "no visit type of openIMIS (E, R or O) for {}; {code} was written; expected one, or a row of visit_types",
                shown(&token)
            );
            self.warn(IssueType::NotFound, path, text);
        }
    }
}

/// The code that is openIMIS' visit type: by its code system, or alone, without system.
fn own_type<'c>(concept: &'c Concept) -> Option<&'c str> {
    let alone = || {
        let mut codings = concept.coding.items().filter(|coding| plain(&coding.system).is_none());
        codings.find_map(|coding| plain(&coding.code).filter(|code| known(code).is_some()))
    };
    let in_words = || {
        let text = plain(&concept.text).filter(|_| concept.coding.items().next().is_none())?;
        VISIT_TYPES.iter().find(|(code, name)| *code == text || name.eq_ignore_ascii_case(text)).map(|(code, _)| *code)
    };
    concept.own_code("claim-visit-type").or_else(alone).or_else(in_words)
}

/// How a table may name it: its codings, else its text.
fn words(concept: &Concept) -> Vec<String> {
    let tokens = concept.tokens();
    if tokens.is_empty() { plain(&concept.text).map(str::to_owned).into_iter().collect() } else { tokens }
}

fn known(code: &str) -> Option<&'static str> {
    VISIT_TYPES.iter().find(|(known, _)| *known == code).map(|(known, _)| *known)
}
