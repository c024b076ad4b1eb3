//! Who is let in to the pages, and that what is posted comes from them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::cookies::{cookie, language_cookie_line, session_cookie, session_cookie_line, set_cookie};
use super::format::Reader;
use super::page;
use super::trouble::Trouble;
use super::visit::{Form, Visit, language};
use super::{Console, FORM_LIMIT_BYTES};
use auth::Caller;
use auth::Scope;

/// Middleware: no session, no page; no token, no action. What a handler tells as trouble becomes a page here.
pub(super) async fn signed_in(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let now = console.now();
    let certificate = request.extensions().get::<Caller>().and_then(|caller| caller.certificate);
    let is_part = request.headers().contains_key("hx-request");
    let mut fresh = None;
    let cookie = cookie(request.headers(), session_cookie(console.secure)).map(str::to_owned);
    let mut found = cookie.and_then(|id| Some((console.sessions.find(&id, certificate, now, !is_part)?, id)));
    if found.is_none()
        && request.method() == Method::GET
        && is_wanted(request.headers())
        && let Some(client) = certificate.and_then(|certificate| console.admission.clients.by_certificate(certificate))
        && client.may(Scope::Admin)
    {
        let name = client.name.clone();
        if let Some(id) = console.sessions.begin(client, certificate, now) {
            let address = request.extensions().get::<Caller>().map(|caller| format!(", from {}", caller.address));
            let detail = format!("by certificate{}", address.unwrap_or_default());
            let audited = console.store.audited(&name, "sign in", None, &detail, now).await;
            if let Err(error) = audited {
                return page::unavailable(&console, request.headers(), request.uri(), &error);
            }
            found = console.sessions.find(&id, certificate, now, true).map(|signed| (signed, id.clone()));
            fresh = Some(id);
        }
    }
    let Some((signed, session)) = found else { return to_sign_in(&request, is_part) };
    let (language, chosen) = language(&console, request.headers(), request.uri());
    let visit = Arc::new(Visit {
        name: signed.client.name.clone(),
        csrf: signed.csrf,
        session,
        shown: signed.shown,
        reader: Reader::new(language, console.zone.clone(), now),
        uri: request.uri().clone(),
        has_registry: console.uses.registry,
        is_part,
    });
    if request.method() != Method::GET && request.method() != Method::HEAD {
        match form(request, &visit).await {
            Ok(with_form) => request = with_form,
            Err(trouble) => return page::trouble(&visit, &trouble),
        }
    }
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    if let Some(trouble) = response.extensions_mut().remove::<Trouble>() {
        response = page::trouble(&visit, &trouble);
    }
    if let Some(id) = fresh {
        set_cookie(&mut response, &session_cookie_line(&id, console.secure));
    }
    if chosen {
        set_cookie(&mut response, &language_cookie_line(language, console.secure));
    }
    response
}

/// Reads the form, and takes it only from our own pages.
async fn form(request: Request, visit: &Visit) -> Result<Request, Trouble> {
    if !is_ours(request.headers()) {
        return Err(Trouble::Foreign);
    }
    let (mut parts, body) = request.into_parts();
    let fields = fields(&parts.headers, body).await.ok_or(Trouble::Foreign)?;
    let token = fields.get("csrf").map(String::as_str).unwrap_or_default();
    if !same(token, &visit.csrf) {
        return Err(Trouble::Foreign);
    }
    parts.extensions.insert(Form(Arc::new(fields)));
    Ok(Request::from_parts(parts, Body::empty()))
}

/// The fields of a form. None: it is something else, or too long.
pub(super) async fn fields(headers: &HeaderMap, body: Body) -> Option<HashMap<String, String>> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.split(';').next()?.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let body = to_bytes(body, FORM_LIMIT_BYTES).await.ok()?;
    Some(form_urlencoded::parse(&body).into_owned().collect())
}

/// Whether a page of this very server sends it. A browser that says nothing of it (an old one, a program) is judged by the token alone.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let host = text("host").unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

/// Whether somebody goes to a page, or a page of ours asks. A certificate comes along with pictures on pages of others, too: they must
/// not make one session after the other.
fn is_wanted(headers: &HeaderMap) -> bool {
    is_ours(headers) || headers.get("sec-fetch-dest").is_some_and(|dest| dest == "document")
}

/// Compares in constant time.
pub(super) fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

fn to_sign_in(request: &Request, is_part: bool) -> Response {
    let mut address = "/console/sign-in".to_owned();
    if request.method() == Method::GET && !is_part && request.uri().path() != super::HOME {
        let path = request.uri().path_and_query().map_or(super::HOME, |path| path.as_str());
        let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
        address = format!("{address}?{next}");
    }
    let address = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/console/sign-in"));
    // A script would put the sign-in page into a part of this one: it is told to go there as a whole.
    match is_part {
        true => (StatusCode::UNAUTHORIZED, [("hx-redirect", address)]).into_response(),
        false => (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response(),
    }
}
