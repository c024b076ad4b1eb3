//! Whether a patient is insured, asked of the real openIMIS: what is left is compared with its database.

use auth::credential::hash_password;
use mediator_tests::running::Mediator;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::real::{sql, unused_code};
use crate::world::World;

const DESK: &str = "registration-desk";
const PASSWORD: &str = "asks at the desk";

/// A family's only insuree, in openIMIS by SQL: a product that pays 1000 at most, a policy of a status and days, and so many rows that
/// say that the insuree is in it; of these only the first is of now, if `is_member`. 120 were paid.
async fn insuree(status: u8, from: &str, until: &str, rows: u8, is_member: bool) -> String {
    let number = unused_code();
    sql(&format!(
        r#"with product as (
             insert into "tblProduct" ("ValidityFrom", "ProdUUID", "ProductCode", "ProductName", "DateFrom", "DateTo", "InsurancePeriod",
               "LumpSum", "MemberCount", "GracePeriod", "MaxInsuree", "AuditUserID")
             values (now(), gen_random_uuid()::text, right('{number}', 8), 'Limited cover', '2019-01-01', '2049-01-01', 12, 0, 5, 0, 1000, -1)
             returning "ProdID"),
           insuree as (
             insert into "tblInsuree" ("ValidityFrom", "InsureeUUID", "CHFID", "LastName", "OtherNames", "Gender", "DOB", "IsHead",
               "CurrentVillage", "status", "AuditUserID")
             select now(), gen_random_uuid()::text, '{number}', 'Doe', 'John', "Gender", '1990-01-01', true, "CurrentVillage", 'AC', -1
             from "tblInsuree" where "CHFID" = '070707070' and "ValidityTo" is null returning "InsureeID", "CurrentVillage"),
           family as (
             insert into "tblFamilies" ("ValidityFrom", "FamilyUUID", "InsureeID", "LocationId", "AuditUserID")
             select now(), gen_random_uuid()::text, "InsureeID", "CurrentVillage", -1 from insuree returning "FamilyID"),
           policy as (
             insert into "tblPolicy" ("ValidityFrom", "PolicyUUID", "PolicyStage", "PolicyStatus", "PolicyValue", "FamilyID", "EnrollDate",
               "StartDate", "EffectiveDate", "ExpiryDate", "ProdID", "OfficerID", "AuditUserID", "creationDate")
             select now(), gen_random_uuid()::text, 'N', {status}, 100, "FamilyID", '{from}', '{from}', '{from}', '{until}', "ProdID", 1, -1,
               '{from}' from family, product returning "PolicyID"),
           membership as (
             insert into "tblInsureePolicy" ("ValidityFrom", "ValidityTo", "InsureeID", "PolicyId", "EnrollmentDate", "StartDate",
               "EffectiveDate", "ExpiryDate", "AuditUserID")
             select now(), case when row = 0 and {is_member} then null else now() end, "InsureeID", "PolicyID", '{from}', '{from}', '{from}',
               '{until}', -1 from insuree, policy, generate_series(0, {rows} - 1) row)
           insert into "tblClaimDedRem" ("ValidityFrom", "PolicyID", "InsureeID", "ClaimID", "DedG", "RemG", "AuditUserID")
           select now(), "PolicyID", "InsureeID", (select min("ClaimID") from "tblClaim"), 0, 120, -1 from policy, insuree"#
    ))
    .await;
    sql(&format!(
        r#"update "tblInsuree" insuree set "FamilyID" = family."FamilyID" from "tblFamilies" family
           where family."InsureeID" = insuree."InsureeID" and "CHFID" = '{number}'"#
    ))
    .await;
    number
}

/// What openIMIS's database says is left of the insuree's policy.
async fn left(number: &str) -> f64 {
    let rest = sql(&format!(
        r#"select "MaxInsuree" - (select sum("RemG") from "tblClaimDedRem" paid where paid."PolicyID" = policy."PolicyID")
           from "tblProduct" product join "tblPolicy" policy using ("ProdID") join "tblFamilies" family using ("FamilyID")
           join "tblInsuree" insuree on insuree."InsureeID" = family."InsureeID" where "CHFID" = '{number}'"#
    ))
    .await;
    rest.trim().parse().expect("a number")
}

