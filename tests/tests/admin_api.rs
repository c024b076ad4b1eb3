//! What an admin can do over HTTP, who may, and that it leaves its line in the audit trail.

use std::sync::OnceLock;

use auth::credential::hash_password;
use mediator_tests::running::{
    INBOUND_PASSWORD, INBOUND_USER, Mediator, config, eventually, sample_claim, sample_feedback, sandbox, states,
};
use openimis_mediator::Host;
use reqwest::{Method, Response, StatusCode};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const PASSWORD: &str = "only for admins";

/// A mediator with an admin.
struct Desk {
    mediator: Mediator,
    url: String,
    sandbox: Sandbox,
    _dir: TempDir,
}

impl Desk {
    async fn open() -> Self {
        static CLIENTS: OnceLock<String> = OnceLock::new();
        let clients = CLIENTS.get_or_init(|| {
            let hash = hash_password(&PASSWORD.into()).expect("a hash");
            format!(r#"[{{name = "sita", username = "admin", password_hash = "{hash}", scopes = ["admin"]}}]"#)
        });
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let changes = [("clients", clients.as_str()), ("admin.listen", "127.0.0.1:0"), ("retry.first", "1h")];
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        let address = eventually("the admin API is served", || async { mediator.host.doors.admin_address.get() }).await;
        let url = format!("http://{address}/admin");
        Self { mediator, url, sandbox, _dir: dir }
    }

    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.mediator.client.request(method, format!("{}{path}", self.url)).basic_auth("admin", Some(PASSWORD))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.ask(Method::GET, path).send().await.expect("an answer")).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        read(self.ask(Method::POST, path).json(&body).send().await.expect("an answer")).await
    }

    /// Audit lines, newest first: actor, action, message, detail.
    async fn audit(&self) -> Vec<(String, String, Option<i64>, String)> {
        let (status, body) = self.get("/audit").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        body["lines"]
            .as_array()
            .expect("lines")
            .iter()
            .map(|line| {
                (text(&line["actor"]), text(&line["action"]), line["message_id"].as_i64(), text(&line["detail"]))
            })
            .collect()
    }

    /// Dead letters: claims that cannot be mapped.
    async fn dead_letters(&self, count: usize) {
        for number in 0..count {
            let claim = json!({"resourceType": "ClaimResponse", "id": format!("broken-{number}")});
            let answer = self.mediator.post(CLAIM, claim.to_string()).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
    }
}

async fn read(answer: Response) -> (StatusCode, Value) {
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store", "patients' data is nothing for a cache");
    (answer.status(), answer.json().await.expect("JSON"))
}

