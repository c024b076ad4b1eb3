//! The playground in a real browser: what people see, what programs for the blind are told, what the page sends (nothing).

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mapping::{claim_response, feedback, patient};
use mediator_tests::browser::Page;
use mediator_tests::fixtures;
use mediator_tests::raw_peer::{http, listener, read_request};
use mediator_tests::running::{INBOUND_PASSWORD, INBOUND_USER, components_dir, eventually, sandbox};
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::{READY, browser};

pub fn fixture(name: &str) -> String {
    fixtures::text(name)
}

pub async fn text(page: &Page<'_>, selector: &str) -> String {
    let text = page.evaluate(&format!("document.querySelector({}).textContent", json!(selector))).await;
    text.as_str().expect("text").to_owned()
}

pub async fn click(page: &Page<'_>, selector: &str, label: &str) {
    let find = "[...document.querySelectorAll(SELECTOR)].find((one) => one.textContent === LABEL).click()";
    page.evaluate(&find.replace("SELECTOR", &json!(selector).to_string()).replace("LABEL", &json!(label).to_string()))
        .await;
}

/// Puts the focus on an element, selects what it holds and types over it.
pub async fn type_into(page: &Page<'_>, selector: &str, typed: &str) {
    let select =
        format!("(() => {{ const one = document.querySelector({}); one.focus(); one.select(); }})()", json!(selector));
    page.evaluate(&select).await;
    page.insert(typed).await;
}

/// The rows of the issues, a line each as fixtures show them.
async fn issues(page: &Page<'_>) -> String {
    let rows = "[...document.querySelectorAll('#issues tr')].map((row) => \
        `${row.querySelector('strong').textContent} ${row.querySelector('span').textContent} \
         ${row.querySelector('code').textContent}: ${row.lastChild.textContent}\\n`).join('')";
    page.evaluate(&rows.replace("         $", "$")).await.as_str().expect("text").to_owned()
}

