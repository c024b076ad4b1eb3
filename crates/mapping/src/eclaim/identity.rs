//! The claim's code: the same whenever the same encounter is sent, and no other encounter's.

use uuid::Uuid;

use super::places::scope;
use super::{Settings, Subject};
use crate::bundle::{Documents, parts};
use crate::fhir::codes::{CODE, IG};
use crate::fhir::elements::{Identifier, List};
use crate::fhir::primitives::{plain, shape_of, uuid};
use crate::in_use::best;
use crate::issue::Issue;

/// Longest claim code that openIMIS' own screens take.
const MAX_CODE: usize = 20;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Ids of this length are made to differ everywhere; shorter ones count the encounters of one server.
const UNIQUE: usize = 32;

/// What tells a claim from others.
struct Identity {
    text: String,
    /// Whether nobody else has the same.
    is_unique: bool,
}

impl Identity {
    fn of_id(kind: &str, id: &str) -> Self {
        let id = if uuid(id).is_some() { id.to_lowercase() } else { id.to_owned() };
        Self { text: format!("{kind}/{id}"), is_unique: id.len() >= UNIQUE }
    }

    fn of_identifier(kind: &str, identifiers: &List<Identifier>) -> Option<Self> {
        let token = identifiers.items().find_map(|found| found.tokens().into_iter().next())?;
        Some(Self { is_unique: token.contains('|') || token.len() >= UNIQUE, text: format!("{kind}/{token}") })
    }
}

impl Subject<'_> {
    /// The claim's own openIMIS code, else one that is computed from the encounter, else from the claim's identifier or id.
    pub(super) fn code(&self, documents: &Documents, settings: &Settings, issues: &mut Vec<Issue>) -> Option<String> {
        if let Some((entry, claim)) = &self.claim
            && let Some(code) = best(claim.identifier.items(), plain(&claim.created), |identifier| {
                let older = || identifier.value().filter(|_| identifier.is_older(&["MR"]));
                identifier.of_openimis(CODE).or_else(older)
            })
        {
            if code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Some(code.to_owned());
            }
            let path = format!("{}.identifier.where(type.coding.code = 'Code').value", entry.path);
            let expected = format!("a claim code of up to {MAX_CODE} letters and digits");
            issues.push(Issue::unusable(path, &expected, shape_of(code)));
            return None;
        }
        let Some(Identity { mut text, is_unique }) = self.identity() else {
            let path = self.claim.as_ref().map_or("Bundle.entry".to_owned(), |(entry, _)| format!("{}.id", entry.path));
            issues.push(Issue::missing(
                path,
                "an encounter or claim with an id or identifier, which the claim's code is made of",
            ));
            return None;
        };
        // Two hospitals may each have an Encounter/123.
        if let (false, Some(scope)) = (is_unique, scope(documents, settings, self)) {
            text = format!("{text}@{scope}");
        }
        Some(claim_code(&text, settings))
    }

    fn identity(&self) -> Option<Identity> {
        if let Some((entry, encounter)) = &self.encounter {
            if let Some(id) = entry.own_id() {
                return Some(Identity::of_id("Encounter", id));
            }
            let identity = Identity::of_identifier("Encounter", &encounter.identifier);
            if let Some(identity) =
                identity.or_else(|| entry.full_url.as_ref().map(|url| Identity::of_id("Encounter", url)))
            {
                return Some(identity);
            }
        }
        let (_, claim) = self.claim.as_ref()?;
        let mut encounters = claim.item.items().flat_map(|item| item.encounter.items());
        if let Some((_, id)) = encounters.find_map(parts) {
            return Some(Identity::of_id("Encounter", id));
        }
        let of_claim = Identity::of_identifier("Claim", &claim.identifier);
        of_claim.or_else(|| plain(&claim.id).map(|id| Identity::of_id("Claim", id)))
    }
}

/// The same identity has the same code for ever: digits of a UUIDv5, in an alphabet without letters that look like digits.
fn claim_code(identity: &str, settings: &Settings) -> String {
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{IG}/Claim?of={identity}").as_bytes());
    let mut code = settings.code_prefix.clone();
    let (mut low, mut high) = (uuid.as_u128() & ((1 << 60) - 1), uuid.as_u128() >> 80); // beside version and variant
    for digit in 0..21 {
        if code.len() >= usize::from(settings.code_length) {
            break;
        }
        let bits = if digit < 12 { &mut low } else { &mut high };
        code.push(char::from(ALPHABET[(*bits & 31) as usize]));
        *bits >>= 5;
    }
    code
}
