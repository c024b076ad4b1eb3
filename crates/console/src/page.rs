//! What all pages share: the frame, the headers, small pieces, and how trouble is told.

use std::sync::Arc;

use axum::extract::Extension;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flow::ports::StoreError;
use flow::{Kind, State};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use url::form_urlencoded;

use super::format::Reader;
use super::texts::Texts;
use super::trouble::Trouble;
use super::visit::{self, Visit};
use super::{Console, HOME, statics};
use crate::settings::Language;

/// Nothing from elsewhere, no inline scripts or styles, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// htmx writes no styles, evaluates nothing, keeps no page in the browser, and asks nobody else.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"historyEnabled":false,"selfRequestsOnly":true,"timeout":30000}"#;

/// Which entry of the menu a page belongs to.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum MenuEntry {
    Overview,
    Messages,
    Patients,
    Facilities,
    Audit,
    Elsewhere,
}

/// A page, or why there is none.
pub(super) type Answer = Result<Response, Trouble>;

/// Middleware: the policy, on everything. `no-store` comes with all answers of the mediator.
pub(super) async fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Not `no-referrer`: with it a browser says of our own forms that they come from nowhere ("Origin: null").
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", HeaderValue::from_static("camera=(), geolocation=(), microphone=()"));
    response
}

/// The frame of every page.
fn frame(reader: &Reader, title: &str, refresh: Option<u32>, top: &Markup, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang=(reader.language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="htmx-config" content=(HTMX);
                title { (title) " – openIMIS mediator" }
                link rel="icon" href=(statics::address("icon.svg"));
                link rel="stylesheet" href=(statics::address("style.css"));
                script defer src=(statics::address("htmx.min.js")) {}
                @if let Some(seconds) = refresh { noscript { meta http-equiv="refresh" content=(seconds); } }
            }
            body {
                a.skip href="#main" { (reader.texts.skip) }
                (top)
                main #main tabindex="-1" { (body) }
            }
        }
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))], page.into_string()).into_response()
}

/// A page for who is signed in.
pub(super) fn full(visit: &Visit, here: MenuEntry, title: &str, body: &Markup) -> Response {
    refreshed(visit, here, title, None, body)
}

/// The same; without scripts it loads itself anew.
pub(super) fn refreshed(visit: &Visit, here: MenuEntry, title: &str, refresh: Option<u32>, body: &Markup) -> Response {
    let t = visit.reader.texts;
    let entry = |page: MenuEntry, address: &str, text: &str| {
        let current = (page == here).then_some("page");
        html! { a href=(address) aria-current=[current] { (text) } }
    };
    let top = html! {
        header.top {
            a.brand href=(HOME) { span.sign aria-hidden="true" {} "openIMIS mediator" }
            nav aria-label=(t.menu) {
                (entry(MenuEntry::Overview, HOME, t.overview))
                (entry(MenuEntry::Messages, "/console/messages", t.messages))
                (entry(MenuEntry::Patients, "/console/patients", t.patients))
                @if visit.has_registry { (entry(MenuEntry::Facilities, "/console/facilities", t.facilities)) }
                (entry(MenuEntry::Audit, "/console/audit", t.audit))
            }
            (languages(&visit.reader, &visit.uri))
            form.out method="post" action="/console/sign-out" {
                (token(visit))
                span.who title=(t.signed_in_as) { (visit.name) }
                button type="submit" { (t.sign_out) }
            }
        }
    };
    let body = html! {
        (body)
        footer { (t.times_in) " " (visit.reader.zone_name()) " · " (env!("CARGO_PKG_VERSION")) }
    };
    frame(&visit.reader, title, refresh, &top, &body)
}

/// A page for anybody.
pub(super) fn bare(reader: &Reader, uri: &Uri, title: &str, body: &Markup) -> Response {
    let top = html! {
        header.top {
            span.brand { span.sign aria-hidden="true" {} "openIMIS mediator" }
            (languages(reader, uri))
        }
    };
    frame(reader, title, None, &top, body)
}

/// A part of a page, for htmx.
pub(super) fn part(body: &Markup) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], body.clone().into_string()).into_response()
}