fn ids(list: &Value) -> Vec<i64> {
    let messages = list["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["id"].as_i64().expect("a number")).collect()
}

fn told(refusal: &Value) -> (&str, &str) {
    let issue = &refusal["issue"][0];
    (issue["code"].as_str().expect("a code"), issue["diagnostics"].as_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_page_by_page_and_filtered() {
    let desk = Desk::open().await;
    desk.mediator.post(CLAIM, sample_claim()).await;
    desk.mediator.settled().await;
    desk.dead_letters(3).await;
    desk.mediator.post(FEEDBACK, sample_feedback()).await;
    desk.mediator.settled().await;

    let (status, all) = desk.get("/messages").await;
    assert_eq!((status, ids(&all), &all["next"]), (StatusCode::OK, vec![5, 4, 3, 2, 1], &Value::Null));
    assert_eq!(all["messages"][4]["claim_code"], "CHT979");
    assert!(all["messages"][0].get("received").is_none() && !all.to_string().contains("care_rendered"), "no documents");

    let mut path = "/messages?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let (_, page) = desk.get(&path).await;
        pages.push(ids(&page));
        let Some(next) = page["next"].as_i64() else { break };
        path = format!("/messages?limit=2&before={next}");
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);

    for (query, expected) in [
        ("state=dead", vec![4, 3, 2]),
        ("kind=feedback", vec![5]),
        ("kind=eclaim", vec![]),
        ("kind=claim", vec![]), // its former word
        ("state=dead&kind=feedback", vec![]),
        ("claim=CHT979", vec![5, 1]),
        ("claim=d3256498-ad16-4482-a2d2-4a6d9c78ba81&kind=claim-response", vec![1]),
        ("state=dead&before=4", vec![3, 2]),
    ] {
        assert_eq!(ids(&desk.get(&format!("/messages?{query}")).await.1), expected, "{query}");
    }
    assert_eq!(desk.get("/counts").await.1["dead"], 3);
    assert_eq!(desk.get("/counts").await.1["delivered"], 2);
    assert_eq!(desk.get("/counts").await.1["leased"], 0);
    assert!(desk.audit().await.is_empty(), "looking at lists is no action");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_in_a_question_is_told_and_does_not_mean_all() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    for path in [
        "/messages?stat=dead",
        "/messages?state=Dead",
        "/messages?kind=Claim",
        "/messages?limit=0",
        "/messages?limit=1001",
        "/messages?limit=many",
        "/messages?before=x",
        "/messages/export?limit=1",
        "/messages/one",
        "/messages/1?docs=true",
        "/messages/1?body=perhaps",
        "/audit?limit=0",
        "/audit?actor=sita",
    ] {
        let (status, refusal) = desk.get(path).await;
        assert_eq!((status, told(&refusal).0), (StatusCode::BAD_REQUEST, "value"), "{path}: {refusal}");
    }
    for body in [
        json!({}),
        json!({"stat": "dead"}),
        json!({"state": "deaf"}),
        json!({"state": "dead", "claim_code": "CHT979"}),
        json!({"state": "dead", "limit": 1}),
        json!(["dead"]),
        json!(null),
    ] {
        let (status, refusal) = desk.post("/messages/retry", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {refusal}");
    }
    let (status, refusal) = desk.post("/messages/1/retry", json!({"reason": "x"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    assert_eq!(states(&desk.mediator.messages().await), ["dead"]);
    assert!(desk.audit().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_with_its_trail_and_its_documents_only_where_that_is_noted() {
    let desk = Desk::open().await;
    desk.mediator.post(CLAIM, sample_claim()).await;
    desk.mediator.settled().await;

    let (status, plain) = desk.get("/messages/1").await;
    assert_eq!(
        (status, &plain["state"], &plain["claim_code"]),
        (StatusCode::OK, &json!("delivered"), &json!("CHT979"))
    );
    let events: Vec<&str> =
        plain["trail"].as_array().expect("a trail").iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events.first(), Some(&"received"), "{events:?}");
    assert!(plain.get("received").is_none() && plain.get("sent").is_none(), "{plain}");
    assert!(desk.audit().await.is_empty());

    let (_, whole) = desk.get("/messages/1?body=true").await;
    assert_eq!(whole["received"], sample_claim(), "byte for byte");
    assert!(whole["sent"].as_str().expect("what was sent").contains("op_claim_id"), "{whole}");
    assert_eq!(desk.audit().await, [("sita".into(), "read documents".into(), Some(1), String::new())]);

    assert_eq!(desk.get("/messages/7?body=true").await.0, StatusCode::NOT_FOUND);
    assert_eq!(desk.audit().await.len(), 1, "nothing was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_retried_or_discarded_with_a_reason() {
    let desk = Desk::open().await;
    desk.dead_letters(2).await;
    let (status, done) = desk.post("/messages/1/retry", json!({})).await;
    assert_eq!((status, &done["id"]), (StatusCode::OK, &json!(1)));
    let dead = eventually("it was tried and is dead again", || async {
        let (_, message) = desk.get("/messages/1").await;
        (message["state"] == "dead" && message["attempts"] == 1).then_some(message)
    })
    .await;
    let asked: Vec<_> =
        dead["trail"].as_array().expect("a trail").iter().filter(|line| line["event"] == "retry asked for").collect();
    assert!(asked.len() == 1 && asked[0]["detail"] == "by sita", "{dead}");

    for reason in [json!({}), json!({"reason": ""}), json!({"reason": "  \n"}), json!({"reason": "é".repeat(501)})] {
        let (status, refusal) = desk.post("/messages/2/discard", reason).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    }
    let longest = "é".repeat(500);
    let (status, done) = desk.post("/messages/2/discard", json!({"reason": longest})).await;
    assert_eq!((status, done), (StatusCode::OK, json!({"id": 2, "state": "discarded"})));
    assert_eq!(desk.get("/messages/2").await.1["reason"], longest);

    let (status, refusal) = desk.post("/messages/2/discard", json!({"reason": "again"})).await;
    assert_eq!((status, told(&refusal).0), (StatusCode::CONFLICT, "conflict"));
    assert!(told(&refusal).1.contains("message 2 is discarded"), "{refusal}");
    assert_eq!(desk.post("/messages/9/discard", json!({"reason": "x"})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(desk.post("/messages/9/retry", json!({})).await.0, StatusCode::NOT_FOUND);
    let audit = desk.audit().await;
    assert_eq!(
        audit,
        [("sita".into(), "discard".into(), Some(2), longest), ("sita".into(), "retry".into(), Some(1), String::new())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_neither_retried_nor_discarded() {
    let desk = Desk::open().await;
    desk.mediator.post(CLAIM, sample_claim()).await;
    desk.mediator.settled().await;
    for (path, body) in [("/messages/1/retry", json!({})), ("/messages/1/discard", json!({"reason": "x"}))] {
        let (status, refusal) = desk.post(path, body).await;
        assert_eq!((status, told(&refusal).0), (StatusCode::CONFLICT, "conflict"), "{path}");
        assert!(told(&refusal).1.contains("is delivered"), "{refusal}");
    }
    assert_eq!(states(&desk.mediator.messages().await), ["delivered"]);
    assert!(desk.audit().await.is_empty());
    assert_eq!(desk.sandbox.cht.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_fit_are_retried_at_once() {
    let desk = Desk::open().await;
    desk.dead_letters(250).await;
    desk.mediator.post(FEEDBACK, json!({"doc": {"_id": "report-9"}}).to_string()).await;
    let (status, done) = desk.post("/messages/retry", json!({"state": "dead", "kind": "claim-response"})).await;
    assert_eq!((status, done), (StatusCode::OK, json!({"retried": 250})));
    eventually("all were tried", || async {
        let messages = desk.mediator.messages().await;
        let tried = messages.iter().filter(|message| message.summary.attempts == 1).count();
        (tried == 250 && messages.last().is_some_and(|feedback| feedback.summary.attempts == 0)).then_some(())
    })
    .await;
    // Each line is written with what it tells of, 200 messages at a time.
    let audit: Vec<_> = desk.audit().await.into_iter().map(|(_, action, _, detail)| (action, detail)).collect();
    let line = |detail: &str| ("retry all".to_owned(), format!("{detail}, state dead, kind claim-response"));
    assert_eq!(audit, [line("50 messages up to 250"), line("200 messages up to 200")], "newest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_a_line_for_each_message_that_fits() {
    let desk = Desk::open().await;
    desk.mediator.post(CLAIM, sample_claim()).await;
    desk.dead_letters(210).await; // more than are read at once
    desk.mediator.settled().await;
    let export = async |query: &str| {
        let answer = desk.ask(Method::GET, &format!("/messages/export{query}")).send().await.expect("an answer");
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &"application/x-ndjson".parse().expect("a value"))
        );
        let text = answer.text().await.expect("a whole answer");
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    let all = export("").await;
    let numbers: Vec<i64> = all.iter().filter_map(|line| line["id"].as_i64()).collect();
    assert_eq!(numbers, (1..=211).rev().collect::<Vec<_>>());
    assert!(all.iter().all(|line| line.get("received").is_none() && line["trail"].is_array()));
    assert_eq!(export("?state=dead").await.len(), 210);
    assert_eq!(export("?state=skipped").await.len(), 0);
    let whole = export("?claim=CHT979&body=true").await;
    assert_eq!((whole.len(), &whole[0]["received"]), (1, &json!(sample_claim())));
    let audit: Vec<_> = desk.audit().await.into_iter().map(|(_, action, _, detail)| (action, detail)).collect();
    let line = |action: &str, detail: &str| (action.to_owned(), detail.to_owned());
    assert_eq!(
        audit,
        [
            line("export with documents", "claim CHT979"),
            line("export", "state skipped"),
            line("export", "state dead"),
            line("export", "all messages")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_take_json_only_so_that_no_page_of_another_site_can_send_one() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for path in ["/messages/1/retry", "/messages/1/discard", "/messages/retry"] {
            let request = desk.ask(Method::POST, path).header("content-type", content_type);
            let (status, _) =
                read(request.body(r#"{"state":"dead","reason":"x"}"#).send().await.expect("an answer")).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {content_type}");
        }
    }
    assert_eq!(states(&desk.mediator.messages().await), ["dead"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_doors_have_their_own_users_and_routes() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let client = &desk.mediator.client;
    for (method, path) in [
        (Method::GET, "/messages"),
        (Method::GET, "/messages/1"),
        (Method::GET, "/messages/export"),
        (Method::GET, "/counts"),
        (Method::GET, "/audit"),
        (Method::POST, "/messages/1/retry"),
        (Method::POST, "/messages/1/discard"),
        (Method::POST, "/messages/retry"),
    ] {
        let ask = |user: Option<(&str, &str)>| {
            let request = client.request(method.clone(), format!("{}{path}", desk.url)).json(&json!({"state": "dead"}));
            user.into_iter().fold(request, |request, (user, password)| request.basic_auth(user, Some(password))).send()
        };
        let (status, refusal) = read(ask(Some((INBOUND_USER, INBOUND_PASSWORD))).await.expect("an answer")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(told(&refusal).1.ends_with("the scope admin"), "{refusal}");
        for user in [None, Some(("admin", "wrong"))] {
            assert_eq!(ask(user).await.expect("an answer").status(), StatusCode::UNAUTHORIZED, "{path} {user:?}");
        }
        let elsewhere = desk.url.replace(desk.url.trim_end_matches("/admin"), &desk.mediator.url);
        let request = client.request(method.clone(), format!("{elsewhere}{path}")).basic_auth("admin", Some(PASSWORD));
        let answer = request.json(&json!({"state": "dead"})).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path} is none of the ingest listener's");
    }
    for path in [CLAIM, FEEDBACK] {
        let as_admin = |url: &str| {
            let request = client.post(format!("{url}{path}")).basic_auth("admin", Some(PASSWORD));
            request.header("content-type", "application/json").body(sample_claim()).send()
        };
        assert_eq!(as_admin(&desk.mediator.url).await.expect("an answer").status(), StatusCode::FORBIDDEN);
        let admin_door = desk.url.trim_end_matches("/admin");
        assert_eq!(as_admin(admin_door).await.expect("an answer").status(), StatusCode::NOT_FOUND);
    }
    let messages = desk.mediator.messages().await;
    assert_eq!(states(&messages), ["dead"]);
    assert_eq!(messages[0].summary.attempts, 0);
    assert!(desk.audit().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_there_is_no_admin_api() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    drop(taken);
    let mediator = Mediator::start(config(&sandbox, &dir, &[("admin.listen", &address)])).await;
    assert_eq!(mediator.post(CLAIM, sample_claim()).await.status(), StatusCode::ACCEPTED, "it serves");
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens there");
    assert_eq!(mediator.host.doors.admin_address.get(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_admin_port_is_told_and_nothing_is_served() {
    let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let clients = r#"[{name = "a", username = "a", password_hash = "@", scopes = ["admin"]}]"#
        .replace('@', &hash_password(&PASSWORD.into()).expect("a hash"));
    let config = config(&sandbox, &dir, &[("clients", &clients), ("admin.listen", &address)]);
    let host = Host::build(config).await.expect("a host");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let error = host.run(listener, stopping).await.expect_err("a taken port");
    assert!(error.to_string().contains(&format!("{address} (admin.listen)")), "{error}");
}
