//! What is missing or different in the settings: each broken variant has its finding, and no other.

use super::*;

const PUSH: &str = "/outbound/openimis-feedback";

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_in_the_settings_has_its_finding() {
    use Level::{Error, Warning};
    let fields = "/forms/OP/fields";
    let mapping = &format!("{PUSH}/mapping");
    let destination = &format!("{PUSH}/destination");
    let outbound = |what: &str| format!("outbound.openimis-feedback.{what}");
    let cases: Vec<(String, Value, Level, String)> = vec![
        ("/forms/OP".into(), Value::Null, Error, "form".into()),
        (format!("{fields}/op_claim_uuid"), Value::Null, Error, "form.field.op_claim_uuid".into()),
        (format!("{fields}/op_year/type"), json!("date"), Warning, "form.field.op_year".into()),
        (format!("{fields}/op_date/type"), json!("string"), Error, "form.field.op_date".into()),
        (format!("{fields}/op_claim_id/type"), json!("integer"), Warning, "form.field.op_claim_id".into()),
        (format!("{fields}/patient_id/length"), json!([5, 13]), Warning, "form.field.patient_id".into()),
        (format!("{fields}/op_ward"), json!({"type": "string", "required": true}), Error, "form.field.op_ward".into()),
        ("/forms/OP/public_form".into(), json!(false), Error, "form.public".into()),
        (
            "/transitions/mark_for_outbound".into(),
            json!({"disable": true}),
            Error,
            "transition.mark_for_outbound".into(),
        ),
        ("/outbound".into(), Value::Null, Error, "outbound".into()),
        (format!("{PUSH}/relevant_to"), Value::Null, Error, outbound("relevant_to")),
        (format!("{PUSH}/relevant_to"), json!("doc.form === 'feedback'"), Error, outbound("relevant_to")),
        (format!("{PUSH}/relevant_to"), json!("isFeedback(doc)"), Warning, outbound("relevant_to")),
        (format!("{PUSH}/cron"), json!("0 2 * * *"), Warning, outbound("cron")),
        (format!("{destination}/base_url"), json!("mediator"), Error, outbound("base_url")),
        (format!("{destination}/base_url"), json!("http://mediator.example.org"), Warning, outbound("base_url")),
        (format!("{destination}/path"), json!("/openimis/feedback"), Warning, outbound("path")),
        (format!("{destination}/path"), Value::Null, Error, outbound("path")),
        (format!("{destination}/auth"), Value::Null, Error, outbound("auth")),
        (format!("{destination}/auth/password_key"), Value::Null, Error, outbound("auth")),
        (format!("{destination}/auth/username"), json!("somebody"), Warning, outbound("auth")),
        (format!("{mapping}/drug_received"), Value::Null, Error, outbound("drug_received")),
        (format!("{mapping}/care_rendered"), json!({"optional": true}), Error, outbound("care_rendered")),
        (format!("{mapping}/care_rendered"), json!("doc.fields.group.care"), Error, outbound("care_rendered")),
        (format!("{mapping}/claimuuid"), Value::Null, Error, outbound("claimuuid")),
        (format!("{mapping}/doc._id"), Value::Null, Warning, outbound("doc._id")),
        (format!("{mapping}/insureeuuid"), Value::Null, Warning, outbound("insureeuuid")),
        (format!("{mapping}/insureeuuid"), json!("doc.fields.inputs.openimis_id"), Warning, outbound("insureeuuid")),
        ("/tasks".into(), Value::Null, Error, "tasks".into()),
        ("/tasks/rules".into(), json!("const OPTIONS = 'DROP'"), Error, "tasks".into()),
        ("/contact_types".into(), json!([{"id": "patient", "person": true}]), Error, "person_type".into()),
        ("/locales".into(), json!([{"code": "sw"}]), Warning, "locale".into()),
    ];
    let (sandbox, dir) = world().await;
    let good = sandbox.cht.settings();
    for (pointer, value, level, expected) in cases {
        sandbox.cht.set_settings(good.clone());
        sandbox.cht.set_settings(changed(&sandbox, &pointer, value.clone()));
        let findings = check(&sandbox, &dir, &[("mapping.claim_response.locale", "ne")]).await;
        assert_eq!(wrong(&findings), [(level, expected.as_str())], "{pointer} = {value}: {findings:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_ours_that_do_not_fit_are_told_as_well() {
    let (sandbox, dir) = world().await;
    let findings = check(&sandbox, &dir, &[("mapping.claim_response.fields.claim_uuid", "op_uuid")]).await;
    // The form's own field is then required and not sent.
    assert_eq!(wrong(&findings), [(Level::Error, "form.field.op_uuid"), (Level::Error, "form.field.op_claim_uuid")]);
    let findings = check(&sandbox, &dir, &[("mapping.claim_response.calendar", "gregorian")]).await;
    let expected = ["op_year", "op_month", "op_day", "op_date"].map(|field| format!("form.field.{field}"));
    let found: Vec<&str> = wrong(&findings).into_iter().map(|(_, check)| check).collect();
    assert_eq!(found, expected);
    let findings = check(&sandbox, &dir, &[("mapping.patient.person_type", "patient")]).await;
    assert!(wrong(&findings).contains(&(Level::Error, "person_type")), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_installed_and_two_pushes_are_told() {
    let (sandbox, dir) = world().await;
    let push = sandbox.cht.settings().pointer(PUSH).expect("a push").clone();
    sandbox.cht.set_settings(changed(&sandbox, "/outbound/another", push));
    assert_eq!(wrong(&check(&sandbox, &dir, &[]).await), [(Level::Warning, "outbound")]);
    sandbox.cht.set_settings(changed(&sandbox, "/outbound/another", Value::Null));
    sandbox.cht.set_forms(Vec::new());
    let findings = check(&sandbox, &dir, &[]).await;
    assert_eq!(wrong(&findings), [(Level::Error, "outbound.openimis-feedback.relevant_to")]);
    assert!(of(&findings, "outbound.openimis-feedback.relevant_to").text.contains("not installed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_cht_does_not_have_are_told() {
    let (sandbox, dir) = world().await;
    let table = r#"[{location_code = "R1", place_id = "nowhere"}, {location_code = "R2", place_id = "sandbox-town"}]"#;
    let findings = check(&sandbox, &dir, &[("mapping.patient.places", table)]).await;
    assert_eq!(wrong(&findings), [(Level::Error, "places.missing")]);
    assert!(of(&findings, "places.missing").text.contains("nowhere"));
    let findings = check(&sandbox, &dir, &[("mapping.patient.default_place", "")]).await;
    assert_eq!(wrong(&findings), [(Level::Error, "places")]);
    sandbox.cht.set_settings(changed(
        &sandbox,
        "/contact_types",
        json!([{"id": "person", "person": true, "parents": ["clinic"]}]),
    ));
    assert_eq!(wrong(&check(&sandbox, &dir, &[]).await), [(Level::Warning, "places.parents")]);
}
