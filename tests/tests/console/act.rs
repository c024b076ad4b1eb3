//! What an admin does: retry, discard, retry of many.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_retried_or_discarded_with_a_reason_and_both_are_audited() {
    let desk = Desk::open().await;
    desk.dead_letters(2).await;
    let mut admin = desk.admin().await;
    let page = admin.page("/console/messages/1").await;
    assert!(page.contains("/console/messages/1/retry") && page.contains("/console/messages/1/discard"));
    let seen = admin.submit("/console/messages/1", "/console/messages/1/retry", &[]).await;
    assert_eq!((seen.status, seen.location.as_deref()), (StatusCode::SEE_OTHER, Some("/console/messages/1")));
    desk.mediator.settled().await;

    for reason in ["", "   ", &"x".repeat(501)] {
        let seen = admin.submit("/console/messages/2", "/console/messages/2/discard", &[("reason", reason)]).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{reason:?}");
    }
    let seen = admin.submit("/console/messages/2", "/console/messages/2/discard", &[("reason", "a test claim")]).await;
    assert_eq!(seen.location.as_deref(), Some("/console/messages/2"));
    let page = admin.page("/console/messages/2").await;
    assert!(
        page.contains("a test claim") && !page.contains("/2/discard") && page.contains("/2/retry"),
        "{}",
        words(&page)
    );

    // Somebody was quicker: told, and nothing is done.
    let again = admin.submit("/console/messages/2", "/console/messages/2/discard", &[("reason", "again")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("Message 2 is by now: Discarded"), "{}", words(&again.text));

    let told = desk.audit().await;
    let expected = [
        ("discard", Some(2), "a test claim"),
        ("retry", Some(1), ""),
        ("sign in", None, "by password, from 127.0.0.1"),
    ];
    let expected =
        expected.map(|(what, message, detail)| ("sita".to_owned(), what.to_owned(), message, detail.to_owned()));
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_message_has_no_buttons_and_refuses() {
    let desk = Desk::open().await;
    desk.claim().await;
    let mut admin = desk.admin().await;
    let page = admin.page("/console/messages/1").await;
    assert!(!page.contains("/1/retry") && !page.contains("/1/discard"));
    for action in ["retry", "discard"] {
        let path = format!("/console/messages/1/{action}");
        let seen = admin.submit("/console/messages/1", &path, &[("reason", "x")]).await;
        assert_eq!(seen.status, StatusCode::CONFLICT, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_unlinked_from_a_claim_that_went_to_the_contact() {
    let desk = Desk::open().await;
    desk.claim().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    assert!(!admin.page("/console/messages/2").await.contains("/2/unlink"), "no contact has to do with it");
    for language in ["fr", "ne", "en"] {
        let page = admin.page(&format!("/console/messages/1?lang={language}")).await;
        assert!(page.contains("/console/messages/1/unlink"), "{}", words(&page));
    }
    let seen = admin.submit("/console/messages/1", "/console/messages/1/unlink", &[("refuse", "yes")]).await;
    assert_eq!((seen.status, seen.location.as_deref()), (StatusCode::SEE_OTHER, Some("/console/messages/1")));
    let (who, what, _, detail) = &desk.audit().await[0];
    assert_eq!((who.as_str(), what.as_str()), ("sita", "unlink patient"));
    assert!(detail.ends_with(", which is somebody else, 0 message(s) go on"), "{detail}");

    let again = admin.submit("/console/messages/1", "/console/messages/1/unlink", &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(words(&again.text).contains("This insuree is linked to no contact."), "{}", words(&again.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_retried_by_a_filter_and_their_progress_ends_at_a_hundred_per_cent() {
    let desk = Desk::open().await;
    desk.dead_letters(450).await; // more than two slices
    desk.mediator.post(FEEDBACK, "{}").await;
    let mut admin = desk.admin().await;
    let list = admin.page("/console/messages?state=dead&kind=claim-response").await;
    assert!(list.contains("Retry all that fit: 450"));
    let ask = "/console/retry?state=dead&kind=claim-response";
    let page = admin.page(ask).await;
    assert!(
        list.contains(&ask.replace('&', "&amp;")) && words(&page).contains("StateDead letterKindClaim"),
        "{}",
        words(&page)
    );
    let seen = admin.submit(ask, "/console/retry", &[("state", "dead"), ("kind", "claim-response")]).await;
    let job = seen.location.expect("its page");
    let page = eventually("it is done", || async {
        let mut admin = Visitor { cookies: admin.cookies.clone(), ..desk.visitor() };
        let page = admin.page(&job).await;
        let is_done = page.contains("Done: 450 of 450");
        assert_eq!(page.contains("http-equiv=\"refresh\""), !is_done, "without scripts it loads itself until the end");
        is_done.then_some(page)
    })
    .await;
    assert!(
        page.contains("value=\"100\"") && !page.contains("hx-get=\"/console/jobs"),
        "nothing is asked for any more"
    );
    let part = admin.ask(Method::GET, &job).header("hx-request", "true");
    let part = admin.send(part).await.text;
    assert!(part.starts_with("<div id=\"progress\"") && part.contains("100 %"), "{part}");

    let put_back = |view: &store::View| view.trail.iter().any(|line| line.event == "retry asked for");
    let claims = desk.mediator.store().count_fitting(&store::Filter::default(), 1000).await;
    assert_eq!(claims.expect("a store"), 451);
    let messages = desk.mediator.messages().await;
    assert_eq!(messages.iter().filter(|view| put_back(view)).count(), 450);
    assert!(!put_back(messages.last().expect("the feedback")), "the filter left it out");
    let lines = desk.audit().await;
    let slices: Vec<_> = lines.iter().filter(|(who, what, ..)| who == "sita" && what == "retry all").collect();
    assert_eq!(slices.len(), 3, "{slices:?}");
    assert!(slices.iter().all(|(.., detail)| detail.ends_with(", state dead, kind claim-response")), "{slices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_not_retried_without_a_state_or_by_a_slip() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    for fields in [
        vec![],
        vec![("state", "")],
        vec![("state", "delivered")],
        vec![("state", "leased")],
        vec![("state", "dead"), ("from", "yesterday")],
        vec![("state", "dead"), ("insuree", "070707070")],
    ] {
        let seen = admin.submit("/console", "/console/retry", &fields).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    assert_eq!(admin.get("/console/retry").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(admin.get("/console/jobs/1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.audit().await.len(), 1, "the sign-in only");
}
