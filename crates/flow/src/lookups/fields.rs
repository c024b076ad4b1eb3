//! How look-ups are written in GraphQL, and how its nodes are read.
//!
//! Each look-up is a field of one request, under an alias that is also the name of its variable: `medicalItems_0`.

use std::fmt::Write;

use http::StatusCode;
use mapping::lookup::{By, Lookup, Resource};
use serde_json::{Map, Value};

use super::policies;
use crate::peers::graphql::nodes;
use crate::peers::{Peer, PeerError};

/// The facilities of a district, a page at a time; openIMIS gives 100 at most.
pub(super) const FACILITIES: &str = "query FacilitiesOfDistrict($code: String!, $after: String) { \
    healthFacilities(location_Code: $code, first: 100, after: $after, orderBy: [\"code\"]) { \
    pageInfo { hasNextPage endCursor } edges { node { uuid code name } } } }";

/// One field of a request.
pub(super) struct Field {
    name: &'static str,
    /// The argument that takes the value.
    argument: &'static str,
    /// Other arguments.
    also: &'static str,
    nodes: &'static str,
    /// The element of a node that has to be the value.
    checked: &'static str,
}

/// With everything that an update has to repeat. The catchments need a right of their own.
const FACILITY: &str = "id uuid code name accCode level subLevel { code } legalForm { code } careType location { id code } address \
    phone fax email status servicesPricelist { id } itemsPricelist { id } contractStartDate contractEndDate \
    catchments { id location { id } catchment }";

const fn field(name: &'static str, by: By, also: &'static str, nodes: &'static str) -> Field {
    let argument = match by {
        By::Uuid => "uuid",
        _ => "code",
    };
    Field { name, argument, also, nodes, checked: argument }
}

macro_rules! by_code_and_uuid {
    ($($code:ident $uuid:ident: $name:literal $also:literal $nodes:expr;)*) => {$(
        const $code: &[Field] = &[field($name, By::Code, concat!($also, "first: 10"), $nodes)];
        const $uuid: &[Field] = &[field($name, By::Uuid, concat!($also, "first: 10"), $nodes)];
    )*};
}

by_code_and_uuid! {
    ORGANIZATIONS ORGANIZATIONS_BY_UUID: "healthFacilities" "" "uuid code";
    ADMINS ADMINS_BY_UUID: "claimAdmins" "" "uuid code";
    ITEMS ITEMS_BY_UUID: "medicalItems" "" "uuid code price";
    SERVICES SERVICES_BY_UUID: "medicalServices" "" "uuid code price";
    DISTRICTS DISTRICTS_BY_UUID: "locations" "type: \"D\", " "id uuid code";
    HEALTH_FACILITIES HEALTH_FACILITIES_BY_UUID: "healthFacilities" "" FACILITY;
}

/// openIMIS' policies are a family's: whether the insuree is in, and since when, stands with the insuree.
const POLICIES: &[Field] = &[
    Field {
        name: "policiesByInsuree",
        argument: "chfId",
        also: "first: 100",
        nodes: "policyUuid status productCode productName effectiveDate expiryDate ceiling ceilingInPatient ceilingOutPatient",
        checked: "",
    },
    Field {
        name: "insurees",
        argument: "chfId_Iexact", // by chfId openIMIS fails for a number that its rules for new ones do not allow
        also: "first: 10",
        nodes: "chfId insureePolicies(first: 100) { edges { node { validityTo effectiveDate expiryDate policy { uuid } } } }",
        checked: "chfId",
    },
];

/// How a look-up is asked; none if openIMIS cannot be asked so.
pub(super) fn fields(lookup: &Lookup) -> Option<&'static [Field]> {
    use Resource::{
        ActivityDefinition, HealthFacility, Location, Medication, Organization, Patient, Policy, Practitioner,
    };
    Some(match (lookup.resource, lookup.by) {
        (Organization, By::Code) => ORGANIZATIONS,
        (Organization, By::Uuid) => ORGANIZATIONS_BY_UUID,
        (Practitioner, By::Code) => ADMINS,
        (Practitioner, By::Uuid) => ADMINS_BY_UUID,
        (Medication, By::Code) => ITEMS,
        (Medication, By::Uuid) => ITEMS_BY_UUID,
        (ActivityDefinition, By::Code) => SERVICES,
        (ActivityDefinition, By::Uuid) => SERVICES_BY_UUID,
        (Location, By::Code) => DISTRICTS,
        (Location, By::Uuid) => DISTRICTS_BY_UUID,
        (HealthFacility, By::Code) => HEALTH_FACILITIES,
        (HealthFacility, By::Uuid) => HEALTH_FACILITIES_BY_UUID,
        (Policy, By::Code) => POLICIES,
        (Patient, _) | (Policy, _) | (_, By::District) => return None,
    })
}

/// A request's document and variables.
pub(super) struct Question {
    pub document: String,
    pub variables: Map<String, Value>,
}

/// Many look-ups as one request. The document holds nothing of what is looked for.
pub(super) fn question(lookups: &[&Lookup]) -> Result<Question, PeerError> {
    let (mut declared, mut asked, mut variables) = (String::new(), String::new(), Map::new());
    for (number, lookup) in lookups.iter().enumerate() {
        let Some(fields) = fields(lookup) else {
            let text = format!("it cannot be asked for {:?} by {:?}", lookup.resource, lookup.by);
            return Err(PeerError::Refused(Peer::OpenImis, StatusCode::BAD_REQUEST, text));
        };
        for field in fields {
            let alias = field.alias(number);
            let Field { name, argument, also, nodes, .. } = field;
            let _ = write!(declared, "${alias}: String! "); // to a text: cannot fail
            let _ =
                write!(asked, "{alias}: {name}({argument}: ${alias}, {also}) {{ edges {{ node {{ {nodes} }} }} }} ");
            variables.insert(alias, lookup.value.clone().into());
        }
    }
    Ok(Question { document: format!("query LookUp({declared}) {{ {asked} }}"), variables })
}