/// The same page in the other languages.
fn languages(reader: &Reader, uri: &Uri) -> Markup {
    let address = |language: Language| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        query.extend_pairs(pairs.filter(|(name, _)| name != "lang"));
        query.append_pair("lang", language.tag());
        format!("{}?{}", uri.path(), query.finish())
    };
    html! {
        nav.languages aria-label=(reader.texts.language) {
            @for language in Language::ALL {
                @let current = (language == reader.language).then_some("true");
                a href=(address(language)) lang=(language.tag()) hreflang=(language.tag()) aria-current=[current] {
                    (language.name())
                }
            }
        }
    }
}

/// What makes a form ours.
pub(super) fn token(visit: &Visit) -> Markup {
    html! { input type="hidden" name="csrf" value=(visit.csrf); }
}

/// A state as a word with a colour.
pub(super) fn badge(texts: &Texts, state: &str) -> Markup {
    html! { span class={ "badge " (State::from_word(state).map_or("", State::word)) } { (state_word(texts, state)) } }
}

/// A state in the reader's language.
pub(super) fn state_word<'t>(t: &'t Texts, state: &'t str) -> &'t str {
    match State::from_word(state) {
        Some(State::Pending) => t.state_pending,
        Some(State::Leased) => t.state_leased,
        Some(State::Delivered) => t.state_delivered,
        Some(State::Skipped) => t.state_skipped,
        Some(State::Dead) => t.state_dead,
        Some(State::Discarded) => t.state_discarded,
        None => state,
    }
}

/// A kind in the reader's language.
pub(super) fn kind_word<'t>(t: &'t Texts, kind: &'t str) -> &'t str {
    match Kind::from_word(kind) {
        Some(Kind::ClaimResponse) => t.kind_claim_response,
        Some(Kind::Feedback) => t.kind_feedback,
        Some(Kind::Eclaim) => t.kind_eclaim,
        Some(Kind::Adjudication) => t.kind_adjudication,
        Some(Kind::EclaimAnswer) => t.kind_eclaim_answer,
        None => kind,
    }
}

/// Nothing, where something could be.
pub(super) fn none() -> Markup {
    PreEscaped("<span class=\"quiet\">–</span>".to_owned())
}

/// 404, for any address and method.
pub(super) async fn nothing_here(_: Extension<Arc<Visit>>) -> Trouble {
    Trouble::NotFound
}

/// Trouble, told to the reader.
pub(super) fn trouble(visit: &Visit, trouble: &Trouble) -> Response {
    let t = visit.reader.texts;
    let (status, text, detail) = match trouble {
        Trouble::NotFound => (StatusCode::NOT_FOUND, t.trouble_not_found, None),
        Trouble::Foreign => (StatusCode::FORBIDDEN, t.trouble_foreign, None),
        Trouble::Conflict(why) => (StatusCode::CONFLICT, t.trouble_conflict, Some(why.as_str())),
        Trouble::Invalid(why) => (StatusCode::BAD_REQUEST, t.trouble_invalid, Some(why.as_str())),
        Trouble::Store(error) => {
            tracing::error!(%error, "the store failed the console");
            (StatusCode::SERVICE_UNAVAILABLE, t.trouble_store, None)
        }
    };
    let body = html! {
        h1 { (text) }
        @if let Some(detail) = detail { p { (detail) } }
        p { a href=(HOME) { (t.to_overview) } }
    };
    // The address of a form has no page: languages lead to the overview.
    let home = Visit { uri: Uri::from_static(HOME), ..visit.clone() };
    let mut response = full(&home, MenuEntry::Elsewhere, text, &body);
    *response.status_mut() = status;
    response
}

/// The store failed before anybody was known.
pub(super) fn unavailable(console: &Console, headers: &HeaderMap, uri: &Uri, error: &StoreError) -> Response {
    tracing::error!(%error, "the store failed the console");
    let (language, _) = visit::language(console, headers, uri);
    let reader = Reader::new(language, console.zone.clone(), console.now());
    let text = reader.texts.trouble_store;
    let mut response = bare(&reader, uri, text, &html! { h1 { (text) } });
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
