//! The console in a real browser: what people see and do, by mouse, by keys, on a phone, in three languages.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mediator_tests::browser::{Browser, Page, program};
use mediator_tests::running::{components_dir, sample_feedback, skipped};

use super::*;

/// A browser, or none here: that is said aloud.
async fn browser() -> Option<Browser> {
    match program() {
        Some(program) => Some(Browser::start(&program).await),
        None => {
            skipped("tests/tests/console (the pages in a browser)", "Chromium is not here");
            None
        }
    }
}

async fn signed_in<'b>(browser: &'b Browser, desk: &Desk) -> Page<'b> {
    let page = browser.open(&format!("{}/console/sign-in?lang=en", desk.url)).await;
    type_into(&page, "#username", "sita").await;
    type_into(&page, "#password", PASSWORD).await;
    page.leave("document.querySelector('.sign-in button').click()").await;
    page
}

async fn type_into(page: &Page<'_>, selector: &str, typed: &str) {
    page.evaluate(&format!("document.querySelector({}).focus()", json!(selector))).await;
    page.insert(typed).await;
}

async fn text(page: &Page<'_>, selector: &str) -> String {
    let text = page.evaluate(&format!("document.querySelector({}).innerText", json!(selector))).await;
    text.as_str().unwrap_or_else(|| panic!("{selector}: {text}")).to_owned()
}

/// Clicks what has a label and leads to another page.
async fn follow(page: &Page<'_>, label: &str) {
    let find = "[...document.querySelectorAll('a, button')].find((one) => one.innerText.includes(LABEL)).click()";
    page.leave(&find.replace("LABEL", &json!(label).to_string())).await;
}

async fn size(page: &Page<'_>, width: u32, height: u32, scheme: &str) {
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
    page.call("Emulation.setDeviceMetricsOverride", metrics).await;
    let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    page.call("Emulation.setEmulatedMedia", features).await;
}

