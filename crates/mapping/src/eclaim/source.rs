//! What a claim is made of, as FHIR R4 and OpenMRS write it. Only the elements that are read.

use serde::Deserialize;

use crate::decimal::Number;
use crate::fhir::elements::{Coding, Concept, Identifier, List, Money, Reference};
use crate::fhir::period::Period;
use crate::json::{Node, Scalar, Text, Words, object_shape};
use crate::shapes::{Told, told};

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $kind:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub(super) struct $name<'a> { $($(#[$attr])* #[serde(borrow, default)] pub $field: $kind,)+ }
        )+
        object_shape!($($name),+);
        told!($($name { $($field),+ })+);
    };
}

resources! {
    Claim {
        id: Node<Text<'a>>,
        identifier: List<Identifier<'a>>,
        status: Node<Text<'a>>,
        #[serde(rename = "type")]
        kind: Node<Concept<'a>>,
        sub_type: Node<Concept<'a>>,
        #[serde(rename = "use")]
        usage: Node<Text<'a>>,
        patient: Node<Reference<'a>>,
        billable_period: Node<Period<'a>>,
        created: Node<Text<'a>>,
        enterer: Node<Reference<'a>>,
        provider: Node<Reference<'a>>,
        facility: Node<Reference<'a>>,
        diagnosis: List<ClaimDiagnosis<'a>>,
        insurance: List<Insurance<'a>>,
        item: List<Item<'a>>,
        total: Node<Money<'a>>,
        supporting_info: List<SupportingInfo<'a>>,
    }
    ClaimDiagnosis {
        sequence: Node<Whole<'a>>,
        diagnosis_codeable_concept: Node<Concept<'a>>,
        diagnosis_reference: Node<Reference<'a>>,
    }
    Insurance {
        coverage: Node<Reference<'a>>,
    }
    Item {
        sequence: Node<Whole<'a>>,
        extension: List<Extension<'a>>,
        category: Node<Concept<'a>>,
        product_or_service: Node<Concept<'a>>,
        quantity: Node<Quantity<'a>>,
        unit_price: Node<Money<'a>>,
        factor: Ratio<'a>,
        serviced_date: Node<Text<'a>>,
        serviced_period: Node<Period<'a>>,
        net: Node<Money<'a>>,
        encounter: List<Reference<'a>>,
        detail: List<Anything<'a>>,
    }
    Extension {
        url: Node<Text<'a>>,
        value_reference: Node<Reference<'a>>,
        value_money: Node<Money<'a>>,
    }
    SupportingInfo {
        category: Node<Concept<'a>>,
        value_string: Node<Words<'a>>,
    }
    Encounter {
        identifier: List<Identifier<'a>>,
        status: Node<Text<'a>>,
        class: Node<Coding<'a>>,
        #[serde(rename = "type")]
        kind: List<Concept<'a>>,
        subject: Node<Reference<'a>>,
        participant: List<Participant<'a>>,
        period: Node<Period<'a>>,
        diagnosis: List<EncounterDiagnosis<'a>>,
        hospitalization: Node<Hospitalization<'a>>,
        location: List<EncounterLocation<'a>>,
        service_provider: Node<Reference<'a>>,
        part_of: Node<Reference<'a>>,
    }
    Participant {
        individual: Node<Reference<'a>>,
    }
    EncounterDiagnosis {
        condition: Node<Reference<'a>>,
        rank: Node<Whole<'a>>,
    }
    Hospitalization {
        admit_source: Node<Concept<'a>>,
    }
    EncounterLocation {
        location: Node<Reference<'a>>,
    }
    Condition {
        code: Node<Concept<'a>>,
        verification_status: Node<Concept<'a>>,
        clinical_status: Node<Concept<'a>>,
        category: List<Concept<'a>>,
        encounter: Node<Reference<'a>>,
    }
    /// `MedicationRequest`, `Procedure`, `ServiceRequest`, `MedicationDispense` and `ChargeItem`: what was done, given or charged.
    Act {
        status: Node<Text<'a>>,
        intent: Node<Text<'a>>,
        do_not_perform: Flag<'a>,
        code: Node<Concept<'a>>,
        medication_codeable_concept: Node<Concept<'a>>,
        medication_reference: Node<Reference<'a>>,
        dispense_request: Node<DispenseRequest<'a>>,
        quantity_quantity: Node<Quantity<'a>>,
        quantity: Node<Quantity<'a>>,
        encounter: Node<Reference<'a>>,
        context: Node<Reference<'a>>,
        based_on: List<Reference<'a>>,
        authorizing_prescription: List<Reference<'a>>,
        request: Node<Reference<'a>>,
        service: List<Reference<'a>>,
        product_reference: Node<Reference<'a>>,
        product_codeable_concept: Node<Concept<'a>>,
        price_override: Node<Money<'a>>,
        factor_override: Ratio<'a>,
        performed_date_time: Node<Text<'a>>,
        performed_period: Node<Period<'a>>,
        when_handed_over: Node<Text<'a>>,
        occurrence_date_time: Node<Text<'a>>,
    }
    /// What is not claimed.
    DispenseRequest {
        quantity: Node<Quantity<'a>>,
    }
    Medication {
        status: Node<Text<'a>>,
        code: Node<Concept<'a>>,
    }
    /// `Practitioner`, and `PractitionerRole`, which names one.
    Person {
        identifier: List<Identifier<'a>>,
        practitioner: Node<Reference<'a>>,
    }
    /// `Organization` and `Location`.
    Place {
        identifier: List<Identifier<'a>>,
        status: Node<Text<'a>>,
        active: Flag<'a>,
        part_of: Node<Reference<'a>>,
        managing_organization: Node<Reference<'a>>,
    }
    /// What openIMIS answers about something: its uuid, code and price, in FHIR's or GraphQL's words.
    Found {
        id: Node<Text<'a>>,
        uuid: Node<Text<'a>>,
        code: Node<Text<'a>>,
        chf_id: Node<Text<'a>>,
        price: Node<Text<'a>>,
        identifier: List<Identifier<'a>>,
        extension: List<Extension<'a>>,
    }
}

