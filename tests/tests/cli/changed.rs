//! `messages retry`, `discard` and `prune`: what is changed, what a running mediator makes of it, and who did it.

use mediator_tests::running::{
    Mediator, Process, config, environment, eventually, messages, notification, post, sample_claim, sample_feedback,
    sandbox, settled, states, store_path, story,
};
use openimis_mediator::config::StoreSettings;
use sandbox::Sandbox;
use serde_json::{Value, json};
use store::{SqlStore, View};
use tempfile::TempDir;

use crate::{CLAIM, Env, FEEDBACK, actor, at_the_keyboard, audit, done, folder, run, some_messages};

/// A form that CHT does not know: what is delivered with it becomes a dead letter.
const WRONG_FORM: (&str, &str) = ("mapping.claim_response.form", "XX");

/// A store with a dead letter for each claim, left by a mediator that has stopped; and what the next one needs.
async fn dead_letters(sandbox: &Sandbox, claims: &[String]) -> (TempDir, Env) {
    let dir = folder();
    let mediator = Mediator::start(config(sandbox, &dir, &[WRONG_FORM])).await;
    for claim in claims {
        mediator.post(CLAIM, claim.clone()).await;
    }
    let messages = mediator.settled().await;
    assert_eq!(states(&messages), vec!["dead"; claims.len()], "{}", story(&messages));
    mediator.stop().await;
    let env = at_the_keyboard(environment(sandbox, &dir, &[]));
    (dir, env)
}

/// Waits until the messages of a store are in these states.
async fn become_of(store: &SqlStore, wanted: &[&str]) -> Vec<View> {
    eventually(&format!("they are {wanted:?}"), || async {
        let messages = messages(store).await;
        (states(&messages) == wanted).then_some(messages)
    })
    .await
}