fn question(number: &str) -> Value {
    json!({
        "resourceType": "CoverageEligibilityRequest", "id": "q-1", "status": "active", "purpose": ["benefits"],
        "patient": {"identifier": {"type": {"text": "Insurance Number"}, "value": number}},
        "created": "2026-11-21", "servicedDate": "2026-11-21", "insurer": {"display": "openIMIS"},
    })
}

fn clients() -> String {
    let hash = hash_password(&PASSWORD.into()).expect("a hash");
    format!(r#"[{{name = "hospital", username = "{DESK}", password_hash = "{hash}", scopes = ["eligibility"]}}]"#)
}

async fn ask(mediator: &Mediator, number: &str) -> (StatusCode, Value) {
    let request = mediator.client.post(format!("{}/mediator/eligibility", mediator.url)).json(&question(number));
    let answer = request.basic_auth(DESK, Some(PASSWORD)).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn the_desk_is_told_what_openimis_knows_of_a_patients_insurance() {
    let world = World::new().await;
    // The database of a fresh openIMIS holds no claim, and a payment belongs to one.
    world.openimis.post_claim(json!({})).await;
    let mediator = world.mediator(&[("clients", &clients())]).await;
    let ask = async |number: &str| -> Value {
        let (status, body) = ask(&mediator, number).await;
        assert_eq!(status, StatusCode::OK, "{body:#}");
        body
    };

    let insured = insuree(2, "2026-01-01", "2027-01-01", 1, true).await;
    let answer = ask(&insured).await;
    assert_eq!(answer["disposition"], "insured", "{answer:#}");
    let insurance = &answer["insurance"][0];
    assert_eq!(insurance["inforce"], true);
    assert_eq!(insurance["benefitPeriod"], json!({"start": "2026-01-01", "end": "2027-01-01"}));
    let rest = left(&insured).await;
    assert_eq!(rest, 880.0);
    let benefit = &insurance["item"][0]["benefit"][0];
    assert_eq!(benefit["type"]["text"], "all care");
    assert_eq!(benefit["allowedMoney"]["value"].as_f64(), Some(rest), "{answer:#}");

    // With a row of the past beside that of now openIMIS counts what was paid four times: no amount is told rather than a wrong one.
    let answer = ask(&insuree(2, "2026-01-01", "2027-01-01", 2, true).await).await;
    assert_eq!(answer["disposition"], "insured", "{answer:#}");
    assert_eq!(answer["insurance"][0]["item"][0]["benefit"], Value::Null, "{answer:#}");

    let not_in_force = "no policy of the insuree is in force on this day";
    let none = "openIMIS has no policy of the insuree";
    for (number, disposition) in [
        (insuree(8, "2025-01-01", "2026-01-01", 1, true).await, not_in_force), // expired
        (insuree(2, "2025-01-01", "2026-01-01", 1, true).await, not_in_force), // over, and openIMIS has not noticed yet
        (insuree(4, "2026-01-01", "2027-01-01", 1, true).await, not_in_force), // suspended
        (insuree(1, "2026-01-01", "2027-01-01", 1, true).await, not_in_force), // not paid yet
        (insuree(2, "2026-01-01", "2027-01-01", 1, false).await, none),        // taken out of the family's policy
        (insuree(2, "2026-01-01", "2027-01-01", 0, true).await, none),         // never in it
    ] {
        let answer = ask(&number).await;
        assert_eq!(
            (&answer["outcome"], &answer["disposition"]),
            (&json!("complete"), &json!(disposition)),
            "{answer:#}"
        );
    }
    let answer = ask(&unused_code()).await;
    assert_eq!(answer["outcome"], "error", "{answer:#}");
    assert_eq!(answer["disposition"], "openIMIS has no insuree with this insurance number");
    assert!(mediator.messages().await.is_empty(), "nothing is kept");
    mediator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn an_openimis_in_production_mode_gets_its_token_against_forged_requests() {
    let world = World::new().await;
    let mediator = world.mediator(&[("clients", &clients())]).await;
    world.openimis.stop_server().await;
    world.openimis.start_server_in_production_mode().await;
    let wants_token = world.openimis.wants_csrf_token().await;
    let told = [ask(&mediator, "070707070").await, ask(&mediator, "070707070").await];
    world.openimis.stop_server().await;
    world.openimis.start_server().await;
    assert!(wants_token, "else it would prove nothing");
    for (status, answer) in told {
        assert_eq!((status, &answer["disposition"]), (StatusCode::OK, &json!("insured")), "{answer:#}");
    }
    mediator.stop().await;
}