/// A resource that is not claimed. It may be of any type, so nothing is said of its shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Other<'a> {
    #[serde(borrow, default)]
    pub status: Node<Text<'a>>,
    #[serde(borrow, default)]
    pub encounter: Node<Reference<'a>>,
    #[serde(borrow, default)]
    pub context: Node<Reference<'a>>,
    #[serde(borrow, default)]
    pub code: Node<Concept<'a>>,
    #[serde(borrow, default)]
    pub vaccine_code: Node<Concept<'a>>,
    #[serde(borrow, default)]
    pub medication_codeable_concept: Node<Concept<'a>>,
}

/// FHIR `Quantity`.
#[derive(Debug, Deserialize)]
pub(super) struct Quantity<'a> {
    #[serde(default)]
    pub value: Number,
    /// What turns "3" into "less than 3".
    #[serde(borrow, default)]
    pub comparator: Node<Text<'a>>,
}

/// A whole number.
pub(super) type Whole<'a> = Scalar<'a>;
/// A boolean.
pub(super) type Flag<'a> = Node<Scalar<'a>>;

/// A decimal that is no amount.
#[derive(Debug, Default)]
pub(super) struct Ratio<'a>(pub Number, std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Deserialize<'de> for Ratio<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Number::deserialize(deserializer).map(|number| Self(number, std::marker::PhantomData))
    }
}

/// Something that is only counted.
#[derive(Debug, Deserialize)]
pub(super) struct Anything<'a> {
    #[serde(borrow, default, rename = "sequence")]
    _sequence: Node<Scalar<'a>>,
}

object_shape!(Quantity, Anything, Other);
told! {
    Quantity { comparator, value }
}

/// It is told where it is read.
impl Told for Ratio<'_> {}
impl Told for Anything<'_> {}
impl Told for Other<'_> {}

/// A positive whole number, if it is one.
pub(super) fn whole(node: &Node<Scalar>) -> Option<u32> {
    match node.value()? {
        Scalar::Integer(number) => u32::try_from(*number).ok().filter(|number| *number > 0),
        _ => None,
    }
}