/// For people to look at, beside the components.
async fn save(page: &Page<'_>, name: &str) {
    let picture = BASE64_STANDARD.decode(page.screenshot().await).expect("base64");
    let path = components_dir().with_file_name(format!("console-{name}.png"));
    std::fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Nothing that a page says of itself is a fault, and it asks its own server only.
fn is_quiet_and_alone(page: &Page<'_>, desk: &Desk) {
    assert_eq!(page.complaints(), Vec::<Value>::new());
    let asked = page.events("Network.requestWillBeSent");
    assert!(!asked.is_empty());
    for request in &asked {
        let url = request["request"]["url"].as_str().expect("an address");
        // "data:" are the browser's own pictures, in its fields for dates.
        assert!(url.starts_with(&desk.url) || url.starts_with("data:"), "{url}");
    }
}

/// A mediator with a delivered claim, its feedback, and dead letters.
async fn busy_desk() -> Desk {
    let desk = Desk::open().await;
    desk.claim().await;
    desk.mediator.post(FEEDBACK, sample_feedback()).await;
    desk.dead_letters(3).await;
    desk.mediator.settled().await;
    desk
}

#[tokio::test]
async fn signing_in_works_by_keys_alone_and_wrong_passwords_are_told() {
    let Some(browser) = browser().await else { return };
    let desk = busy_desk().await;
    let page = browser.open(&format!("{}/console/messages?lang=en", desk.url)).await;
    assert_eq!(text(&page, "h1").await, "Sign in to the mediator");
    page.until("document.activeElement.id === 'username'").await;
    page.insert("sita").await;
    page.press("Tab", 9).await;
    page.insert("wrong").await;
    page.evaluate("window.leaving = true").await;
    page.press("Enter", 13).await;
    page.until("window.leaving === undefined && document.readyState === 'complete'").await;
    assert_eq!(text(&page, "[role=alert]").await, "The user or the password is wrong.");
    page.until("document.activeElement.id === 'username'").await;
    page.insert("sita").await;
    page.press("Tab", 9).await;
    page.insert(PASSWORD).await;
    page.evaluate("window.leaving = true").await;
    page.press("Enter", 13).await;
    page.until("window.leaving === undefined && document.readyState === 'complete'").await;
    assert_eq!(text(&page, "h1").await, "Messages", "where one wanted to go");

    // The first stop is the way past the menu; what has the focus can be seen.
    page.press("Tab", 9).await;
    assert_eq!(page.evaluate("document.activeElement.className").await, "skip");
    assert_eq!(page.evaluate("document.activeElement.getBoundingClientRect().top >= 0").await, true);
    page.press("Enter", 13).await;
    page.until("document.activeElement.id === 'main'").await;
    let mut stops = Vec::new();
    for _ in 0..9 {
        page.press("Tab", 9).await;
        let stop = "(() => { const one = document.activeElement, style = getComputedStyle(one); \
            return [one.name || one.innerText, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]; })()";
        let stop = page.evaluate(stop).await;
        assert_eq!(stop[1], true, "the focus on {} cannot be seen", stop[0]);
        stops.push(stop[0].as_str().expect("a name").to_owned());
    }
    assert_eq!(stops[..4], ["state", "kind", "claim", "insuree"]);
    desk.mediator.stop().await;
}

#[tokio::test]
async fn a_message_is_found_looked_at_retried_and_discarded() {
    let Some(browser) = browser().await else { return };
    let desk = busy_desk().await;
    let page = signed_in(&browser, &desk).await;
    assert_eq!(text(&page, "h1").await, "Overview");
    page.until("document.querySelector('.alarm').innerText.includes(': 3')").await;
    save(&page, "overview").await;

    follow(&page, "Messages").await;
    page.evaluate("document.querySelector('#f-state').value = 'delivered'").await;
    type_into(&page, "#f-claim", "CHT979").await;
    follow(&page, "Find").await;
    assert_eq!(page.evaluate("location.search").await, "?state=delivered&claim=CHT979");
    assert_eq!(page.evaluate("document.querySelectorAll('tbody tr').length").await, 2);
    assert_eq!(page.evaluate("document.querySelector('#f-claim').value").await, "CHT979");
    page.leave("[...document.querySelectorAll('tbody th a')].find((one) => one.innerText === '1').click()").await;
    assert_eq!(text(&page, "h1").await, "Message 1 · CHT979");
    assert!(!text(&page, "main").await.contains(NAME));
    save(&page, "message-hidden").await;

    follow(&page, "Show patient data").await;
    assert!(text(&page, "main").await.contains(NAME));
    let marked = "JSON.stringify([...document.querySelectorAll('.side')].map((side) => \
        [...side.querySelectorAll('mark')].map((mark) => mark.innerText.trim()).filter((text) => text.includes('CHT979')).length))";
    assert_eq!(page.evaluate(marked).await, "[1,1]", "the claim's code is in both documents");
    size(&page, 1280, 1700, "light").await;
    save(&page, "message").await;
    let audited = desk.audit().await;
    assert_eq!((audited[0].1.as_str(), audited[0].2), ("read documents", Some(1)));
    follow(&page, "Hide patient data").await;
    assert!(!text(&page, "main").await.contains(NAME));

    page.go(&format!("{}/console/messages/4", desk.url)).await;
    size(&page, 1280, 1300, "light").await;
    save(&page, "dead-letter").await;
    follow(&page, "Retry now").await;
    desk.mediator.settled().await;
    page.go(&format!("{}/console/messages/4", desk.url)).await;
    assert!(text(&page, ".timeline").await.contains("Retry asked for"));
    page.evaluate("document.querySelector('summary').click()").await;
    type_into(&page, "#why", "a test claim").await;
    page.leave("document.querySelector('button.danger').click()").await;
    assert_eq!(text(&page, ".title .badge").await, "Discarded");
    let audited = desk.audit().await;
    assert_eq!((audited[0].1.as_str(), audited[0].2, audited[0].3.as_str()), ("discard", Some(4), "a test claim"));
    is_quiet_and_alone(&page, &desk);
    desk.mediator.stop().await;
}

#[tokio::test]
async fn a_retry_of_many_is_followed_to_a_hundred_per_cent_without_loading_the_page_anew() {
    let Some(browser) = browser().await else { return };
    let desk = Desk::open().await;
    desk.dead_letters(700).await;
    let page = signed_in(&browser, &desk).await;
    page.go(&format!("{}/console/messages?state=dead", desk.url)).await;
    follow(&page, "Retry all that fit: 700").await;
    assert!(text(&page, "main").await.contains("Dead letter"));
    follow(&page, "Retry now").await;
    page.evaluate("window.stayed = true").await;
    page.until("document.querySelector('progress').value === 100").await;
    assert_eq!(page.evaluate("window.stayed").await, true);
    assert_eq!(text(&page, "[role=status] p").await, "100 % · Done: 700 of 700 put back");
    save(&page, "bulk").await;
    is_quiet_and_alone(&page, &desk);
    desk.mediator.stop().await;
}

#[tokio::test]
async fn the_overview_refreshes_itself() {
    let Some(browser) = browser().await else { return };
    let desk = busy_desk().await;
    let page = signed_in(&browser, &desk).await;
    page.until("document.querySelector('.alarm').innerText.includes(': 3')").await;
    desk.dead_letters(5).await; // three of them were there before
    page.evaluate("document.querySelector('#dead').focus()").await;
    // Sooner than in ten seconds: the part is asked for as htmx does it.
    page.until(
        "(htmx.ajax('GET', '/console/overview', {target: '#overview', swap: 'innerHTML'}), \
         document.querySelector('.alarm').innerText.includes(': 5'))",
    )
    .await;
    assert_eq!(page.evaluate("document.activeElement.id").await, "dead", "the focus stays where it was");
    is_quiet_and_alone(&page, &desk);
    desk.mediator.stop().await;
}

/// What every page has to have for those who hear it or use keys.
const FAULTS: &str = r"(() => {
  const faults = [], all = (what) => [...document.querySelectorAll(what)];
  if (!document.documentElement.lang) faults.push('no language');
  if (all('h1').length !== 1) faults.push('h1: ' + all('h1').length);
  if (!document.title) faults.push('no title');
  if (all('main').length !== 1) faults.push('main: ' + all('main').length);
  for (const field of all('input:not([type=hidden]), select, textarea'))
    if (!field.labels.length && !field.ariaLabel) faults.push('no label: ' + field.outerHTML);
  for (const one of all('a, button, summary')) if (!one.textContent.trim() && !one.ariaLabel) faults.push('no text: ' + one.outerHTML);
  for (const one of all('[tabindex]')) if (one.tabIndex > 0) faults.push('tabindex: ' + one.outerHTML);
  for (const table of all('table')) {
    if (!table.caption) faults.push('a table without a caption');
    for (const head of table.querySelectorAll('thead th')) if (head.scope !== 'col') faults.push('scope: ' + head.outerHTML);
  }
  for (const nav of all('nav, section')) if (!nav.ariaLabel && !nav.hasAttribute('aria-labelledby')) faults.push('no name: ' + nav.outerHTML);
  for (const one of all('[aria-labelledby]')) if (!document.getElementById(one.getAttribute('aria-labelledby'))) faults.push('names nothing: ' + one.outerHTML);
  const ids = all('[id]').map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push('twice: ' + id);
  let level = 1;
  for (const head of all('h1, h2, h3, h4')) {
    const own = Number(head.tagName[1]);
    if (own > level + 1) faults.push('skips a level: ' + head.innerText);
    level = own;
  }
  return faults;
})()";

