//! What a scheme has registered: items, services, claim administrators, policies. As nodes of openIMIS's GraphQL.

use serde_json::{Value, json};

/// All nodes of a field of the query.
pub(super) fn all(field: &str) -> Vec<Value> {
    let rows: &[(&str, &str, Option<&str>)] = match field {
        "medicalItems" => &[
            ("00000000-0000-4000-8000-000000000002", "0004", Some("10.00")),
            ("00000000-0000-4000-8000-000000000012", "0182", Some("25.50")),
        ],
        "medicalServices" => &[
            ("00000000-0000-4000-8000-000000000003", "M1", Some("100.00")),
            ("488d8bcb-5b88-438c-9077-f177f6f32626", "A1", Some("999.00")),
        ],
        "claimAdmins" => &[("00000000-0000-4000-8000-000000000004", "CA001", None)],
        _ => &[],
    };
    let node = |(uuid, code, price): &(&str, &str, Option<&str>)| match price {
        Some(price) => json!({"uuid": uuid, "code": code, "price": price}),
        None => json!({"uuid": uuid, "code": code}),
    };
    rows.iter().map(node).collect()
}

/// The policies of an insuree's family. Kalpana's ended long ago.
pub(super) fn policies_of(chf_id: &str) -> Vec<Value> {
    let (uuid, status, until) = match chf_id {
        "070707070" => ("00000000-0000-4000-8000-000000000009", 2, "2039-06-01"),
        "119000001" => ("00000000-0000-4000-8000-000000000019", 8, "2025-12-31"),
        _ => return Vec::new(),
    };
    vec![json!({
        "policyUuid": uuid,
        "status": status,
        "productCode": "BCUL0001",
        "productName": "Basic Cover Ultha",
        "effectiveDate": "2019-01-01",
        "expiryDate": until,
        "ceiling": 10000.0,
        "ceilingInPatient": 0.0,
        "ceilingOutPatient": 0.0,
    })]
}
