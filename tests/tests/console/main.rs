//! The console: plain HTTP, as a browser without scripts speaks it, and a real browser.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use auth::credential::hash_password;
use mediator_tests::running::{Mediator, config, eventually, sample_claim, sandbox};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use sandbox::Sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

mod act;
mod browse;
mod documents;
mod facilities;
mod guard;
mod hospital;
mod looks;
mod patients;
mod see;
mod session;

const CLAIM: &str = "/mediator/claim-response";
const FEEDBACK: &str = "/mediator/claims-feedback";
const PASSWORD: &str = "only for admins";
/// In a document, and nowhere else.
const NAME: &str = "Sita Kumari Tamang";
const PHONE: &str = "9841234567";

/// A mediator with an admin `sita`, a client `clerk` who is none, and a hospital `bahmni`.
struct Desk {
    mediator: Mediator,
    /// `http://127.0.0.1:<port>` of the admin listener.
    url: String,
    sandbox: Sandbox,
    _dir: TempDir,
}

fn clients() -> &'static str {
    static CLIENTS: OnceLock<String> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let hash = hash_password(&PASSWORD.into()).expect("a hash");
        let client = |name: &str, scope: &str| {
            format!(r#"{{name = "{name}", username = "{name}", password_hash = "{hash}", scopes = ["{scope}"]}}"#)
        };
        format!("[{}, {}, {}]", client("sita", "admin"), client("clerk", "feedback"), client("bahmni", "eclaim"))
    })
}

impl Desk {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(changes: &[(&str, &str)]) -> Self {
        let (sandbox, dir) = (sandbox().await, tempfile::tempdir().expect("a folder"));
        let own = [("clients", clients()), ("admin.listen", "127.0.0.1:0"), ("retry.first", "1h")];
        let changes: Vec<_> = own.iter().chain(changes).copied().collect();
        let mediator = Mediator::start(config(&sandbox, &dir, &changes)).await;
        let address = eventually("the console is served", || async { mediator.host.doors.admin_address.get() }).await;
        let url = format!("http://{address}");
        Self { mediator, url, sandbox, _dir: dir }
    }

    /// A claim of which the document tells a name and a telephone number. Delivered.
    async fn claim(&self) {
        let mut claim: Value = serde_json::from_str(&sample_claim()).expect("JSON");
        claim["disposition"] = json!(format!("for {NAME}, {PHONE}"));
        assert_eq!(self.mediator.post(CLAIM, claim.to_string()).await.status(), StatusCode::ACCEPTED);
        self.mediator.settled().await;
    }

    /// Claims that cannot be mapped.
    async fn dead_letters(&self, count: usize) {
        for number in 0..count {
            let claim = json!({"resourceType": "ClaimResponse", "id": format!("broken-{number}")});
            let answer = self.mediator.post(CLAIM, claim.to_string()).await;
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
    }

    /// Audit lines, newest first: who, what, which message, detail.
    async fn audit(&self) -> Vec<(String, String, Option<i64>, String)> {
        let lines = self.mediator.store().audit(None, 100).await.expect("a store");
        lines.into_iter().map(|line| (line.actor, line.action, line.message_id.map(|id| id.0), line.detail)).collect()
    }

    fn visitor(&self) -> Visitor {
        Visitor::to(&self.url, Client::builder().redirect(Policy::none()))
    }

    /// Somebody who is signed in.
    async fn admin(&self) -> Visitor {
        let mut visitor = self.visitor();
        let answer = visitor.sign_in("sita", PASSWORD, "").await;
        assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some("/console")));
        visitor
    }
}

/// A browser without scripts: it keeps cookies, fills forms in, follows nothing by itself.
struct Visitor {
    client: Client,
    url: String,
    cookies: BTreeMap<String, String>,
    /// Whole `Set-Cookie` lines of the last answer.
    set: Vec<String>,
}

/// An answer.
struct Seen {
    status: StatusCode,
    location: Option<String>,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Visitor {
    fn to(url: &str, client: reqwest::ClientBuilder) -> Self {
        let client = client.build().expect("a client");
        Self { client, url: url.to_owned(), cookies: BTreeMap::new(), set: Vec::new() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, format!("{}{path}", self.url));
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    async fn send(&mut self, request: RequestBuilder) -> Seen {
        self.take(request.send().await.expect("an answer")).await
    }

    async fn take(&mut self, answer: Response) -> Seen {
        let headers = answer.headers().clone();
        let lines = headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text").to_owned());
        self.set = lines.collect();
        for line in &self.set {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            match line.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let location = headers.get("location").map(|to| to.to_str().expect("text").to_owned());
        Seen { status: answer.status(), location, headers, text: answer.text().await.expect("text") }
    }

    async fn get(&mut self, path: &str) -> Seen {
        self.send(self.ask(Method::GET, path)).await
    }

    /// A page that has to be there.
    async fn page(&mut self, path: &str) -> String {
        let seen = self.get(path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.text);
        seen.text
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.send(filled(self.ask(Method::POST, path), fields)).await
    }

    /// Fills a form of a page in and sends it.
    async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Seen {
        let page = self.page(page).await;
        let token = hidden(&page, "csrf").expect("a token");
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        self.post(path, &fields).await
    }

    async fn sign_in(&mut self, username: &str, password: &str, next: &str) -> Seen {
        let page = self.page("/console/sign-in").await;
        let form = hidden(&page, "form").expect("a token");
        let fields = [("username", username), ("password", password), ("form", &form), ("next", next)];
        self.post("/console/sign-in", &fields).await
    }
}

/// A request with a form, as a browser writes it.
fn filled(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let written = Url::parse_with_params("http://form/", fields).expect("an address");
    let body = written.query().unwrap_or_default().to_owned();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

/// The page without its tags.
fn words(page: &str) -> String {
    let mut words = String::new();
    let mut is_tag = false;
    for character in page.chars() {
        match character {
            '<' => is_tag = true,
            '>' => is_tag = false,
            other if !is_tag => words.push(other),
            _ => {}
        }
    }
    words
}
