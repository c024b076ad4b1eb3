//! Signing in and out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flow::ports::StoreError;
use maud::html;
use secrecy::SecretString;
use url::form_urlencoded;

use super::format::Reader;
use super::visit::{self, Visit};
use super::{Console, HOME, page, session};
use super::{cookies, session_layer};
use auth::Caller;
use auth::Scope;
use auth::refusal_log::Who;
use auth::{Client, Refused};

/// The form.
pub(super) async fn ask(State(console): State<Arc<Console>>, headers: HeaderMap, uri: Uri) -> Response {
    form(&console, &headers, &uri, &next(uri.query().unwrap_or_default()), None)
}

/// `next`: where the sign-in leads.
fn form(console: &Console, headers: &HeaderMap, uri: &Uri, next: &str, problem: Option<Problem>) -> Response {
    let (language, chosen) = visit::language(console, headers, uri);
    let reader = Reader::new(language, console.zone.clone(), console.now());
    let t = reader.texts;
    // There is no session yet whose token it could bring along: a cookie that only we can set has the same word.
    let name = cookies::form_cookie(console.secure);
    let kept = cookies::cookie(headers, name).filter(|kept| kept.len() == 64).map(str::to_owned);
    let Some(token) = kept.or_else(session::random) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (status, problem) = match problem {
        None => (StatusCode::OK, None),
        Some(Problem::Wrong) => (StatusCode::FORBIDDEN, Some(t.sign_in_wrong)),
        Some(Problem::NoAdmin) => (StatusCode::FORBIDDEN, Some(t.sign_in_no_admin)),
        Some(Problem::Foreign) => (StatusCode::FORBIDDEN, Some(t.trouble_foreign)),
        Some(Problem::Throttled) => (StatusCode::TOO_MANY_REQUESTS, Some(t.sign_in_throttled)),
        Some(Problem::Store) => (StatusCode::SERVICE_UNAVAILABLE, Some(t.trouble_store)),
    };
    let body = html! {
        form.sign-in method="post" action="/console/sign-in" {
            h1 { (t.sign_in_title) }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            input type="hidden" name="form" value=(token);
            input type="hidden" name="next" value=(next);
            label for="username" { (t.username) }
            input #username name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus;
            label for="password" { (t.password) }
            input #password name="password" type="password" autocomplete="current-password" required;
            button.main type="submit" { (t.sign_in) }
            p.quiet { (t.sign_in_who) }
        }
    };
    let mut response = page::bare(&reader, uri, t.sign_in_title, &body);
    *response.status_mut() = status;
    cookies::set_cookie(&mut response, &cookies::cookie_line(name, &token, console.secure));
    if chosen {
        cookies::set_cookie(&mut response, &cookies::language_cookie_line(language, console.secure));
    }
    response
}

/// Why nobody was signed in.
#[derive(Clone, Copy)]
enum Problem {
    Wrong,
    Throttled,
    NoAdmin,
    Foreign,
    Store,
}

/// User and password are looked at.
pub(super) async fn check(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Response {
    let fields = session_layer::fields(&headers, body).await.unwrap_or_default();
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let again = |problem| form(&console, &headers, &uri, next_page(field("next")), Some(problem));
    let kept = cookies::cookie(&headers, cookies::form_cookie(console.secure)).unwrap_or_default();
    if !session_layer::is_ours(&headers) || !session_layer::same(field("form"), kept) {
        return again(Problem::Foreign);
    }
    let password = SecretString::from(field("password"));
    let admission = &console.admission;
    let recognised =
        admission.clients.sign_in(field("username").to_owned(), password, &caller, &admission.limits).await;
    let (problem, audited) = match recognised {
        Ok(client) if client.may(Scope::Admin) => match enter(&console, client, &headers, &caller).await {
            Ok(Some(id)) => {
                let mut response = to(next_page(field("next")));
                cookies::set_cookie(&mut response, &cookies::session_cookie_line(&id, console.secure));
                return response;
            }
            Ok(None) => (Problem::Store, Ok(())),
            Err(error) => (Problem::Store, Err(error)),
        },
        Ok(client) => (Problem::NoAdmin, refused(&console, &client.name, "has not the scope admin", &caller).await),
        // Not the user's name: people type their password there.
        Err(Refused::Wrong | Refused::Missing | Refused::Token(_)) => {
            (Problem::Wrong, refused(&console, "unknown", "wrong password or unknown user", &caller).await)
        }
        Err(Refused::Throttled(_)) => {
            let text = "too many wrong passwords: none is tried for a while";
            (Problem::Throttled, refused(&console, "unknown", text, &caller).await)
        }
    };
    if let Err(error) = audited {
        tracing::error!(%error, "a sign-in could not be noted in the audit trail");
        return again(Problem::Store);
    }
    again(problem)
}

/// A new session; one that the browser had before ends.
async fn enter(
    console: &Console,
    client: Arc<Client>,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Option<String>, StoreError> {
    let now = console.now();
    let detail = format!("by password, from {}", caller.address);
    console.store.audited(&client.name, "sign in", None, &detail, now).await?;
    tracing::info!(client = client.name, "signed in to the console");
    if let Some(old) = cookies::cookie(headers, cookies::session_cookie(console.secure)) {
        console.sessions.end(old);
    }
    Ok(console.sessions.begin(client, None, now))
}

/// Some of many: whoever guesses must neither fill the log nor the audit trail, whose lines stay.
async fn refused(console: &Console, who: &str, why: &'static str, caller: &Caller) -> Result<(), StoreError> {
    let (admission, address) = (&console.admission, caller.address);
    if let Some(left_out) = admission.is_logged(why, Who::at(address)) {
        tracing::warn!(%address, left_out, "a sign-in to the console was refused: {why}");
    }
    let Some(left_out) = admission.audited.worth_logging(why, Who::at(address)) else { return Ok(()) };
    let like_it =
        if left_out > 0 { format!(" ({left_out} like it before are not in the trail)") } else { String::new() };
    let detail = format!("{why}, from {address}{like_it}");
    console.store.audited(who, "sign-in refused", None, &detail, console.now()).await
}

/// The session ends.
pub(super) async fn leave(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Response {
    console.sessions.end(&visit.session);
    let audited = console.store.audited(&visit.name, "sign out", None, "", console.now()).await;
    if let Err(error) = audited {
        tracing::error!(%error, "a sign-out could not be noted in the audit trail");
    }
    let mut response = to("/console/sign-in");
    let gone = format!("{}; Max-Age=0", cookies::session_cookie_line("", console.secure));
    cookies::set_cookie(&mut response, &gone);
    response
}

/// Where a sign-in leads, as the address says it.
fn next(query: &str) -> String {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    next_page(&found.map(|(_, value)| value.into_owned()).unwrap_or_default()).to_owned()
}

/// A page of the console, whatever is asked for.
fn next_page(wanted: &str) -> &str {
    let path = wanted.split('?').next().unwrap_or_default();
    let is_page = (path == HOME || path.starts_with("/console/")) && !path.contains("//") && !path.contains("sign-");
    let is_plain = wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_page && is_plain { wanted } else { HOME }
}

/// To another page, by GET.
pub(super) fn to(address: &str) -> Response {
    let address = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static(HOME));
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}
