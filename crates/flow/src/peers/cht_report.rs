//! A record as CHT's API would store it: for a report that is written straight into its database.

use serde_json::{Map, Value, json};

/// What `POST /api/v2/records` makes of a record (cht-core, `api/src/services/records.js`), but for what only CHT's settings tell: a form's
/// list of fields, its checks, and the sender's number in the country's form. None: it is no record.
pub fn of_record(record: &str, id: &str, now: i64) -> Option<String> {
    let Value::Object(mut record) = serde_json::from_str(record).ok()? else { return None };
    let Some(Value::Object(mut meta)) = record.remove("_meta") else { return None };
    let form = meta.get("form")?.as_str().filter(|form| !form.is_empty())?.to_uppercase();
    meta.insert("form".to_owned(), json!(form));
    let reported_date = meta.get("reported_date").and_then(Value::as_i64).unwrap_or(now);
    let fields: Map<String, Value> = record.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    let mut report = json!({
        "_id": id,
        "type": "data_record",
        "form": form,
        "errors": [],
        "tasks": [],
        "fields": fields,
        "reported_date": reported_date,
    });
    if let Some(from) = meta.get("from") {
        report["from"] = from.clone();
    }
    report["sms_message"] = Value::Object(meta);
    Some(report.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_what_chts_api_makes_of_the_record() {
        let record = json!({"_meta": {"form": "op", "from": "+9779800000000", "reported_date": 1_756_123_200_000_i64},
            "patient_id": "contact", "OP_claim_ID": "CHT979"});
        let report: Value =
            serde_json::from_str(&of_record(&record.to_string(), "id", 1).expect("a report")).expect("JSON");
        let expected = json!({"_id": "id", "type": "data_record", "form": "OP", "from": "+9779800000000", "errors": [], "tasks": [],
            "fields": {"patient_id": "contact", "op_claim_id": "CHT979"}, "reported_date": 1_756_123_200_000_i64,
            "sms_message": {"form": "OP", "from": "+9779800000000", "reported_date": 1_756_123_200_000_i64}});
        assert_eq!(report, expected);
    }

    #[test]
    fn what_is_no_record_becomes_no_report() {
        for record in ["", "[]", "{}", r#"{"_meta": 1}"#, r#"{"_meta": {}}"#, r#"{"_meta": {"form": ""}}"#] {
            assert_eq!(of_record(record, "id", 1), None, "{record}");
        }
        let now = of_record(r#"{"_meta": {"form": "OP"}}"#, "id", 7).expect("a report");
        assert!(now.contains("\"reported_date\":7"), "{now}");
    }
}