/// What a trail tells of an event.
fn told<'a>(message: &'a View, event: &str) -> Vec<&'a str> {
    message.trail.iter().filter(|line| line.event == event).map(|line| line.detail.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_taken_by_a_running_mediator_within_seconds() {
    let (sandbox, dir) = (sandbox().await, folder());
    let wrong_form = environment(&sandbox, &dir, &[WRONG_FORM]);
    let process = Process::serve(&wrong_form, &dir).await;
    post(&reqwest::Client::new(), &format!("{}{CLAIM}", process.url), sample_claim()).await;
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&settled(&store).await), ["dead"]);
    process.terminate().await;

    let env = at_the_keyboard(environment(&sandbox, &dir, &[]));
    let _process = Process::serve(&env, &dir).await;
    let ran = run(&["messages", "retry", "1"], "", &env, &dir).await;
    assert!(ran.code == Some(0) && ran.out.contains("message 1"), "{ran}");
    let messages = become_of(&store, &["delivered"]).await;
    assert_eq!(sandbox.cht.records().len(), 1);
    assert_eq!(told(&messages[0], "retry asked for"), [format!("by {}", actor())], "{}", story(&messages));
    assert_eq!(audit(&env, &dir).await, [done("retry", Some(1), "")]);
    for (id, told) in [("1", "delivered"), ("4711", "no message 4711")] {
        let ran = run(&["messages", "retry", id], "", &env, &dir).await;
        assert!(ran.code == Some(1) && ran.err.contains(told), "{ran}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_fit_are_retried_at_once_and_the_others_stay() {
    let sandbox = sandbox().await;
    let mut claims = vec![sample_claim()];
    for code in ["FIRST", "SECOND"] {
        claims.push(notification(&sandbox, sandbox.openimis.enter_claim(code)).await);
    }
    let (dir, env) = dead_letters(&sandbox, &claims).await;
    let retry = async |args: &[&str]| run(&[&["messages", "retry"], args].concat(), "", &env, &dir).await;
    for args in [&[][..], &["1", "--all"], &["--kind", "claim-response"], &["1", "--kind", "claim-response"]] {
        let slip = retry(args).await;
        assert!(slip.code == Some(2) && slip.out.is_empty(), "{args:?} {slip}");
    }
    let store = SqlStore::open(&StoreSettings::file(store_path(&dir))).await.expect("the store");
    assert_eq!(states(&messages(&store).await), ["dead"; 3]);
    assert_eq!(audit(&env, &dir).await, []);

    let _mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    for (args, count) in [
        (&["--all", "--kind", "feedback"][..], 0),
        (&["--all", "--state", "skipped"], 0),
        (&["--all", "--claim", "FIRST", "--kind", "claim-response"], 1),
    ] {
        let ran = retry(args).await;
        assert!(ran.code == Some(0) && ran.out.starts_with(&format!("{count} messages ")), "{args:?} {ran}");
    }
    become_of(&store, &["dead", "delivered", "dead"]).await;
    let all = retry(&["--all"]).await;
    assert!(all.out.starts_with("2 messages ") && all.err.is_empty(), "no bar where nobody looks: {all}");
    let messages = become_of(&store, &["delivered"; 3]).await;
    assert!(messages.iter().all(|message| told(message, "retry asked for") == [format!("by {}", actor())]));
    assert_eq!(sandbox.cht.records().len(), 3, "each once");
    let all = |detail| done("retry all", None, detail);
    let lines = [
        all("1 messages up to 2, state dead, kind claim-response, claim FIRST"),
        all("2 messages up to 3, state dead"),
    ];
    assert_eq!(audit(&env, &dir).await, lines, "a line for what was changed, none where nothing was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_message_is_not_delivered_when_it_comes_again_and_a_retry_brings_it_back() {
    let sandbox = sandbox().await;
    let (dir, env) = dead_letters(&sandbox, &[sample_claim()]).await;
    let discard =
        async |id: &str, reason: &str| run(&["messages", "discard", id, "--reason", reason], "", &env, &dir).await;
    let (longest, longer) = ("ü".repeat(500), "ü".repeat(501));
    for wrong in ["", "  ", &longer] {
        let ran = discard("1", wrong).await;
        assert!(ran.code == Some(1) && ran.err.contains("expected 1 to 500 characters"), "{ran}");
    }
    let without = run(&["messages", "discard", "1"], "", &env, &dir).await;
    assert!(without.code == Some(2) && without.err.contains("--reason"), "{without}");
    let none = discard("4711", "a test").await;
    assert!(none.code == Some(1) && none.err.contains("there is no message 4711"), "{none}");
    let ran = discard("1", &longest).await;
    assert!(ran.code == Some(0) && ran.out.contains("`messages retry 1` brings it back"), "{ran}");
    let again = discard("1", "a test").await;
    assert!(again.code == Some(1) && again.err.contains("message 1 is discarded: nothing to discard"), "{again}");

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    let corrected = sample_claim().replace("CHT979", "CHT979-CORRECTED");
    let other = notification(&sandbox, sandbox.openimis.enter_claim("OTHER")).await;
    for (claim, duplicate) in [(sample_claim(), true), (corrected, true), (other, false)] {
        let answer: Value = mediator.post(CLAIM, claim).await.json().await.expect("JSON");
        assert_eq!(answer["duplicate"], duplicate, "{answer}");
    }
    // The other one came later and is delivered: what was discarded is passed over.
    become_of(mediator.store(), &["discarded", "delivered"]).await;
    assert_eq!(sandbox.cht.records().len(), 1);
    let delivered = discard("2", "a test").await;
    assert!(
        delivered.code == Some(1) && delivered.err.contains("message 2 is delivered: nothing to discard"),
        "{delivered}"
    );

    let retried = run(&["messages", "retry", "1"], "", &env, &dir).await;
    assert_eq!(retried.code, Some(0), "{retried}");
    let messages = become_of(mediator.store(), &["delivered", "delivered"]).await;
    assert_eq!(sandbox.cht.records().len(), 2);
    assert_eq!(told(&messages[0], "discarded"), [format!("by {}: {longest}", actor())], "{}", story(&messages));
    assert_eq!(audit(&env, &dir).await, [done("discard", Some(1), &longest), done("retry", Some(1), "")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_settings_say_is_pruned_but_no_dead_letter() {
    let (sandbox, dir, env) = some_messages().await;
    let prune = async |changes: &[(&str, &str)]| {
        let mut env = env.clone();
        for (key, value) in changes {
            env.insert(format!("OPENIMIS_MEDIATOR__{key}"), (*value).to_owned());
        }
        run(&["messages", "prune"], "", &env, &dir).await
    };
    for wrong in ["-1h", "0s", "1000000h"] {
        let ran = prune(&[("RETENTION__DOCUMENTS", wrong)]).await;
        assert!(ran.code == Some(1) && ran.err.contains("retention."), "{wrong} {ran}");
    }
    assert_eq!(audit(&env, &dir).await, [], "a slip prunes nothing");
    let now = [("RETENTION__DOCUMENTS", "1ms"), ("RETENTION__MESSAGES", "1ms"), ("POLL__SELECTED_HORIZON", "1ms")];
    for (changes, documents, gone) in [(&[][..], 0, 0), (&now[..1], 2, 0), (&now, 0, 2), (&now, 0, 0)] {
        let ran = prune(changes).await;
        let told = format!(
            "pruned the documents of {documents} messages, and {gone} messages with their trails
"
        );
        assert_eq!((ran.code, &ran.out), (Some(0), &told), "{changes:?} {ran}");
        if (documents, gone) == (2, 0) {
            let shown = run(&["messages", "show", "1", "--body"], "", &env, &dir).await;
            assert!(shown.out.contains("no longer kept") && shown.out.contains("trail"), "{shown}");
            let retried = run(&["messages", "retry", "1"], "", &env, &dir).await;
            assert!(retried.code == Some(1) && retried.err.contains("message 1 is delivered"), "{retried}");
        }
    }
    let listed = run(&["messages", "list", "--json"], "", &env, &dir).await.lines();
    assert_eq!(listed.iter().map(|line| &line["id"]).collect::<Vec<_>>(), [&json!(3)]);
    let shown = run(&["messages", "show", "3", "--body"], "", &env, &dir).await;
    assert!(shown.out.contains("care_rendered"), "a dead letter keeps its document: {shown}");
    let prunes = audit(&env, &dir).await.into_iter().filter(|line| line.1 == "prune");
    let told: Vec<String> = prunes.map(|line| line.3).collect();
    assert_eq!(
        told,
        ["0 documents, 0 messages", "2 documents, 0 messages", "0 documents, 2 messages", "0 documents, 0 messages"]
    );

    let mediator = Mediator::start(config(&sandbox, &dir, &[])).await;
    for (path, body) in [(CLAIM, sample_claim()), (FEEDBACK, sample_feedback())] {
        let answer: Value = mediator.post(path, body).await.json().await.expect("JSON");
        assert_eq!(answer["duplicate"], true, "that it was delivered is remembered: {answer}");
    }
    assert_eq!((sandbox.cht.records().len(), sandbox.openimis.communications().len()), (1, 1));
}
