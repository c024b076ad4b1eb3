//! A registry's facilities in the real openIMIS: created, updated, moved to another district, closed, unchanged; a near-duplicate waits for an
//! admin. The registry is the stand-in, the account one that may write facilities.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flow::facilities::{Action, Counts, Event, RunRequest, State};
use openimis_mediator::Host;
use openimis_mediator::facilities::{SyncError, national_id, retry, sync};
use sandbox::{REGISTRY_TOKEN, Registry};
use serde_json::{Value, json};
use store::FacilityFilter;

use crate::real::{since_1970, sql};
use crate::world::World;

/// Levels, legal forms and districts of the stand-in's facilities. `Optol` is in no table.
const TABLES: [(&str, &str); 5] = [
    ("mapping.facility.levels", r#"[{ source = "http://registry.example.org/types|health-post", openimis = "D" }]"#),
    (
        "mapping.facility.legal_forms",
        r#"[{ source = "http://terminology.hl7.org/CodeSystem/organization-type|govt", openimis = "G" }]"#,
    ),
    (
        "mapping.facility.districts",
        r#"[{ source = "Location/rapta", openimis = "R1D1" }, { source = "Location/jambero", openimis = "R1D2" }]"#,
    ),
    ("facilities.schedule", ""),
    ("facilities.whole_schedule", ""),
];
/// May do everything; the account of the other tests may not write facilities.
const ADMIN: [(&str, &str); 2] = [("openimis.username", "Admin"), ("openimis.password", "Admin123!")];

struct Registered {
    world: World,
    registry: Registry,
    /// No other test has codes or names with it.
    mark: String,
}

impl Registered {
    async fn new() -> Self {
        let registry = Registry::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        Self { world: World::new().await, registry, mark: mark() }
    }

    async fn host(&self, changes: &[(&str, &str)]) -> Arc<Host> {
        let url = self.registry.url();
        let own = [("facilities.url", url.as_str()), ("facilities.token", REGISTRY_TOKEN)];
        let changes = [&own, &TABLES[..], changes].concat();
        Host::build(self.world.config(&changes)).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// A facility of the registry: code, name, area. `change`: what is different about it.
    fn put(&self, number: usize, name: &str, area: &str, change: Value) {
        let code = self.code(number);
        let mut facility = json!({
            "resourceType": "Location", "id": code.to_lowercase(), "status": "active", "name": format!("{name} {}", self.mark),
            "identifier": [{"use": "official", "value": code}],
            "type": [{"coding": [{"system": "http://registry.example.org/types", "code": "health-post"}]}],
            "managingOrganization": {"reference": "Organization/moh"}, "partOf": {"reference": format!("Location/{area}")},
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            facility[key] = value.clone();
        }
        self.registry.put(facility);
    }

    fn code(&self, number: usize) -> String {
        format!("{}{number}", self.mark)
    }

    /// Name, level, district, status and further columns of the facility that openIMIS has now.
    async fn row(&self, number: usize) -> String {
        sql(&format!(
            r#"select f."HFName", f."HFLevel", f."LegalForm", l."LocationCode", f.status, coalesce(f."Phone", '-')
               from "tblHF" f join "tblLocations" l using ("LocationId") where f."HFCode" = '{}' and f."ValidityTo" is null"#,
            self.code(number)
        ))
        .await
        .trim()
        .to_owned()
    }

    /// How often openIMIS wrote a facility: the present one and what it keeps of earlier ones.
    async fn writes(&self) -> u32 {
        let count = sql(&format!(r#"select count(*) from "tblHF" where "HFCode" like '{}%'"#, self.mark)).await;
        count.trim().parse().expect("a number")
    }
}

/// Six letters and digits; a code of openIMIS has eight at most.
fn mark() -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut number = since_1970().as_millis() / 10 % 36_u128.pow(5);
    let mut mark = String::new();
    for _ in 0..5 {
        mark.insert(0, char::from(digits[(number % 36) as usize]));
        number /= 36;
    }
    format!("F{mark}")
}

async fn run(host: &Host, whole: bool) -> (Result<Counts, SyncError>, Vec<String>) {
    let told: Mutex<Vec<String>> = Mutex::default();
    let asked = RunRequest { whole, dry_run: false, actor: "a test".to_owned() };
    let mut hear = |event: Event<'_>| {
        if let Event::Facility(record) = event {
            let what = record.action.map_or(record.state.word(), Action::word);
            let why = record.reason.clone().unwrap_or_else(|| record.changes.join(", "));
            told.lock().expect("told").push(format!("{what} {} {why}", record.source).trim_end().to_owned());
        }
    };
    let done = sync(&host.flow, &host.config, &asked, &mut hear, pending()).await;
    (done, told.into_inner().expect("told"))
}

async fn synced(host: &Host) -> (Counts, Vec<String>) {
    let (done, told) = run(host, false).await;
    (done.unwrap_or_else(|error| panic!("{error}: {told:#?}")), told)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn facilities_are_created_updated_moved_closed_and_left_alone() {
    let registered = Registered::new().await;
    let host = registered.host(&ADMIN).await;
    let mark = &registered.mark;
    let phone = json!({"telecom": [{"system": "phone", "value": "+977 61 555501"}]});
    registered.put(1, "Lake Road Post", "rapta", phone.clone());
    registered.put(2, "Hill Post", "rapta", json!({}));
    registered.put(3, "Far Post", "nowhere", json!({}));
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (2, 1), "{told:#?}");
    assert_eq!(registered.row(1).await, format!("Lake Road Post {mark}|D|G|R1D1|AC|+977 61 555501"));
    assert_eq!(registered.row(2).await, format!("Hill Post {mark}|D|G|R1D1|AC|-"));
    assert_eq!(registered.row(3).await, "");

    // Nothing changed: openIMIS is not written to, whoever compares.
    let writes = registered.writes().await;
    assert_eq!(synced(&host).await.0.unchanged, 2);
    let (done, told) = run(&host, true).await;
    assert_eq!((done.expect("a run").unchanged, registered.writes().await), (2, writes), "{told:#?}");

    // Renamed, moved to another district, with what openIMIS alone knows kept.
    sql(&format!(
        r#"update "tblHF" set "AccCode" = 'ACC-1', "PLServiceID" = 1 where "HFCode" = '{}' and "ValidityTo" is null"#,
        registered.code(1)
    ))
    .await;
    registered.put(1, "Lake Street Post", "jambero", phone);
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.updated, counts.created), (1, 0), "{told:#?}");
    let change = told.iter().find(|line| line.starts_with("update")).expect("an update");
    assert!(change.contains("name") && change.contains("district"), "{told:#?}");
    assert_eq!(registered.row(1).await, format!("Lake Street Post {mark}|D|G|R1D2|AC|+977 61 555501"));
    let kept = sql(&format!(
        r#"select "AccCode", "PLServiceID" from "tblHF" where "HFCode" = '{}' and "ValidityTo" is null"#,
        registered.code(1)
    ))
    .await;
    assert_eq!(kept.trim(), "ACC-1|1");

    // Closed: ended by its status, not deleted. Opened again.
    registered.put(2, "Hill Post", "rapta", json!({"status": "inactive"}));
    assert_eq!(synced(&host).await.0.updated, 1);
    assert_eq!(registered.row(2).await, format!("Hill Post {mark}|D|G|R1D1|IN|-"));
    registered.put(2, "Hill Post", "rapta", json!({}));
    assert_eq!(synced(&host).await.0.updated, 1);
    assert_eq!(registered.row(2).await, format!("Hill Post {mark}|D|G|R1D1|AC|-"));
    // A closed one that openIMIS never had is not made.
    registered.put(4, "Gone Post", "rapta", json!({"status": "inactive"}));
    assert_eq!(synced(&host).await.0.created, 0);
    assert_eq!(registered.row(4).await, "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn a_near_duplicate_waits_for_an_admin_and_does_not_go_to_openimis() {
    let registered = Registered::new().await;
    let host = registered.host(&ADMIN).await;
    let mark = &registered.mark;
    registered.put(1, "Bridge Centre", "rapta", json!({}));
    synced(&host).await;
    registered.put(2, "BRIDGE center", "rapta", json!({}));
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.possible_duplicates), (0, 1), "{told:#?}");
    assert_eq!(registered.row(2).await, "");

    let filter = FacilityFilter { state: Some(State::PossibleDuplicate), before: None, limit: 1 };
    let line = host.flow.store.facilities(&filter).await.expect("the store").remove(0);
    let id = national_id(&host.flow, line.code.as_deref().expect("a code"));
    let now = jiff::Timestamp::now();
    assert!(
        host.flow
            .store
            .decide_facility(line.id, &id, Some(&registered.code(1)), "an admin", now)
            .await
            .expect("the store")
    );
    let counts = retry(&host.flow, &host.config, "a test", &mut |_| {}, pending()).await.expect("a try");
    assert_eq!((counts.updated, counts.created), (1, 0));
    assert_eq!(registered.row(1).await, format!("BRIDGE center {mark}|D|G|R1D1|AC|-"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn many_at_once_and_one_that_openimis_refuses_stops_no_other() {
    let registered = Registered::new().await;
    let legal = r#"[{ source = "http://terminology.hl7.org/CodeSystem/organization-type|govt", openimis = "G" },
                    { source = "http://registry.example.org/types|nobodys", openimis = "Z" }]"#;
    let host = registered.host(&[&ADMIN[..], &[("mapping.facility.legal_forms", legal)]].concat()).await;
    registered.registry.put(json!({"resourceType": "Organization", "id": "nobody", "active": true,
        "type": [{"coding": [{"system": "http://registry.example.org/types", "code": "nobodys"}]}]}));
    for number in 10..55 {
        let owner = if number == 33 { "Organization/nobody" } else { "Organization/moh" };
        let name = format!("Post number {number}");
        registered.put(number, &name, "jambero", json!({"managingOrganization": {"reference": owner}}));
    }
    let (counts, told) = synced(&host).await;
    assert_eq!((counts.created, counts.failed), (44, 1), "{told:#?}");
    let refused = told.iter().find(|line| line.starts_with("failed")).expect("a failure");
    assert!(refused.contains("openIMIS refused it") && refused.contains("LegalForm"), "{refused}");
    assert_eq!(registered.writes().await, 44);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the real openIMIS: cargo xtask test"]
async fn an_account_without_the_rights_is_told_of_and_nothing_is_called_a_failure() {
    let registered = Registered::new().await;
    let host = registered.host(&[]).await;
    registered.put(1, "Lake Road Post", "rapta", json!({}));
    let (done, _) = run(&host, false).await;
    let error = done.expect_err("a right is missing").to_string();
    assert!(error.contains("403") && error.contains("121101"), "{error}");
    assert_eq!(host.flow.store.facility_counts().await.expect("the store"), []);
}
