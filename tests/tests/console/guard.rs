//! Who is let in, and what a form has to bring along.

use super::*;

/// Every page, and every form's address.
const PAGES: [&str; 10] = [
    "/console",
    "/console/overview",
    "/console/subscriptions",
    "/console/messages",
    "/console/messages/1",
    "/console/retry?state=dead",
    "/console/jobs/1",
    "/console/patients",
    "/console/audit",
    "/console/nowhere",
];
const FORMS: [&str; 12] = [
    "/console/messages/find",
    "/console/messages/1/retry",
    "/console/messages/1/discard",
    "/console/messages/1/show",
    "/console/messages/1/hide",
    "/console/retry",
    "/console/patients/1/show",
    "/console/patients/1/hide",
    "/console/patients/1/confirm",
    "/console/patients/1/refuse",
    "/console/sign-out",
    "/console/nowhere",
];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_every_page_leads_to_the_sign_in() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut visitor = desk.visitor();
    for path in PAGES {
        let seen = visitor.get(path).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{path}");
        assert!(seen.location.as_deref().expect("a place").starts_with("/console/sign-in"), "{path}");
    }
    for path in FORMS {
        let seen = visitor.post(path, &[("reason", "x"), ("state", "dead")]).await;
        assert_eq!(
            (seen.status, seen.location.as_deref()),
            (StatusCode::SEE_OTHER, Some("/console/sign-in")),
            "{path}"
        );
    }
    // HTTP Basic, which a browser sends by itself, is no session.
    let basic = visitor.ask(Method::GET, "/console").basic_auth("sita", Some(PASSWORD));
    assert_eq!(visitor.send(basic).await.status, StatusCode::SEE_OTHER);
    // A script is told to leave the whole page.
    let part = visitor.ask(Method::GET, "/console/overview").header("hx-request", "true");
    let seen = visitor.send(part).await;
    assert_eq!(
        (seen.status, &seen.headers["hx-redirect"]),
        (StatusCode::UNAUTHORIZED, &"/console/sign-in".parse().expect("a value"))
    );
    assert_eq!(desk.mediator.messages().await[0].summary.state, "dead", "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_the_token_or_from_elsewhere_is_refused_with_403() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    let token = hidden(&admin.page("/console").await, "csrf").expect("a token");
    for path in FORMS {
        for fields in [vec![], vec![("csrf", "")], vec![("csrf", "0123")]] {
            let seen = admin.post(path, &fields).await;
            assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path} with {fields:?}");
        }
        let fields = [("csrf", token.as_str()), ("reason", "x"), ("state", "dead")];
        for (name, value) in [
            ("origin", "https://elsewhere.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let foreign = filled(admin.ask(Method::POST, path).header(name, value), &fields);
            assert_eq!(admin.send(foreign).await.status, StatusCode::FORBIDDEN, "{path} with {name}: {value}");
        }
        let json = admin.ask(Method::POST, path).json(&json!({"csrf": token}));
        assert_eq!(admin.send(json).await.status, StatusCode::FORBIDDEN, "{path} with JSON");
    }
    assert_eq!(desk.mediator.messages().await[0].summary.state, "dead", "nothing was done");
    // The same with the token works, and our own origin does not hinder it.
    let origin = desk.url.clone();
    let own = admin.ask(Method::POST, "/console/messages/1/discard").header("origin", origin);
    let seen = admin.send(filled(own, &[("csrf", token.as_str()), ("reason", "x")])).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.mediator.messages().await[0].summary.state, "discarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_clients_that_are_no_admins_stay_out_and_leave_a_line() {
    let desk = Desk::open().await;
    let mut visitor = desk.visitor();
    for (username, password, says) in [
        ("sita", "guessed", "The user or the password is wrong."),
        ("nobody", PASSWORD, "The user or the password is wrong."),
        ("clerk", PASSWORD, "has not the scope"),
    ] {
        let seen = visitor.sign_in(username, password, "").await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{username}");
        assert!(seen.text.contains(says), "{username}: {}", words(&seen.text));
        assert!(!visitor.cookies.contains_key("openimis-console"), "{username}");
    }
    assert_eq!(visitor.sign_in("sita", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
    let lines = desk.audit().await;
    let lines: Vec<_> =
        lines.iter().map(|(who, what, _, detail)| (who.as_str(), what.as_str(), detail.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("sita", "sign in", "by password, from 127.0.0.1"),
            ("clerk", "sign-in refused", "has not the scope admin, from 127.0.0.1"),
            ("unknown", "sign-in refused", "wrong password or unknown user, from 127.0.0.1"),
            ("unknown", "sign-in refused", "wrong password or unknown user, from 127.0.0.1"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_is_held_off_and_does_not_fill_the_audit_trail() {
    let desk = Desk::with(&[("server.failed_logins_per_minute", "3")]).await;
    let mut visitor = desk.visitor();
    let mut statuses = Vec::new();
    for guess in 0..20 {
        statuses.push(visitor.sign_in("sita", &format!("guess {guess}"), "").await.status.as_u16());
    }
    assert_eq!(statuses[..4], [403, 403, 403, 429]);
    assert!(statuses[4..].iter().filter(|status| **status == 429).count() >= 15, "{statuses:?}");
    let lines = desk.audit().await.len();
    assert!(lines <= 12, "three a minute of each kind: {lines}"); // a minute may begin in between
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_form_has_to_be_ours_too() {
    let desk = Desk::open().await;
    let mut visitor = desk.visitor();
    let fields = [("username", "sita"), ("password", PASSWORD), ("form", "made up")];
    assert_eq!(visitor.post("/console/sign-in", &fields).await.status, StatusCode::FORBIDDEN);
    let form = hidden(&visitor.page("/console/sign-in").await, "form").expect("a token");
    let fields = [("username", "sita"), ("password", PASSWORD), ("form", form.as_str())];
    let foreign = visitor.ask(Method::POST, "/console/sign-in").header("sec-fetch-site", "cross-site");
    let foreign = filled(foreign, &fields);
    assert_eq!(visitor.send(foreign).await.status, StatusCode::FORBIDDEN);
    assert_eq!(visitor.post("/console/sign-in", &fields).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_leads_on_to_pages_of_the_console_only() {
    let desk = Desk::open().await;
    let mut visitor = desk.visitor();
    let asked = visitor.get("/console/messages?state=dead&lang=en").await.location.expect("a place");
    let page = visitor.page(&asked).await;
    assert!(page.contains("value=\"/console/messages?state=dead&amp;lang=en\""), "{page}");
    for (next, leads_to) in [
        ("/console/messages?state=dead", "/console/messages?state=dead"),
        ("https://elsewhere.example/console", "/console"),
        ("//elsewhere.example/console/", "/console"),
        ("/console//elsewhere.example", "/console"),
        ("/console/\\elsewhere", "/console"),
        ("/consoles", "/console"),
        ("/console/sign-out", "/console"),
        ("/console/\r\nset-cookie: a=b", "/console"),
    ] {
        let seen = desk.visitor().sign_in("sita", PASSWORD, next).await;
        assert_eq!(seen.location.as_deref(), Some(leads_to), "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_sign_out_and_its_cookie_opens_nothing_any_more() {
    let desk = Desk::open().await;
    let mut admin = desk.admin().await;
    let line = admin.set.iter().find(|line| line.starts_with("openimis-console=")).expect("a cookie").clone();
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Strict") && !line.contains("Secure"), "{line}");
    let cookies = admin.cookies.clone();
    let seen = admin.submit("/console", "/console/sign-out", &[]).await;
    assert_eq!(seen.location.as_deref(), Some("/console/sign-in"));
    assert!(!admin.cookies.contains_key("openimis-console"));
    admin.cookies = cookies;
    assert_eq!(admin.get("/console").await.status, StatusCode::SEE_OTHER);
    assert_eq!(desk.audit().await[0].1, "sign out");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_travels_by_https_only_and_no_other_host_can_set_it() {
    let desk = Desk::with(&[("console.behind_https", "true")]).await;
    let admin = desk.admin().await;
    let line = admin.set.iter().find(|line| line.starts_with("__Host-openimis-console=")).expect("a cookie");
    assert!(line.contains("; Secure") && line.contains("Path=/;") && !line.contains("Domain"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_its_time() {
    for setting in ["console.idle_timeout", "console.session_timeout"] {
        let desk = Desk::with(&[(setting, "1ms")]).await;
        let mut visitor = desk.visitor();
        assert_eq!(visitor.sign_in("sita", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
        eventually("a millisecond is over", || async {
            let cookies = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            let asked = visitor.client.get(format!("{}/console", desk.url)).header("cookie", cookies.join("; "));
            (asked.send().await.expect("an answer").status() == StatusCode::SEE_OTHER).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_policy_and_stays_in_no_cache() {
    let desk = Desk::open().await;
    desk.dead_letters(1).await;
    let mut admin = desk.admin().await;
    for path in PAGES.iter().chain(&["/console/sign-in", "/console/static/style.css", "/console/static/htmx.min.js"]) {
        let seen = admin.get(path).await;
        let header = |name: &str| seen.headers[name].to_str().expect("text").to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(policy.contains("form-action 'self'") && policy.contains("base-uri 'none'"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        if !path.contains("static") {
            assert_eq!(header("cache-control"), "no-store", "{path}");
            for inline in [" style=", " onclick=", " onload=", "<style", "javascript:", "hx-on"] {
                assert!(!seen.text.contains(inline), "{path} holds {inline}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_there_is_no_console_and_the_admin_api_stays() {
    let desk = Desk::with(&[("console.enabled", "false")]).await;
    let mut visitor = desk.visitor();
    for path in ["/console", "/console/sign-in", "/console/static/style.css"] {
        assert_eq!(visitor.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let api = visitor.ask(Method::GET, "/admin/counts").basic_auth("sita", Some(PASSWORD));
    assert_eq!(visitor.send(api).await.status, StatusCode::OK);
}

#[test]
fn a_setting_that_cannot_be_is_told_with_its_key() {
    let toml = r#"
        inbound = { username = "in", password = "in" }
        openimis = { url = "https://imis.example.org", username = "imis", password = "imis" }
        cht = { url = "https://cht.example.org", username = "cht", password = "cht" }
        console = { time_zone = "Nowhere/Village", language = "de", idle_timeout = "0s", session_timeout = "-1h" }
    "#;
    let problems = openimis_mediator::config::Config::from_toml(toml, &BTreeMap::new()).expect_err("problems").0;
    for key in ["console.time_zone: ", "console.language: ", "console.idle_timeout: ", "console.session_timeout: "] {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key}{problems:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_of_openimis_and_cht_have_no_console() {
    let desk = Desk::open().await;
    let answer = desk.mediator.client.get(format!("{}/console", desk.mediator.url)).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
