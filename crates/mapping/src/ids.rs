//! Identifiers as types, so that a claim's uuid is never passed where an insuree's is meant.

use std::fmt;

use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        impl $name {
            /// Reads any spelling (upper case, without hyphens, `urn:uuid:`, with characters that cannot be seen); none if it is not a UUID.
            pub fn parse(text: &str) -> Option<Self> {
                crate::fhir::primitives::uuid(text).map(Self)
            }

            /// As openIMIS finds it: lower case with hyphens.
            pub(crate) fn text<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
                self.0.hyphenated().encode_lower(buffer)
            }

            /// The UUID itself.
            pub fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        /// Lower case with hyphens: openIMIS does not find a claim by any other spelling.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(
    /// openIMIS' uuid of a claim.
    ClaimUuid
);
uuid_id!(
    /// openIMIS' uuid of an insuree (FHIR `Patient.id`).
    InsureeUuid
);

/// `_id` of the CHT person of an insuree: UUIDv5 in the URL namespace, of the openIMIS IG's address and the insuree's uuid.
/// The same insuree is the same person for ever, whichever mediator creates it.
pub fn contact_id(insuree: InsureeUuid) -> Uuid {
    let name = format!("https://openimis.github.io/openimis_fhir_r4_ig/Patient/{insuree}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

/// `_id` of a further CHT person of an insuree, where CHT no longer takes the one of [`contact_id`]: `number` counts from 2.
pub fn further_contact_id(insuree: InsureeUuid, number: u32) -> Uuid {
    Uuid::new_v5(&contact_id(insuree), number.to_string().as_bytes())
}

/// `_id` of the CHT report of a claim, where the mediator chooses it: the same claim is the same report.
pub fn report_id(claim: ClaimUuid) -> Uuid {
    let name = format!("https://openimis.github.io/openimis_fhir_r4_ig/Claim/{claim}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}
