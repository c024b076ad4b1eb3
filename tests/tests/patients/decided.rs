//! What a person decides, on the command line or over the admin API, and what follows.

use mediator_tests::running::{environment, eventually, program};
use store::Decided;
use tokio::process::Command;

use super::*;

async fn waiting(sandbox: &Sandbox, dir: &TempDir, changes: &[(&str, &str)]) -> Mediator {
    put(sandbox, &contact("misspelt", json!({"name": "Kalpna Udaharan"}))).await;
    let mediator = mediator(sandbox, dir, changes).await;
    waits(&claim(&mediator).await);
    mediator
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_confirmed_is_linked_and_every_claim_that_waits_goes_on() {
    let (sandbox, dir) = world().await;
    let mediator = waiting(&sandbox, &dir, &[]).await;
    let again = sandbox.openimis.enter_claim("SECOND");
    let second = mediator_tests::running::notification(&sandbox, again).await;
    mediator.post("/mediator/claim-response", second).await;
    waits(&mediator.settled().await[1]);
    let [proposal] = &open(&mediator).await[..] else { panic!("one proposal") };
    assert_eq!(proposal.waiting, 2);

    let store = &mediator.host.flow.store;
    let decided = store.confirm_match(proposal.id, "ann", jiff::Timestamp::now()).await.expect("a store");
    assert_eq!(decided, Decided::Done { put_back: 2 });
    mediator.host.wake.notify_one();
    let messages = mediator.settled().await;
    assert!(messages.iter().all(|message| message.summary.state == "delivered"), "{}", story(&messages));
    assert_eq!(patients(&sandbox), ["misspelt", "misspelt"]);
    assert_eq!(sandbox.cht.people().len(), 1);
    let view = store.proposal(proposal.id).await.expect("a store").expect("a proposal");
    assert_eq!((view.proposal.state.as_str(), view.proposal.decided_by.as_deref()), ("confirmed", Some("ann")));
    assert!(view.insuree.is_null() && view.contact.is_null(), "personal data is kept no longer than needed");
    let audit = store.audit(None, 10).await.expect("a store");
    assert!(audit.iter().any(|line| line.actor == "ann" && line.action == "confirm match"), "{audit:#?}");
    let twice = store.confirm_match(proposal.id, "ann", jiff::Timestamp::now()).await.expect("a store");
    assert_eq!(twice, Decided::NotOpen("confirmed".to_owned()));
    assert_eq!(store.refuse_match(999, "ann", jiff::Timestamp::now()).await.expect("a store"), Decided::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_not_proposed_again_and_a_person_is_made() {
    let (sandbox, dir) = world().await;
    let mediator = waiting(&sandbox, &dir, &[]).await;
    let [proposal] = &open(&mediator).await[..] else { panic!("one proposal") };
    let store = &mediator.host.flow.store;
    let decided = store.refuse_match(proposal.id, "ann", jiff::Timestamp::now()).await.expect("a store");
    assert_eq!(decided, Decided::Done { put_back: 1 });
    mediator.host.wake.notify_one();
    let messages = mediator.settled().await;
    assert_eq!(messages[0].summary.state, "delivered", "{}", story(&messages));
    assert_eq!(patients(&sandbox), [CREATED]);
    assert!(open(&mediator).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_fit_one_refused_leaves_the_other() {
    let (sandbox, dir) = world().await;
    for id in ["ours", "somebody"] {
        put(&sandbox, &contact(id, json!({}))).await;
    }
    let mediator = mediator(&sandbox, &dir, &[]).await;
    waits(&claim(&mediator).await);
    let proposals = open(&mediator).await;
    let somebody = proposals.iter().find(|proposal| proposal.contact_id == "somebody").expect("proposed");
    let store = &mediator.host.flow.store;
    store.refuse_match(somebody.id, "ann", jiff::Timestamp::now()).await.expect("a store");
    mediator.host.wake.notify_one();
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["ours"]);
    assert!(open(&mediator).await.is_empty(), "the other proposal is settled by the link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_by_hand_waits_again_until_the_contact_is_corrected_in_cht() {
    let (sandbox, dir) = world().await;
    let mediator = waiting(&sandbox, &dir, &[]).await;
    let store = &mediator.host.flow.store;
    let id = messages(store).await[0].summary.id;
    store.retry(id, "ann", jiff::Timestamp::now()).await.expect("a store");
    mediator.host.wake.notify_one();
    waits(&mediator.settled().await[0]);
    assert_eq!(open(&mediator).await.len(), 1, "the same proposal");

    // Somebody makes the contact the insuree's in CHT: here by a further one that carries the uuid.
    put(&sandbox, &contact("corrected", json!({"openimis_id": INSUREE}))).await;
    store.retry(id, "ann", jiff::Timestamp::now()).await.expect("a store");
    mediator.host.wake.notify_one();
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["corrected"]);
    assert!(open(&mediator).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_decide_over_their_api_and_are_audited() {
    let hash = auth::credential::hash_password(&"admin-password".into()).expect("a hash");
    let clients = format!(r#"[{{name = "ann", username = "ann", password_hash = "{hash}", scopes = ["admin"]}}]"#);
    let (sandbox, dir) = world().await;
    let mediator = waiting(&sandbox, &dir, &[("clients", &clients), ("admin.listen", "127.0.0.1:0")]).await;
    let address = eventually("the admin API is served", || async { mediator.host.doors.admin_address.get() }).await;
    let base = format!("http://{address}/admin/patients/proposals");
    let get = async |path: &str| {
        let asked = mediator.client.get(format!("{base}{path}")).basic_auth("ann", Some("admin-password"));
        let answer = asked.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let post = async |path: &str, kind: &str| {
        let asked = mediator.client.post(format!("{base}{path}")).basic_auth("ann", Some("admin-password"));
        asked.header("content-type", kind).body("{}").send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(mediator.client.get(&base).send().await.expect("an answer").status(), 401);
    let (status, list) = get("?state=open").await;
    let id = list["proposals"][0]["id"].as_i64().expect("a proposal");
    assert_eq!((status, list["proposals"][0]["state"].as_str(), list["next"].is_null()), (200, Some("open"), true));
    assert!(!list.to_string().contains("Kalp"), "{list}");
    assert_eq!(get("?state=perhaps").await.0, 400);
    let (_, shown) = get(&format!("/{id}")).await;
    assert_eq!(shown["contact"]["name"], "Kalpna Udaharan");
    assert_eq!(get("/999").await.0, 404);
    // A form of another site cannot send this content type.
    assert_eq!(post(&format!("/{id}/confirm"), "text/plain").await, 415);
    assert_eq!(post(&format!("/{id}/confirm"), "application/json").await, 200);
    assert_eq!(post(&format!("/{id}/refuse"), "application/json").await, 409);
    assert_eq!(post("/999/refuse", "application/json").await, 404);
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["misspelt"]);
    let audit = mediator.host.flow.store.audit(None, 10).await.expect("a store");
    let actions: Vec<&str> = audit.iter().filter(|line| line.actor == "ann").map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["confirm match", "read patient"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_shows_and_decides() {
    let (sandbox, dir) = world().await;
    let mediator = waiting(&sandbox, &dir, &[]).await;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).env_clear().envs(environment(&sandbox, &dir, &[])).current_dir(&dir);
        let done = command.output().await.expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (code, list, _) = run(&["patients", "list"]).await;
    assert!(code == Some(0) && list.contains("misspelt") && list.contains(INSUREE) && !list.contains("Kalp"), "{list}");
    let (_, json, _) = run(&["patients", "list", "--json"]).await;
    let id = serde_json::from_str::<Value>(json.trim()).expect("one line")["id"].to_string();
    let (_, shown, _) = run(&["patients", "show", &id]).await;
    assert!(shown.contains("Kalpana Udaharan") && shown.contains("Kalpna Udaharan"), "{shown}");
    let (code, said, _) = run(&["patients", "confirm", &id]).await;
    assert!(code == Some(0) && said.contains("1 message(s)"), "{said}");
    let (code, _, error) = run(&["patients", "refuse", &id]).await;
    assert!(code == Some(1) && error.contains("is confirmed"), "{error}");
    let (code, list, _) = run(&["patients", "list"]).await;
    assert!(code == Some(0) && !list.contains("misspelt") && list.contains("nobody has to decide"), "{list}");
    assert!(run(&["patients", "list", "--all"]).await.1.contains("confirmed"));
    mediator.host.wake.notify_one();
    assert_eq!(mediator.settled().await[0].summary.state, "delivered");
    assert_eq!(patients(&sandbox), ["misspelt"]);
}
