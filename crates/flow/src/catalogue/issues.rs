//! What can be wrong with a document.

use mapping::issue::IssueType::{BusinessRule, Conflict, NotFound, NotSupported, Required, Structure, Value};

use super::{Entry, Sign::Issue};

pub(super) const ISSUES: &[Entry] = &[
    Entry {
        id: "could-not-be-written",
        sign: Issue(Structure, &["*"], "could not be written"),
        meaning: "The mapping has read the document and failed to write its result. That is a fault of the mapping.",
        action: "Report it with the mapping's version (`GET /admin/mappings`); retry after the mapping was replaced.",
    },
    Entry {
        id: "not-json",
        sign: Issue(Structure, &["", "ClaimResponse", "feedback", "Patient"], ""),
        meaning: "The text is empty, not UTF-8, not well-formed JSON, a key is in it twice, or it is no JSON object. The text says what is there; line and column say where.",
        action: "Correct the sender. Nothing is stored of what is no JSON at all (400); send it again when it is right.",
    },
    Entry {
        id: "wrong-resource",
        sign: Issue(Structure, &["*.resourceType"], ""),
        meaning: "It is another FHIR resource than the one that is expected here, for example a Claim instead of a ClaimResponse.",
        action: "Look at the address to which it was sent: each kind of document has a route of its own.",
    },
    Entry {
        id: "resource-type-missing",
        sign: Issue(Required, &["*.resourceType"], ""),
        meaning: "The document does not say which FHIR resource it is.",
        action: "Correct the sender: `resourceType` is required in FHIR.",
    },
    Entry {
        id: "resource-type-unusable",
        sign: Issue(Value, &["*.resourceType"], ""),
        meaning: "The document states its FHIR resource in a form that FHIR does not have, for example as a number.",
        action: "Correct the sender: `resourceType` is the name of the resource as text.",
    },
    Entry {
        id: "claim-uuid",
        sign: Issue(Required, &["ClaimResponse.id", "claimuuid"], ""),
        meaning: "No uuid of the claim. In a ClaimResponse it is the identifier of type UUID, `id` or `request`; in feedback `claimuuid`.",
        action: "Feedback: the CHT form has to send back the field that the claim came with (`mapping.claim_response.fields.claim_uuid`); see the mapping of the outbound push. ClaimResponse: openIMIS always writes it, so look at what stands between.",
    },
    Entry {
        id: "claim-uuid-unusable",
        sign: Issue(
            Value,
            &[
                "ClaimResponse.id",
                "ClaimResponse.identifier.where(type.coding.code = 'UUID').value",
                "claimuuid",
                "claimUUID",
            ],
            "",
        ),
        meaning: "The claim's uuid is there and is no uuid, often the claim's code or an empty text in its place.",
        action: "Send openIMIS's uuid of the claim, 32 hexadecimal digits with or without hyphens. In CHT: see which field the form calculates it from.",
    },
    Entry {
        id: "claim-uuids-differ",
        sign: Issue(Conflict, &["ClaimResponse.*", "claimuuid"], ""),
        meaning: "The document names two different claims. In a ClaimResponse this is a warning and the identifier of type UUID counts.",
        action: "Feedback: send one of `claimuuid` and `claimUUID`. ClaimResponse: nothing, if the right claim was shown in CHT.",
    },
    Entry {
        id: "claim-code",
        sign: Issue(Required, &["ClaimResponse.identifier.where(type.coding.code = 'Code').value"], ""),
        meaning: "No identifier of type Code, the claim's code that people know.",
        action: "Give the claim a code in openIMIS; retry.",
    },
    Entry {
        id: "claim-code-unusable",
        sign: Issue(Value, &["ClaimResponse.identifier*"], ""),
        meaning: "The list of identifiers or the claim's code in it is of another kind than FHIR says: a number, an object, empty.",
        action: "Look at what stands between openIMIS and the mediator and changes documents; retry.",
    },
    Entry {
        id: "claim-date",
        sign: Issue(Required, &["ClaimResponse.created", "Claim.created"], ""),
        meaning: "The claim has no day.",
        action: "Complete the claim in openIMIS; retry.",
    },
    Entry {
        id: "claim-date-unusable",
        sign: Issue(Value, &["ClaimResponse.created", "Claim.created"], ""),
        meaning: "The claim's day does not exist, is not written as FHIR writes it, or lies outside the calendar of the form (Bikram Sambat: 1913-04-13 to 2034-04-13).",
        action: "Correct the day in openIMIS. For forms with the civil calendar set `mapping.claim_response.calendar = \"gregorian\"`; retry.",
    },
    Entry {
        id: "claim-response-not-in-force",
        sign: Issue(BusinessRule, &["ClaimResponse.status", "ClaimResponse.use"], ""),
        meaning: "The answer is cancelled, a draft or a mistake (`status`), or it is about care that is not given yet (`use`). Nobody is asked about it.",
        action: "Nothing, if that is so. If not, look at what writes these elements: openIMIS writes `active` and `claim`.",
    },
    Entry {
        id: "modifier-elements",
        sign: Issue(NotSupported, &["*.modifierExtension", "*.implicitRules"], ""),
        meaning: "The resource holds something that changes the meaning of all the rest and that the mapping does not know. FHIR forbids to go on as if it were not there.",
        action: "Leave it out where the document comes from, or use a mapping of your own that knows it.",
    },
    Entry {
        id: "patient-reference",
        sign: Issue(Required, &["ClaimResponse.patient", "ClaimResponse.patient.reference"], ""),
        meaning: "The claim names no patient.",
        action: "Complete the claim in openIMIS; retry.",
    },
    Entry {
        id: "patient-reference-unusable",
        sign: Issue(Value, &["ClaimResponse.patient*"], ""),
        meaning: "The claim's patient is no reference to a Patient by its uuid.",
        action: "openIMIS refers by uuid; look at what stands in between and changes documents, or at the configuration of its FHIR module; retry.",
    },
    Entry {
        id: "insuree-uuid",
        sign: Issue(Required, &["insureeuuid", "Patient.id"], ""),
        meaning: "No uuid of the insuree, and the mediator does not know the claim's patient either.",
        action: "The feedback is for a claim that did not come through this mediator. Let the form send `insureeuuid`, or select the claim in openIMIS so that it comes in; retry.",
    },
    Entry {
        id: "insuree-uuid-unusable",
        sign: Issue(
            Value,
            &["insureeuuid", "insureeUUID", "Patient.id", "Patient.identifier.where(type.coding.code = 'UUID').value"],
            "",
        ),
        meaning: "The insuree's uuid is there and is no uuid, often the insurance number in its place.",
        action: "In CHT's outbound push leave `insureeuuid` out (it is optional), or send openIMIS's uuid of the insuree.",
    },
    Entry {
        id: "insuree-uuids-differ",
        sign: Issue(Conflict, &["insureeuuid", "Patient.*"], ""),
        meaning: "The document names two different insurees. In a Patient this is a warning.",
        action: "Feedback: send one of `insureeuuid` and `insureeUUID`.",
    },
    Entry {
        id: "answer-missing",
        sign: Issue(Required, &["care_rendered", "payment_asked", "drug_prescribed", "drug_received"], ""),
        meaning: "One of the four yes/no answers is missing. openIMIS takes feedback with all five answers only.",
        action: "In the CHT form every question needs an answer, also where it is not asked (a calculated `no`); the outbound push has to map it. CHT pushes the corrected report again by itself.",
    },
    Entry {
        id: "answer-unusable",
        sign: Issue(Value, &["care_rendered", "payment_asked", "drug_prescribed", "drug_received"], ""),
        meaning: "A yes/no answer is something else. yes, no, true, false, 1 and 0 are understood.",
        action: "Look at the form's choices: their names, not their labels, are sent.",
    },
    Entry {
        id: "rating-missing",
        sign: Issue(Required, &["assessment_rating"], ""),
        meaning: "The rating is missing.",
        action: "As for the other answers: the form has to require it, the outbound push to map it.",
    },
    Entry {
        id: "rating-unusable",
        sign: Issue(Value, &["assessment_rating"], ""),
        meaning: "The rating is no whole number, or outside `mapping.feedback.rating_min` and `rating_max`.",
        action: "Let the form send a number, and set the two to what it offers. openIMIS keeps whole numbers.",
    },
    Entry {
        id: "patient-name",
        sign: Issue(Required, &["Patient.name"], ""),
        meaning: "The insuree has no name in openIMIS; CHT needs one for a person.",
        action: "Complete the insuree in openIMIS; retry.",
    },
    Entry {
        id: "patient-name-unusable",
        sign: Issue(Value, &["Patient.name"], ""),
        meaning: "There are names, and none that can be used: empty, or of another kind than FHIR says.",
        action: "Correct the insuree in openIMIS; retry.",
    },
    Entry {
        id: "no-place",
        sign: Issue(NotFound, &["Patient.address"], ""),
        meaning: "The insuree's location in openIMIS is no CHT place that the mediator knows, and there is no place for all others.",
        action: "Import the place (`openimis-mediator places import`), or set `mapping.patient.default_place` and start again; then retry (docs/cht.md).",
    },
    Entry {
        id: "patient-not-to-be-asked",
        sign: Issue(
            BusinessRule,
            &["Patient.active", "Patient.deceasedBoolean", "Patient.deceasedDateTime", "Patient.link"],
            "",
        ),
        meaning: "The insuree has died, or the record is not in use or was replaced by another one. Nobody is sent to ask.",
        action: "Nothing, if that is so. If not, correct the insuree in openIMIS; retry.",
    },
    Entry {
        id: "patient-in-use-unclear",
        sign: Issue(Value, &["Patient.active", "Patient.deceasedBoolean", "Patient.link"], ""),
        meaning: "Whether the insuree lives and the record is in use is not written as FHIR writes it. These elements change the meaning of the record, so it is not guessed.",
        action: "Look at what stands between openIMIS and the mediator and changes documents; retry.",
    },
    Entry {
        id: "gender-unusable",
        sign: Issue(Value, &["Patient.gender"], ""),
        meaning: "The insuree's gender is no word of FHIR's (`male`, `female`, `other`, `unknown`, in any case); it is left out of the new person.",
        action: "Correct it in openIMIS if you need it in CHT, before the first claim of the insuree.",
    },
    Entry {
        id: "gender-left-out",
        sign: Issue(NotSupported, &["Patient.gender"], ""),
        meaning: "CHT knows male and female; another gender is left out of the new person.",
        action: "Nothing.",
    },
    Entry {
        id: "birth-date-left-out",
        sign: Issue(Value, &["Patient.birthDate"], ""),
        meaning: "The insuree's day of birth is no full date; it is left out of the new person.",
        action: "Correct it in openIMIS if you need it in CHT, before the first claim of the insuree.",
    },
    Entry {
        id: "phone-left-out",
        sign: Issue(Value, &["Patient.telecom*"], ""),
        meaning: "A telephone number of the insuree cannot be written with its country's code, or no number of that country looks like it; it is left out of the new person.",
        action: "Set `mapping.patient.phone_prefix`, or correct the number in openIMIS.",
    },
    Entry {
        id: "insurance-number-left-out",
        sign: Issue(Value, &["Patient.identifier*"], ""),
        meaning: "The insurance number of the insuree cannot be used; it is left out of the new person.",
        action: "Correct it in openIMIS; the person can then not be found by it.",
    },
    Entry {
        id: "wrong-setting",
        sign: Issue(BusinessRule, &["", "setting*"], "setting"),
        meaning: "A setting of the mapping cannot be used. The mediator checks its settings at the start, so this comes from a program that embeds the mappings.",
        action: "Correct the setting that is named.",
    },
    Entry {
        id: "contact-missing",
        sign: Issue(BusinessRule, &[""], "contact_id"),
        meaning: "The mapping was called without the CHT contact of the patient.",
        action: "In a program of your own: find or create the contact first. The mediator does so by itself.",
    },
    // Of any other element, and of mappings that a country has written.
    Entry {
        id: "any-required",
        sign: Issue(Required, &["*"], ""),
        meaning: "The element that is named is missing.",
        action: "Complete the document where it comes from; retry.",
    },
    Entry {
        id: "any-value",
        sign: Issue(Value, &["*"], ""),
        meaning: "The element that is named is there and cannot be used. The text says what was expected and what kind of thing was found.",
        action: "Correct the document where it comes from; retry.",
    },
    Entry {
        id: "any-not-found",
        sign: Issue(NotFound, &["*"], ""),
        meaning: "What the element refers to, or its code, is in no table of the mediator and not in the document.",
        action: "Add it to the table that the text names, or send it along; retry.",
    },
    Entry {
        id: "any-conflict",
        sign: Issue(Conflict, &["*"], ""),
        meaning: "Elements of the same document disagree.",
        action: "Correct the document where it comes from; retry.",
    },
    Entry {
        id: "modifier",
        sign: Issue(NotSupported, &["*"], "not known here"),
        meaning: "The resource carries a modifier extension, or rules, that may change what it means, and the mapping does not know them. FHIR forbids to pass them over.",
        action: "Leave them out where the document comes from if they say nothing that matters to the claim, or use a mapping of your own that knows them.",
    },
    Entry {
        id: "any-not-supported",
        sign: Issue(NotSupported, &["*"], ""),
        meaning: "It is valid, and this mapping has no way to carry it.",
        action: "Leave it out where the document comes from, or use a mapping of your own.",
    },
    Entry {
        id: "any-business-rule",
        sign: Issue(BusinessRule, &["*"], ""),
        meaning: "It is valid, and the settings or the rules of the other system do not allow it.",
        action: "The text names the rule. Correct the document or the setting; retry.",
    },
    Entry {
        id: "any-structure",
        sign: Issue(Structure, &["*"], ""),
        meaning: "The document is built in another way than expected.",
        action: "Correct the sender.",
    },
];
