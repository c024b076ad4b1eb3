//! What the pages show, and what they hide.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_by_state_kind_claim_insuree_and_time() {
    let desk = Desk::open().await;
    desk.claim().await;
    desk.dead_letters(2).await;
    desk.mediator.post(FEEDBACK, mediator_tests::running::sample_feedback()).await;
    desk.mediator.settled().await;
    let mut admin = desk.admin().await;
    let insuree = "7b00e6ec-e0f5-4d07-a8e0-ec00a4160e73";
    for (query, expected) in [
        ("", vec![4, 3, 2, 1]),
        ("?state=dead", vec![3, 2]),
        ("?kind=feedback", vec![4]),
        ("?state=dead&kind=feedback", vec![]),
        ("?claim=CHT979", vec![4, 1]),
        ("?claim=D3256498-AD16-4482-A2D2-4A6D9C78BA81&kind=claim-response", vec![1]),
        (&format!("?insuree={insuree}"), vec![4, 1]),
        (&format!("?insuree={}", insuree.to_uppercase().replace('-', "")), vec![4, 1]),
        ("?insuree=7b00e6ec-e0f5-4d07-a8e0-ec00a4160e74", vec![]),
        ("?from=2020-01-01T00:00", vec![4, 3, 2, 1]),
        ("?to=2020-01-01", vec![]),
        ("?from=2120-01-01", vec![]),
        ("?from=2020-01-01&to=2120-01-01&state=delivered", vec![4, 1]),
        ("?before=3", vec![2, 1]),
    ] {
        assert_eq!(listed(&admin.page(&format!("/console/messages{query}")).await), expected, "{query}");
    }
    for (query, says) in [
        ("?state=Dead", "State: "),
        ("?kind=claims", "Kind: "),
        ("?insuree=070707070", "Insuree: "),
        ("?from=yesterday", "From: "),
        ("?to=2026-02-30", "To: "),
        ("?before=x", "Older: "),
    ] {
        let seen = admin.get(&format!("/console/messages{query}")).await;
        assert_eq!((seen.status, seen.text.contains(says)), (StatusCode::BAD_REQUEST, true), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_in_an_address_is_kept_by_the_next_search() {
    let desk = Desk::open().await;
    let page = desk.admin().await.page("/console/messages?from=2026-02-28&to=2026-02-28").await;
    assert!(page.contains("value=\"2026-02-28T00:00\"") && page.contains("value=\"2026-03-01T00:00\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_patient_is_hidden_until_it_is_asked_for_too() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    let reason = format!("called {PHONE}, a test");
    admin.submit("/console/messages/1", "/console/messages/1/discard", &[("reason", &reason)]).await;
    for path in ["/console/messages", "/console/messages/1", "/console/audit"] {
        let page = admin.page(path).await;
        assert!(page.contains("called •••••, a test") && !page.contains(PHONE), "{path}: {}", words(&page));
    }
    admin.submit("/console/messages/1", "/console/messages/1/show", &[]).await;
    assert!(admin.page("/console/messages/1").await.contains(&reason));
    assert!(!admin.page("/console/messages").await.contains(PHONE), "the list stays as it is");
}

/// The numbers in the list.
fn listed(page: &str) -> Vec<i64> {
    let rows = page.split("role=\"rowheader\"").skip(1);
    let number = |row: &str| row.split("/console/messages/").nth(1)?.split('"').next()?.parse().ok();
    rows.map(|row| number(row).expect("a number")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_a_filter_are_the_consoles_and_its_pages_follow_each_other() {
    let desk = Desk::with(&[("console.time_zone", "Asia/Kathmandu")]).await;
    desk.dead_letters(120).await;
    let mut admin = desk.admin().await;
    let page = admin.page("/console/messages?state=dead").await;
    assert!(page.contains("Asia/Kathmandu (UTC+05:45)"), "the zone is named");
    let (mut path, mut all) = ("/console/messages?state=dead".to_owned(), Vec::new());
    loop {
        let page = admin.page(&path).await;
        all.extend(listed(&page));
        let Some((_, next)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = next.split('"').next().expect("an address").replace("&amp;", "&");
    }
    assert_eq!(all, (1..=120).rev().collect::<Vec<_>>());

    // As a browser writes it: local time without a zone. What came now lies between a minute ago and in a minute in Kathmandu.
    let zone = jiff::tz::TimeZone::get("Asia/Kathmandu").expect("a zone");
    let now = desk.mediator.messages().await[0].summary.received_at.to_zoned(zone);
    let local = |minutes: i64| {
        let moment = now.checked_add(jiff::SignedDuration::from_mins(minutes)).expect("a time");
        moment.strftime("%Y-%m-%dT%H:%M").to_string()
    };
    let (before, after) = (local(-1), local(2));
    assert_eq!(listed(&admin.page(&format!("/console/messages?from={before}&to={after}")).await).len(), 50);
    assert!(listed(&admin.page(&format!("/console/messages?to={before}")).await).is_empty());
    assert!(listed(&admin.page(&format!("/console/messages?from={after}")).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurance_number_is_looked_up_and_never_stands_in_an_address() {
    let desk = Desk::open().await;
    desk.claim().await;
    let mut admin = desk.admin().await;
    let seen =
        admin.submit("/console/messages", "/console/messages/find", &[("insuree", "070707070"), ("state", "")]).await;
    let address = seen.location.unwrap_or_else(|| panic!("{}", words(&seen.text)));
    let uuid = address.strip_prefix("/console/messages?insuree=").expect("an insuree");
    // openIMIS' answer has the number for its id: the uuid stands beside it.
    assert_eq!(uuid, "00000000-0000-4000-8000-000000000006", "{address}");
    let (who, what, _, detail) = &desk.audit().await[0];
    assert_eq!((who.as_str(), what.as_str()), ("sita", "look up insuree"));
    assert!(detail.contains(uuid) && !detail.contains("070707070"), "{detail}");

    let unknown = admin.submit("/console/messages", "/console/messages/find", &[("insuree", "999999999")]).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert!(unknown.text.contains("openIMIS knows no insuree"), "{}", words(&unknown.text));
    assert!(unknown.text.contains("href=\"/console/messages?lang=fr\""), "the other languages have a page");
    let (_, what, _, detail) = &desk.audit().await[0];
    assert_eq!((what.as_str(), detail.as_str()), ("look up insuree", "an insurance number; openIMIS does not know it"));
    for path in ["../Claim", "07070707 0", "%2e%2e"] {
        let odd = admin.submit("/console/messages", "/console/messages/find", &[("insuree", path)]).await;
        assert!(odd.text.contains("openIMIS knows no insuree"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_hidden_until_it_is_asked_for_and_that_is_audited_first() {
    let desk = Desk::open().await;
    desk.claim().await;
    desk.mediator.post(FEEDBACK, mediator_tests::running::sample_feedback()).await;
    desk.mediator.settled().await;
    let mut admin = desk.admin().await;
    let hidden_now = admin.page("/console/messages/1").await;
    for path in ["/console", "/console/messages", "/console/messages/1", "/console/messages/2", "/console/audit"] {
        let page = admin.page(path).await;
        for personal in [NAME, PHONE, "Sita Kumari"] {
            assert!(!page.contains(personal), "{path} tells {personal}");
        }
    }
    assert!(hidden_now.contains("•••••") && hidden_now.contains("disposition"), "the shape is there");
    assert!(!admin.page("/console/messages/2").await.contains("&quot;yes&quot;"), "answers are data of a patient");
    assert_eq!(desk.audit().await.len(), 1, "the sign-in only: what is hidden was not read");

    let seen = admin.submit("/console/messages/1", "/console/messages/1/show", &[]).await;
    assert_eq!(seen.location.as_deref(), Some("/console/messages/1#documents"));
    let (who, what, message, _) = desk.audit().await.swap_remove(0);
    assert_eq!((who.as_str(), what.as_str(), message), ("sita", "read documents", Some(1)));
    let shown = admin.page("/console/messages/1").await;
    assert!(shown.contains(NAME) && shown.contains(PHONE));
    assert!(!admin.page("/console/messages/2").await.contains("&quot;yes&quot;"), "asked for one message, not for all");
    assert!(!desk.admin().await.page("/console/messages/1").await.contains(NAME), "and for oneself");

    admin.submit("/console/messages/1", "/console/messages/1/hide", &[]).await;
    assert!(!admin.page("/console/messages/1").await.contains(NAME));
    assert_eq!(
        admin.submit("/console/messages/1", "/console/messages/99/show", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_claim_brings_along_is_text_and_never_a_part_of_the_page() {
    let desk = Desk::open().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let mut claim: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    for identifier in claim["identifier"].as_array_mut().expect("identifiers") {
        if identifier["type"]["coding"][0]["code"] == "Code" {
            identifier["value"] = json!(evil);
        }
    }
    claim["<b>key</b>"] = json!(evil);
    desk.mediator.post(CLAIM, claim.to_string()).await;
    desk.mediator.settled().await;
    let mut admin = desk.admin().await;
    admin.submit("/console/messages/1", "/console/messages/1/show", &[]).await;
    let query = "/console/messages?claim=%3Cscript%3Ealert(1)%3C/script%3E&from=%22%3E%3Cb%3E";
    let mut pages = vec![admin.get(query).await.text];
    for path in
        ["/console/messages", "/console/messages/1", "/console/retry?state=dead&claim=%3Cscript%3E", "/console/audit"]
    {
        pages.push(admin.page(path).await);
    }
    for page in &pages {
        assert_eq!(page.matches("<script").count(), 1, "htmx and no other");
        assert!(!page.contains("<img") && !page.contains("<b>"), "{page}");
    }
    assert!(pages[2].contains("&lt;script&gt;alert(1)"), "it is shown as it came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_tells_what_is_wrong_in_words_and_what_to_do() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    let page = words(&admin.page("/console/messages/1").await);
    for expected in [
        "Dead letter",
        "cannot be mapped: error value ClaimResponse.id",
        "Error: something required is missing",
        "missing; expected a reference to Patient by its uuid",
        "by push, ",
        "Nothing was sent so far.",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let page = words(&admin.page("/console/messages/1?lang=fr").await);
    assert!(page.contains("Lettre morte") && page.contains("Erreur : un élément obligatoire manque"), "{page}");
    assert_eq!(admin.get("/console/messages/2").await.status, StatusCode::NOT_FOUND);
    assert_eq!(admin.get("/console/messages/one").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_and_tells_of_peers_polling_and_mappings() {
    let desk = Desk::with(&[("poll.enabled", "true"), ("poll.interval", "1h"), ("poll.selected_interval", "1h")]).await;
    desk.claim().await;
    desk.dead_letters(2).await;
    let mut admin = desk.admin().await;
    let page = eventually("the counts are those of now", || async {
        let mut admin = desk.admin().await;
        let page = words(&admin.page("/console").await);
        page.contains("Dead letters that somebody has to look at: 2").then_some(page)
    })
    .await;
    for expected in ["openIMIS", "CHT answers", "New claims", "Claims selected for feedback", "claim-response", "0.1.0"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let sha256 = desk.mediator.host.flow.mapper.mappings()[0].sha256.clone();
    assert!(admin.page("/console").await.contains(&sha256));
    // A part for htmx is no whole page.
    let part = admin.ask(Method::GET, "/console/overview").header("hx-request", "true");
    let part = admin.send(part).await;
    assert!(part.status == StatusCode::OK && !part.text.contains("<html") && part.text.contains("Connected systems"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_down_is_told_with_its_backlog() {
    let desk = Desk::with(&[("retry.trip_after", "1"), ("retry.first", "10m"), ("retry.probe_longest", "10m")]).await;
    desk.sandbox.cht.fail_next(1000, sandbox::Fault::Status(503));
    let mut claim: Value = serde_json::from_str(&sample_claim()).expect("JSON");
    claim["disposition"] = json!("one");
    desk.mediator.post(CLAIM, claim.to_string()).await;
    let page = eventually("CHT is left alone", || async {
        let page = words(&desk.admin().await.page("/console").await);
        page.contains("left alone until").then_some(page)
    })
    .await;
    let of_cht = page.split("CHT left alone until").nth(1).expect("CHT's part");
    assert!(of_cht.contains("Last failure") && of_cht.contains("Backlog1"), "{of_cht}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subscription_is_asked_for_at_openimis() {
    let callback = "http://127.0.0.1:9/mediator/claim-response";
    let desk = Desk::with(&[("subscription.callback", callback)]).await;
    let mut admin = desk.admin().await;
    let page = eventually("it is in place", || async {
        let page = words(&desk.admin().await.page("/console/subscriptions").await);
        page.contains(callback).then_some(page)
    })
    .await;
    assert!(page.contains("active"), "{page}");
    assert!(admin.page("/console").await.contains("hx-get=\"/console/subscriptions\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_that_of_the_address_then_the_cookie_then_the_browser_then_the_setting() {
    let desk = Desk::with(&[("console.language", "ne")]).await;
    let mut visitor = desk.visitor();
    let asked = |visitor: &Visitor, accepted: &str| {
        visitor.ask(Method::GET, "/console/sign-in").header("accept-language", accepted)
    };
    for (accepted, expected) in [
        ("", "ne"),
        ("de-CH,de;q=0.9", "ne"),
        ("de,fr-FR;q=0.8,en;q=0.9", "en"),
        ("fr-CA, en;q=0.5", "fr"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("NE-np", "ne"),
    ] {
        let request = asked(&visitor, accepted);
        let page = visitor.send(request).await.text;
        assert!(page.contains(&format!("<html lang=\"{expected}\">")), "{accepted}: {expected}");
    }
    assert!(visitor.page("/console/sign-in?lang=fr").await.contains("<html lang=\"fr\">"));
    let request = asked(&visitor, "en");
    assert!(visitor.send(request).await.text.contains("<html lang=\"fr\">"), "it is remembered");
    visitor.sign_in("sita", PASSWORD, "").await;
    let page = visitor.page("/console/messages?state=dead&claim=a%26b").await;
    assert!(page.contains("href=\"/console/messages?state=dead&amp;claim=a%26b&amp;lang=ne\""), "the filter stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_is_read_page_by_page() {
    let desk = Desk::open().await;
    let store = desk.mediator.store();
    for number in 1..=150 {
        store
            .audited("hari", "export", None, &format!("line-{number}."), jiff::Timestamp::now())
            .await
            .expect("a store");
    }
    let mut admin = desk.admin().await;
    let first = admin.page("/console/audit").await;
    assert!(
        first.contains("sign in") && first.contains("line-150.") && !first.contains("line-51."),
        "{}",
        words(&first)
    );
    let next =
        first.split_once("rel=\"next\" href=\"").expect("an older page").1.split('"').next().expect("an address");
    assert!(first.contains("from 127.0.0.1"), "{}", words(&first));
    let second = admin.page(next).await;
    assert!(second.contains("line-51.") && second.contains("line-1.") && !second.contains("line-52."));
}