#[tokio::test]
async fn every_page_is_sound_in_every_language_on_a_phone_and_in_the_dark() {
    let Some(browser) = browser().await else { return };
    let desk = busy_desk().await;
    let page = signed_in(&browser, &desk).await;
    let mut paths = vec!["", "/messages", "/messages/1", "/messages/2", "/messages/3"];
    paths.extend(["/subscriptions", "/retry?state=dead", "/patients", "/audit"]);
    is_sound(&page, &desk, &paths, "").await;
    is_quiet_and_alone(&page, &desk);
    desk.mediator.stop().await;
}

#[tokio::test]
async fn the_pages_of_a_hospitals_claim_are_sound_as_well() {
    let Some(browser) = browser().await else { return };
    let (desk, hospital, messages) = super::hospital::paid_claim().await;
    let page = signed_in(&browser, &desk).await;
    let paths: Vec<String> = messages.iter().map(|message| format!("/messages/{}", message.summary.id)).collect();
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.extend(["", "/messages?kind=eclaim-answer"]);
    is_sound(&page, &desk, &paths, "hospital-").await;
    is_quiet_and_alone(&page, &desk);
    drop(page);
    desk.mediator.stop().await;
    drop(hospital);
}

/// In each language, on a telephone and on a screen, in light and dark.
async fn is_sound(page: &Page<'_>, desk: &Desk, paths: &[&str], shot: &str) {
    for (language, title, width, scheme) in
        [("ne", "सिंहावलोकन", 360, "light"), ("fr", "Vue d’ensemble", 360, "dark"), ("en", "Overview", 1280, "dark")]
    {
        size(page, width, 800, scheme).await;
        page.go(&format!("{}/console?lang={language}", desk.url)).await;
        assert_eq!(text(page, "h1").await, title);
        for path in paths {
            page.go(&format!("{}/console{path}", desk.url)).await;
            assert_eq!(page.evaluate("document.documentElement.lang").await, language, "{path}: the language stays");
            assert_eq!(page.evaluate(FAULTS).await, json!([]), "{path} in {language}");
            let wide = page.evaluate("document.documentElement.scrollWidth").await;
            assert!(
                wide.as_u64().is_some_and(|wide| wide <= u64::from(width)),
                "{path} in {language}: {wide} of {width}"
            );
            let name = path.trim_start_matches('/').split('?').next().unwrap_or_default().replace('/', "-");
            save(page, &format!("{shot}{language}-{width}-{name}")).await;
        }
    }
}