/// What an answer holds for a look-up.
pub(super) fn answers(lookup: &Lookup, number: usize, data: &Value) -> Vec<String> {
    let fields = fields(lookup).unwrap_or_default();
    let of = |field: &Field| -> Vec<Value> {
        let fits = |node: &&Value| {
            let value = node[field.checked].as_str().unwrap_or_default();
            field.checked.is_empty() || value.eq_ignore_ascii_case(&lookup.value)
        };
        nodes(&data[field.alias(number)]).filter(fits).cloned().collect()
    };
    let found = match fields {
        [field] => of(field),
        [policies, insurees] => policies::of_insuree(of(policies), &of(insurees)),
        _ => Vec::new(),
    };
    found.iter().map(Value::to_string).collect()
}

impl Field {
    fn alias(&self, number: usize) -> String {
        let by = if self.argument == "uuid" { "ByUuid" } else { "" };
        format!("{}{by}_{number}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One exchange with openIMIS 1.10: what was asked, and what it said.
    fn recorded(text: &str) -> (Value, Value) {
        let exchange: Value = serde_json::from_str(text).expect("JSON");
        (exchange["request"].clone(), exchange["answer"].clone())
    }

    fn lookups(list: &[(Resource, By, &str)]) -> Vec<Lookup> {
        list.iter()
            .map(|(resource, by, value)| Lookup { resource: *resource, by: *by, value: (*value).to_owned() })
            .collect()
    }

    fn asked(lookups: &[Lookup]) -> Question {
        question(&lookups.iter().collect::<Vec<_>>()).unwrap_or_else(|error| panic!("{error}"))
    }

    const FACILITY_1: &str = "00000000-0000-4000-8000-000000000001";

    #[test]
    fn all_that_a_claim_needs_is_one_request_and_its_answer_is_read() {
        use Resource::{ActivityDefinition, Medication, Organization, Policy, Practitioner};
        let (request, answer) = recorded(include_str!("recorded/claim.json"));
        let wanted = lookups(&[
            (Organization, By::Code, "HF001"),
            (Practitioner, By::Code, "CA001"),
            (Medication, By::Code, "0004"),
            (ActivityDefinition, By::Code, "M1"),
            (Medication, By::Code, "nothing"),
            (Policy, By::Code, "070707070"),
            (Policy, By::Code, "nobody"),
            (Organization, By::Uuid, FACILITY_1),
        ]);
        let question = asked(&wanted);
        assert_eq!(request["query"], question.document);
        assert_eq!(request["variables"], Value::Object(question.variables));
        let told = |number: usize| -> Vec<Value> {
            let found = answers(&wanted[number], number, &answer["data"]);
            found.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
        };
        let uuid = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
        assert_eq!(told(0), [json!({"code": "HF001", "uuid": uuid(1)})]);
        assert_eq!(told(1), [json!({"code": "CA001", "uuid": uuid(4)})]);
        assert_eq!(told(2), [json!({"code": "0004", "price": "10.00", "uuid": uuid(2)})]);
        assert_eq!(told(3), [json!({"code": "M1", "price": "100.00", "uuid": uuid(3)})]);
        assert_eq!(told(4), [Value::Null; 0]);
        assert_eq!(told(5).len(), 1);
        assert_eq!(told(5)[0]["productCode"], "BCUL0001");
        assert_eq!(told(6), [Value::Null; 0]);
        assert_eq!(told(7), told(0));
    }

    #[test]
    fn a_facility_is_told_with_all_that_an_update_repeats() {
        let (request, answer) = recorded(include_str!("recorded/facility.json"));
        let wanted = lookups(&[(Resource::HealthFacility, By::Code, "HF001"), (Resource::Location, By::Code, "R1D1")]);
        let question = asked(&wanted);
        assert_eq!(request["query"], question.document);
        assert_eq!(request["variables"], Value::Object(question.variables));
        let facility = answers(&wanted[0], 0, &answer["data"]);
        assert!(facility[0].contains(r#""servicesPricelist":{"id":"#), "{facility:?}");
        let district = answers(&wanted[1], 1, &answer["data"]);
        assert!(district[0].contains(r#""code":"R1D1""#), "{district:?}");
    }

    #[test]
    fn an_answer_that_names_something_else_is_none() {
        let wanted = lookups(&[(Resource::Medication, By::Code, "0004"), (Resource::Medication, By::Uuid, FACILITY_1)]);
        let node = |code: &str, uuid: &str| json!({"node": {"code": code, "uuid": uuid}});
        let data = json!({
            "medicalItems_0": {"edges": [node("0005", "a"), node("0004", "b"), {"node": null}]},
            "medicalItemsByUuid_1": {"edges": [node("x", "00000000-0000-4000-8000-00000000000a"), node("y", &FACILITY_1.to_uppercase())]},
        });
        let found = answers(&wanted[0], 0, &data);
        assert!(found.len() == 1 && found[0].contains(r#""uuid":"b""#), "{found:?}");
        assert_eq!(answers(&wanted[1], 1, &data).len(), 1);
    }

    #[test]
    fn nothing_of_what_is_looked_for_gets_into_the_document() {
        let wanted = lookups(&[(Resource::Medication, By::Code, "\"){evil}")]);
        let question = asked(&wanted);
        assert!(!question.document.contains("evil"));
        assert_eq!(question.variables["medicalItems_0"], "\"){evil}");
    }
}
