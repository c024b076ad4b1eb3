//! The playground as it is served: to everybody, unchanged from what a folder of files would serve, and shut off from everything else.

use mediator_tests::running::{components_dir, workspace};
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, LOCATION};
use reqwest::{Client, Method, StatusCode};
use tempfile::tempdir;

use crate::mediator;

fn text(headers: &HeaderMap, name: impl AsRef<str>) -> &str {
    headers.get(name.as_ref()).map(|value| value.to_str().expect("text")).unwrap_or_default()
}

/// Every file and its content type.
const FILES: [(&str, &str); 20] = [
    ("style.css", "text/css; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
    ("index.html", "text/html; charset=utf-8"),
    ("page.js", "text/javascript; charset=utf-8"),
    ("forms.js", "text/javascript; charset=utf-8"),
    ("json.js", "text/javascript; charset=utf-8"),
    ("kinds.js", "text/javascript; charset=utf-8"),
    ("engine.js", "text/javascript; charset=utf-8"),
    ("mapping/web.mjs", "text/javascript; charset=utf-8"),
    ("mapping/face.mjs", "text/javascript; charset=utf-8"),
    ("mapping/memory.mjs", "text/javascript; charset=utf-8"),
    ("mapping/mapping.mjs", "text/javascript; charset=utf-8"),
    ("mapping/mapping_bg.wasm", "application/wasm"),
    ("samples/claim-response.json", "application/json"),
    ("samples/claim-response-bad.json", "application/json"),
    ("samples/feedback.json", "application/json"),
    ("samples/feedback-bad.json", "application/json"),
    ("samples/patient.json", "application/json"),
    ("samples/patient.settings.json", "application/json"),
    ("samples/patient-bad.json", "application/json"),
];

#[tokio::test]
async fn everybody_gets_the_page_with_a_policy_that_shuts_it_off() {
    let dir = tempdir().expect("a folder");
    let mediator = mediator(&dir, &[]).await;
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let redirect = client.get(format!("{}/playground", mediator.url)).send().await.expect("an answer");
    assert_eq!(redirect.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(text(redirect.headers(), LOCATION), "playground/");
    // As a link from a page elsewhere: it may lead here.
    let asked = client.get(format!("{}/playground/", mediator.url)).header("sec-fetch-site", "cross-site");
    let page = asked.send().await.expect("an answer");
    assert_eq!(page.status(), StatusCode::OK);
    let headers = page.headers().clone();
    let policy = text(&headers, "content-security-policy");
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "sandbox allow-scripts"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'") && !policy.contains('*'),
        "{policy}"
    );
    assert!(!policy.contains("allow-same-origin"), "{policy}");
    assert_eq!(text(&headers, "x-content-type-options"), "nosniff");
    assert_eq!(text(&headers, "referrer-policy"), "no-referrer");
    let html = page.text().await.expect("text");
    // For other web servers the page says it itself; a meta element knows neither of these two.
    let own = policy.split("; ").filter(|part| !part.starts_with("frame-ancestors") && !part.starts_with("sandbox"));
    assert!(html.contains(&format!("content=\"{}\"", own.collect::<Vec<_>>().join("; "))), "{policy}");
    mediator.stop().await;
}

#[tokio::test]
async fn what_is_served_is_what_the_folder_holds_and_is_sent_only_once() {
    let dir = tempdir().expect("a folder");
    let mediator = mediator(&dir, &[]).await;
    let folder = components_dir().with_file_name("playground");
    for (name, content_type) in FILES {
        let url = format!("{}/playground/{name}", mediator.url);
        let answer = mediator.client.get(&url).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let headers = answer.headers().clone();
        assert_eq!(text(&headers, CONTENT_TYPE), content_type, "{name}");
        assert_eq!(text(&headers, CACHE_CONTROL), "no-cache", "{name}");
        let in_folder = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(answer.bytes().await.expect("a body") == in_folder, "{name}: run `cargo xtask build`");
        let again = mediator.client.get(&url).header(IF_NONE_MATCH, text(&headers, ETAG)).send().await;
        let again = again.expect("an answer");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{name}");
        assert!(again.bytes().await.expect("no body").is_empty(), "{name}");
        let changed = mediator.client.get(&url).header(IF_NONE_MATCH, "\"another\"").send().await;
        assert_eq!(changed.expect("an answer").status(), StatusCode::OK, "{name}");
    }
    mediator.stop().await;
}

#[tokio::test]
async fn it_can_only_be_read_and_holds_nothing_else() {
    let dir = tempdir().expect("a folder");
    let mediator = mediator(&dir, &[]).await;
    let ask = async |method: Method, path: &str| {
        let answer = mediator.client.request(method, format!("{}{path}", mediator.url)).send().await;
        answer.expect("an answer").status()
    };
    assert_eq!(ask(Method::HEAD, "/playground/page.js").await, StatusCode::OK);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(ask(method, "/playground/").await, StatusCode::METHOD_NOT_ALLOWED);
    }
    for path in
        ["other.js", "mapping/", "mapping/package.json", "mapping/..%2f..%2fskipped.txt", "%2e%2e/skipped.txt", "//"]
    {
        assert_eq!(ask(Method::GET, &format!("/playground/{path}")).await, StatusCode::NOT_FOUND, "{path}");
    }
    mediator.stop().await;
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let dir = tempdir().expect("a folder");
    let mediator = mediator(&dir, &[("playground.enabled", "false")]).await;
    for path in ["/playground", "/playground/", "/playground/page.js"] {
        let answer = mediator.client.get(format!("{}{path}", mediator.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    mediator.stop().await;
}

#[tokio::test]
async fn without_its_mapping_the_page_says_what_makes_it() {
    let dir = tempdir().expect("a folder");
    let elsewhere = dir.path().display().to_string();
    let mediator = mediator(&dir, &[("playground.dir", &elsewhere)]).await;
    let answer = mediator.client.get(format!("{}/playground/", mediator.url)).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.expect("text").contains("cargo xtask build"));
    let ready = mediator.client.get(format!("{}/health/ready", mediator.url)).send().await.expect("an answer");
    assert_eq!(ready.status(), StatusCode::OK, "all else works");
    // Built while the mediator runs, it is served without a new start.
    let mapping = dir.path().join("mapping");
    std::fs::create_dir(&mapping).expect("a folder");
    let built = components_dir().with_file_name("playground").join("mapping");
    for file in std::fs::read_dir(&built).expect("run `cargo xtask build`").flatten() {
        std::fs::copy(file.path(), mapping.join(file.file_name())).expect("a copy");
    }
    let answer = mediator.client.get(format!("{}/playground/", mediator.url)).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    mediator.stop().await;
}

#[tokio::test]
async fn a_mapping_of_another_version_is_not_shown_as_this_mediators() {
    let dir = tempdir().expect("a folder");
    let mapping = dir.path().join("mapping");
    std::fs::create_dir(&mapping).expect("a folder");
    let built = components_dir().with_file_name("playground").join("mapping");
    for file in std::fs::read_dir(&built).expect("run `cargo xtask build`").flatten() {
        std::fs::copy(file.path(), mapping.join(file.file_name())).expect("a copy");
    }
    let elsewhere = dir.path().display().to_string();
    let status = async || {
        let mediator = mediator(&dir, &[("playground.dir", &elsewhere)]).await;
        let answer = mediator.client.get(format!("{}/playground/", mediator.url)).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("text"));
        mediator.stop().await;
        (status, text.contains("of another version than this mediator"))
    };
    assert_eq!(status().await, (StatusCode::OK, false));
    for manifest in [r#"{"version": "0.0.1"}"#, "{}", "no JSON"] {
        std::fs::write(mapping.join("package.json"), manifest).expect("a file");
        assert_eq!(status().await, (StatusCode::SERVICE_UNAVAILABLE, true), "{manifest}");
    }
}

#[test]
fn the_page_links_to_nothing_but_its_documentation() {
    let page = workspace().join("host/playground");
    for entry in std::fs::read_dir(page).expect("a folder") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        for (at, _) in
            text.match_indices("//").filter(|(at, _)| text[..*at].ends_with("http:") || text[..*at].ends_with("https:"))
        {
            let rest = &text[at..];
            let allowed = ["//github.com/openimis/openimis-mediator/", "//www.w3.org/2000/svg"];
            assert!(allowed.iter().any(|allowed| rest.starts_with(allowed)), "{}: {rest:.60}", path.display());
        }
    }
}