async fn save(page: &Page<'_>, name: &str) {
    let picture = BASE64_STANDARD.decode(page.screenshot().await).expect("base64");
    let path = components_dir().with_file_name(name);
    std::fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[tokio::test]
async fn a_sample_shows_its_document_and_a_bad_one_every_issue_at_once() {
    open_page!(browser, mediator, page);
    for (label, folder, summary) in [
        ("ClaimResponse", "claim-response/documented-sample", "Mapped to a CHT record, with 1 warning."),
        ("Feedback", "feedback/documented", "Mapped to a FHIR Communication."),
        ("Patient", "patient/place-village", "Mapped to a CHT person."),
    ] {
        click(&page, "#samples button", label).await;
        page.until(&format!("document.querySelector('#status').textContent === {}", json!(summary))).await;
        let expected: Value = serde_json::from_str(&fixture(&format!("{folder}/expected.json"))).expect("JSON");
        assert_eq!(text(&page, "#body").await, format!("{:#}", expected["body"]), "{label}");
        assert_eq!(text(&page, "#key").await, expected["idempotency_key"].as_str().expect("a key"), "{label}");
        let warnings = issues(&page).await;
        let told: Vec<&str> = warnings.lines().collect();
        assert_eq!(json!(told), expected["warnings"], "{label}");
        assert_eq!(page.evaluate("document.querySelector('#mapped').hidden").await, false);
    }
    for (label, folder, count) in [
        ("ClaimResponse with mistakes", "claim-response/several-problems", 4),
        ("Feedback with mistakes", "feedback/everything-wrong", 7),
        ("Patient with mistakes", "patient/everything-wrong", 6),
    ] {
        click(&page, "#samples button", label).await;
        let summary = format!("Cannot be mapped: {count} issues.");
        page.until(&format!("document.querySelector('#status').textContent === {}", json!(summary))).await;
        assert_eq!(issues(&page).await, fixture(&format!("{folder}/error.txt")), "{label}");
        assert_eq!(page.evaluate("document.querySelector('#mapped').hidden").await, true, "no document beside issues");
    }
    assert_eq!(page.complaints(), Vec::<Value>::new());
    mediator.stop().await;
}

#[tokio::test]
async fn an_issue_is_marked_where_it_is() {
    open_page!(browser, mediator, page);
    click(&page, "#samples button", "ClaimResponse with mistakes").await;
    page.until("document.querySelectorAll('#issues tr').length === 4").await;
    let marked = page.evaluate("[...document.querySelectorAll('#marks mark')].map((one) => one.textContent)").await;
    assert_eq!(
        marked,
        json!([
            "\"id\": \"979\"",
            "\"identifier\": []",
            "\"reference\": \"Patient/070707070\"",
            "\"created\": \"2025-02-30\""
        ])
    );
    click(&page, "#issues button", "line 8").await;
    let selected = "(() => { const { value, selectionStart, selectionEnd } = document.activeElement; \
        return value.slice(selectionStart, selectionEnd); })()";
    assert_eq!(page.evaluate(selected).await, "\"created\": \"2025-02-30\"");
    // The marks lie exactly under the text: both lay it out alike.
    let same = "['font', 'lineHeight', 'padding', 'whiteSpace', 'tabSize', 'letterSpacing', 'width', 'borderWidth'].filter((name) => \
        getComputedStyle(document.querySelector('#marks'))[name] !== getComputedStyle(document.querySelector('#document'))[name])";
    assert_eq!(page.evaluate(same).await, json!([]));
    // Text that is no JSON: the place is in the words of the issue, its column in bytes.
    type_into(&page, "#document", "{\"resourceType\": \"ClaimResponse\",\n \"note\": \"दावी\", id: 1}").await;
    page.until("document.querySelectorAll('#issues tr').length === 1").await;
    assert_eq!(page.evaluate("document.querySelector('#marks mark').textContent").await, "i");
    assert_eq!(text(&page, "#issues button").await, "line 2");
    mediator.stop().await;
}

#[tokio::test]
async fn what_is_typed_is_mapped_at_once_and_with_the_settings_of_its_kind() {
    open_page!(browser, mediator, page);
    type_into(&page, "#document", &fixture("patient/recorded/input.json")).await;
    page.until("document.querySelector('#taken').textContent === 'taken as Patient'").await;
    let told = issues(&page).await;
    assert!(told.contains("error not-found Patient.address"), "{told}");
    // A setting in the form goes into the JSON and counts at once.
    type_into(&page, "[data-path=default_place]", "clinic-7").await;
    page.until("document.querySelector('#body').textContent.includes('\"clinic-7\"')").await;
    assert_eq!(page.evaluate("JSON.parse(document.querySelector('#settings').value).default_place").await, "clinic-7");
    // And the other way round.
    type_into(&page, "#settings", r#"{"default_place": "clinic-8", "phone_prefix": "+255"}"#).await;
    page.until("document.querySelector('#body').textContent.includes('\"clinic-8\"')").await;
    assert_eq!(page.evaluate("document.querySelector('[data-path=phone_prefix]').value").await, "+255");
    // What is wrong with settings is told beside them, and no old result stays.
    for (wrong, told) in
        [("{", "The settings are no JSON"), ("[]", "no JSON object"), (r#"{"default_plaze": "x"}"#, "default_plaze")]
    {
        type_into(&page, "#settings", wrong).await;
        page.until("document.querySelector('#mapped').hidden").await;
        let problem = text(&page, "#settings-problem").await;
        assert!(problem.contains(told), "{wrong}: {problem}");
        assert_eq!(page.evaluate("document.querySelector('#settings').getAttribute('aria-invalid')").await, "true");
    }
    click(&page, "button", "Back to the defaults").await;
    type_into(&page, "#document", &fixture("claim-response/documented-sample/input.json")).await;
    page.until("document.querySelector('#taken').textContent === 'taken as ClaimResponse'").await;
    type_into(&page, "[data-path='fields.claim_id']", "claim_code").await;
    page.until("document.querySelector('#body').textContent.includes('\"claim_code\": \"CHT979\"')").await;
    let choose = "(() => { const one = document.querySelector('[data-path=calendar]'); one.value = 'gregorian'; \
        one.dispatchEvent(new Event('input', { bubbles: true })); })()";
    page.evaluate(choose).await;
    page.until("document.querySelector('#body').textContent.includes('\"op_year\": \"2025\"')").await;
    // What the mediator knows besides.
    type_into(&page, "[data-known=contact]", "12345").await;
    page.until("document.querySelector('#body').textContent.includes('\"patient_id\": \"12345\"')").await;
    assert_eq!(page.complaints(), Vec::<Value>::new());
    mediator.stop().await;
}

#[tokio::test]
async fn a_file_can_be_opened_and_the_result_be_copied() {
    open_page!(browser, mediator, page);
    let dir = tempdir().expect("a folder");
    let put = async |content: &[u8]| {
        let path = dir.path().join("document.json");
        std::fs::write(&path, content).expect("a file");
        let document = page.call("DOM.getDocument", json!({})).await;
        let query = json!({"nodeId": document["root"]["nodeId"], "selector": "#file"});
        let node = page.call("DOM.querySelector", query).await;
        page.call("DOM.setFileInputFiles", json!({"nodeId": node["nodeId"], "files": [path]})).await;
    };
    put(fixture("feedback/documented/input.json").as_bytes()).await;
    page.until("document.querySelector('#status').textContent.startsWith('Mapped')").await;
    click(&page, "button", "Copy").await;
    page.until("document.querySelector('#copied').textContent === 'Copied.'").await;
    let body = text(&page, "#body").await;
    type_into(&page, "#document", " ").await;
    let paste = json!({"type": "keyDown", "key": "v", "code": "KeyV", "modifiers": 2, "commands": ["paste"]});
    page.call("Input.dispatchKeyEvent", paste).await;
    page.until("document.querySelector('#document').value.length > 100").await;
    assert_eq!(page.evaluate("document.querySelector('#document').value.trim()").await, body);
    // The same by dropping it.
    type_into(&page, "#document", " ").await;
    let path = dir.path().join("document.json");
    for kind in ["dragEnter", "dragOver", "drop"] {
        let data = json!({"items": [], "files": [path], "dragOperationsMask": 1});
        let params = json!({"type": kind, "x": 300, "y": 500, "data": data});
        page.call("Input.dispatchDragEvent", params).await;
    }
    page.until("document.querySelector('#status').textContent.startsWith('Mapped')").await;
    assert_eq!(page.evaluate("document.querySelector('.over') === null").await, true);
    // Bytes that are no text are told as the mediator would, not replaced.
    put(b"{\"claimuuid\": \"\xff\"}").await;
    page.until("document.querySelector('#issues').textContent.includes('not UTF-8 text (byte 15)')").await;
    mediator.stop().await;
}

#[tokio::test]
async fn the_page_sends_nothing_and_requests_of_a_smuggled_script_are_stopped() {
    open_page!(browser, mediator, page);
    let elsewhere = sandbox().await;
    click(&page, "#samples button", "Patient").await;
    page.until("document.querySelector('#status').textContent.startsWith('Mapped')").await;
    type_into(&page, "[data-path=default_place]", "clinic-7").await;
    let requests = page.events("Network.requestWillBeSent");
    let playground = format!("{}/playground/", mediator.url);
    for request in &requests {
        let url = request["request"]["url"].as_str().expect("a url");
        assert!(url.starts_with(&playground) && request["request"]["method"] == "GET", "{url}");
        assert!(request["request"]["hasPostData"].is_null() && !url.contains('?'), "{url}");
    }
    assert!(requests.len() >= 12, "{}", requests.len());
    assert_eq!(page.evaluate("origin").await, "null", "a stranger to its own server");
    // Requests of a script that somebody smuggled in are stopped, too (a navigation would not be), and it cannot use the mediator
    // with a remembered password.
    let before = elsewhere.cht.requests().len();
    let refused = async |expression: String| {
        let tried =
            format!("(async () => {{ try {{ {expression}; return 'sent'; }} catch {{ return 'refused'; }} }})()");
        page.evaluate(&tried).await
    };
    for url in [elsewhere.cht.url(), format!("{}/health/live", mediator.url)] {
        assert_eq!(refused(format!("await fetch({})", json!(url))).await, "refused", "{url}");
    }
    // Even with the right password on every request, as a browser adds one that it remembers.
    let password = BASE64_STANDARD.encode(format!("{INBOUND_USER}:{INBOUND_PASSWORD}"));
    let headers = json!({"headers": {"authorization": format!("Basic {password}")}});
    page.call("Network.setExtraHTTPHeaders", headers).await;
    let door = format!("{}/mediator/claims-feedback", mediator.url);
    let post = "{ method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}' }";
    refused(format!("await fetch({}, {post})", json!(door))).await;
    let status = eventually("the answer is told", || async {
        let answers = page.events("Network.responseReceived").into_iter().map(|event| event["response"].clone());
        answers.filter(|answer| answer["url"] == door).map(|answer| answer["status"].clone()).next()
    });
    assert_eq!(status.await, 403, "not for a page of another site");
    let smuggled = "document.body.innerHTML = '<img src=x>'".to_owned();
    assert_eq!(refused(smuggled).await, "refused");
    assert_eq!(refused("eval('1')".to_owned()).await, "refused");
    assert_eq!(elsewhere.cht.requests().len(), before, "nothing arrived elsewhere");
    mediator.stop().await;
}

#[tokio::test]
async fn it_can_be_used_without_a_mouse_on_a_telephone_and_by_the_blind() {
    open_page!(browser, mediator, page);
    // The first of the samples by keys alone: link, kind, sample.
    for _ in 0..3 {
        page.press("Tab", 9).await;
    }
    assert_eq!(page.evaluate("document.activeElement.textContent").await, "ClaimResponse");
    page.press("Enter", 13).await;
    page.until("document.querySelector('#status').textContent.startsWith('Mapped')").await;
    // Everything that can be used has a name, and what changes is told.
    page.call("Accessibility.enable", json!({})).await;
    let tree = page.call("Accessibility.getFullAXTree", json!({})).await;
    let mut controls = 0;
    for node in tree["nodes"].as_array().expect("nodes") {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        if ["textbox", "button", "combobox", "spinbutton", "link", "table", "region"].contains(&role) {
            assert!(!node["name"]["value"].as_str().unwrap_or_default().is_empty(), "{role} without a name: {node}");
            controls += 1;
        }
    }
    assert!(controls > 25, "{controls}");
    assert_eq!(page.evaluate("document.querySelector('#status').getAttribute('aria-live')").await, "polite");
    // Light, dark and narrow; nothing is cut off.
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(page.evaluate(fits).await, true);
    save(&page, "playground.png").await;
    let scheme = |value: &str| json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
    click(&page, "#samples button", "Feedback with mistakes").await;
    page.until("document.querySelectorAll('#issues tr').length === 7").await;
    page.call("Emulation.setEmulatedMedia", scheme("dark")).await;
    let ground = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(page.evaluate(ground).await, "rgb(20, 24, 28)");
    save(&page, "playground-dark.png").await;
    page.call("Emulation.setEmulatedMedia", scheme("light")).await;
    let telephone = json!({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true});
    page.call("Emulation.setDeviceMetricsOverride", telephone).await;
    assert_eq!(page.evaluate("document.documentElement.clientWidth").await, 360);
    assert_eq!(page.evaluate(fits).await, true);
    save(&page, "playground-narrow.png").await;
    mediator.stop().await;
}

/// Settings that the page shows are those that the mediator takes if it is not told otherwise.
#[tokio::test]
async fn the_defaults_that_it_shows_are_the_mediators() {
    open_page!(browser, mediator, page);
    let shown =
        page.evaluate("import('./kinds.js').then(({ kinds }) => Object.values(kinds).map(({ settings }) => settings))");
    let defaults =
        json!([claim_response::Settings::default(), feedback::Settings::default(), patient::Settings::default(),]);
    assert_eq!(shown.await, defaults);
    mediator.stop().await;
}

/// As a plain web server does, below `/deep/er/`.
async fn serve_file(mut stream: TcpStream, folder: PathBuf) {
    let Some(request) = read_request(&mut stream).await else { return };
    let path = request.line().trim_start_matches("GET /deep/er/").to_owned();
    let name = if path.is_empty() { "index.html" } else { path.as_str() };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("js" | "mjs") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/json",
    };
    let answer = match std::fs::read(folder.join(name)) {
        Err(_) => http("404 Not Found", "x: y", "").into_bytes(),
        Ok(content) => {
            let length = content.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            [head.into_bytes(), content].concat()
        }
    };
    drop(stream.write_all(&answer).await);
}

#[tokio::test]
async fn it_also_works_as_a_folder_on_any_web_server() {
    let Some(browser) = browser().await else { return };
    let (listener, url) = listener().await;
    let folder = components_dir().with_file_name("playground");
    tokio::spawn(async move {
        // Browsers also connect without asking anything.
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_file(stream, folder.clone()));
        }
    });
    let page = browser.open(&format!("{url}/deep/er/")).await;
    page.until(READY).await;
    click(&page, "#samples button", "Feedback").await;
    page.until("document.querySelector('#status').textContent.startsWith('Mapped')").await;
    let tried = "fetch('https://example.org/').then(() => 'sent', () => 'refused')";
    assert_eq!(page.evaluate(tried).await, "refused");
    let told = page.complaints();
    assert!(told.iter().all(|told| told.to_string().contains("Content Security Policy")), "{told:?}");
    assert!(!told.is_empty(), "the policy of the page itself refused");
}
