//! The FHIR routes, and who may use them.

use super::{
    super::{OPENIMIS_PASSWORD, USER, server},
    BASE, OpenImis,
    claim::Claim,
    communication,
    fhir::identifier_value,
    graphql,
    lists::{Ask, bundle},
    officer,
    refusal::{Refusal, json_body},
    subscription::Subscription,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

const TOKEN_SECONDS: i64 = 24 * 60 * 60;

type Answer = Result<Json<Value>, Refusal>;
type Created = Result<(StatusCode, Json<Value>), Refusal>;

pub(super) fn router(openimis: &OpenImis) -> Router {
    let at = |path: &str| format!("{BASE}{path}");
    Router::new()
        .route(&at("Subscription/"), get(list_subscriptions).post(subscribe))
        .route(&at("Subscription/{id}/"), get(get_subscription).put(put_subscription).delete(delete_subscription))
        .route(&at("Claim/"), get(list_claims).post(post_claim))
        .route(&at("Claim/{id}/"), get(get_claim))
        .route(&at("ClaimResponse/"), get(list_claim_responses))
        .route(&at("ClaimResponse/{id}/"), get(get_claim_response))
        .route(&at("CommunicationRequest/"), get(list_communication_requests))
        .route(&at("CommunicationRequest/{id}/"), get(get_communication_request))
        .route(&at("Communication/"), get(list_communications).post(post_communication))
        .route(&at("Communication/{id}/"), get(without_user))
        .route(&at("Patient/"), get(list_patients))
        .route(&at("Patient/{id}/"), get(get_patient))
        .route(&at("Location/"), get(list_locations))
        .route(&at("Location/{id}/"), get(without_user))
        .route(graphql::PATH, post(graphql::answer))
        .layer(middleware::from_fn_with_state(openimis.clone(), authenticate))
        .route(&at("login/"), post(login))
        .route("/sandbox/claim", post(officer::decide))
        .route("/", get(page))
        .method_not_allowed_fallback(not_allowed)
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(openimis.0.gate.clone(), server::pass))
        .with_state(openimis.clone())
}

async fn page(State(openimis): State<OpenImis>) -> Html<String> {
    Html(super::page::show(&openimis))
}

async fn not_allowed(method: Method) -> Refusal {
    Refusal::fatal(405, format!("Method \"{method}\" not allowed."))
}

/// Django sends on whoever forgot the slash at the end.
async fn elsewhere(uri: Uri) -> Response {
    if uri.path().ends_with('/') {
        return Refusal::NoSuchPage.into_response();
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("{}/{query}", uri.path()))]).into_response()
}

async fn login(State(openimis): State<OpenImis>, body: Bytes) -> Result<Response, Refusal> {
    let sent = json_body(&body)?;
    let given = |field: &str| sent[field].as_str().filter(|text| !text.is_empty());
    let (Some(user), Some(password)) = (given("username"), given("password")) else {
        return Ok((StatusCode::BAD_REQUEST, Json("Missing username or password")).into_response());
    };
    if (user, password) != (USER, OPENIMIS_PASSWORD) {
        return Ok((StatusCode::UNAUTHORIZED, Json("INCORRECT_CREDENTIALS")).into_response());
    }
    let token = format!("sandbox.{}.{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let exp = Timestamp::now().as_second() + TOKEN_SECONDS;
    let mut state = openimis.state();
    state.logins += 1;
    state.tokens.insert(token.clone(), exp);
    Ok(Json(json!({"token": token, "exp": exp})).into_response())
}

async fn authenticate(State(openimis): State<OpenImis>, request: Request, next: Next) -> Response {
    match check(&openimis, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(text) => Refusal::fatal(401, text).into_response(),
    }
}

fn check(openimis: &OpenImis, headers: &HeaderMap) -> Result<(), &'static str> {
    let header = headers.get(header::AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    let (scheme, credentials) = header.split_once(' ').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" if credentials == STANDARD.encode(format!("{USER}:{OPENIMIS_PASSWORD}")) => Ok(()),
        "basic" => Err("Invalid username/password."),
        "bearer" => {
            let exp = openimis.state().tokens.get(credentials).copied();
            exp.filter(|exp| *exp > Timestamp::now().as_second()).map(|_| ()).ok_or("INCORRECT_CREDENTIALS")
        }
        _ => Err("Authentication credentials were not provided."),
    }
}

/// openIMIS's own bug: single Locations and Communications cannot be read.
async fn without_user() -> Refusal {
    Refusal::exception("Converter init need a valid user")
}

async fn list_subscriptions(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    let rows = state.subscriptions.iter().map(|subscription| (subscription.updated, subscription));
    bundle(&mut state.totals, &ask, rows, Subscription::resource).map(Json)
}

async fn subscribe(State(openimis): State<OpenImis>, body: Bytes) -> Created {
    let subscription = Subscription::read(&json_body(&body)?)?;
    let resource = subscription.resource();
    openimis.state().subscriptions.push(subscription);
    Ok((StatusCode::CREATED, Json(resource)))
}

async fn get_subscription(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Answer {
    let state = openimis.state();
    Ok(Json(state.subscriptions[subscription_at(&state.subscriptions, &id)?].resource()))
}

async fn put_subscription(State(openimis): State<OpenImis>, Path(id): Path<String>, body: Bytes) -> Answer {
    let mut state = openimis.state();
    let at = subscription_at(&state.subscriptions, &id)?;
    state.subscriptions[at].update(&json_body(&body)?)?;
    Ok(Json(state.subscriptions[at].resource()))
}

async fn delete_subscription(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let mut state = openimis.state();
    let at = subscription_at(&state.subscriptions, &id)?;
    state.subscriptions.remove(at);
    Ok(StatusCode::NO_CONTENT)
}

fn subscription_at(subscriptions: &[Subscription], id: &str) -> Result<usize, Refusal> {
    let at = subscriptions.iter().position(|subscription| Ok(subscription.id) == id.parse());
    at.ok_or_else(|| Refusal::not_found("No Subscription matches the given query."))
}

async fn list_claims(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    let rows: Vec<_> =
        by_age(&state.claims).map(|(at, claim)| (at, (claim, state.patients.chf_id(claim.insuree)))).collect();
    bundle(&mut state.totals, &ask, rows.into_iter(), |(claim, chf_id)| claim.resource(chf_id)).map(Json)
}

/// Stores and submits the claim, then notifies the subscribers before it answers.
async fn post_claim(State(openimis): State<OpenImis>, body: Bytes) -> Created {
    let body = json_body(&body)?;
    let (claim, subscribers) = {
        let mut state = openimis.state();
        let claim = Claim::read(body, |patient| state.patients.named_by(patient))?;
        if state.claims.iter().any(|other| other.code == claim.code) {
            return Err(Refusal::listed(&format!("Claim with code '{}' already exists.", claim.code)));
        }
        state.claims.push(claim.clone());
        let wanting = |subscription: &&Subscription| subscription.wants(&claim);
        let subscribers: Vec<_> = state.subscriptions.iter().filter(wanting).cloned().collect();
        (claim, subscribers)
    };
    openimis.adjudicate_later(claim.uuid);
    let response = claim.response();
    let mut notifying = tokio::task::JoinSet::new();
    for subscriber in subscribers {
        let (http, code, body) = (openimis.0.http.clone(), claim.code.clone(), response.to_string());
        notifying.spawn(async move { subscriber.notify(&http, &code, body).await });
    }
    let outcomes = notifying.join_all().await;
    openimis.state().notifications.extend(outcomes);
    Ok((StatusCode::CREATED, Json(response)))
}

async fn get_claim(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Answer {
    let state = openimis.state();
    let claim = claim(&state.claims, &id)?;
    Ok(Json(claim.resource(state.patients.chf_id(claim.insuree))))
}

async fn list_claim_responses(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    bundle(&mut state.totals, &ask, by_age(&state.claims), Claim::response).map(Json)
}

async fn get_claim_response(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Answer {
    Ok(Json(claim(&openimis.state().claims, &id)?.response()))
}

async fn list_communication_requests(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    let wanted = by_age(&state.claims).filter(|(_, claim)| claim.feedback_status.is_listed());
    let rows: Vec<_> = wanted.map(|(at, claim)| (at, (claim, state.patients.chf_id(claim.insuree)))).collect();
    let render = |(claim, chf_id): (&Claim, &str)| claim.communication_request(chf_id).unwrap_or_default();
    bundle(&mut state.totals, &ask, rows.into_iter(), render).map(Json)
}

async fn get_communication_request(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Answer {
    let uuid: Uuid = id.parse().map_err(|_| Refusal::not_found(format!("Resource for identifier {id} not found")))?;
    let state = openimis.state();
    let claim = claim(&state.claims, &id)?;
    let request = claim.communication_request(state.patients.chf_id(claim.insuree));
    request.map(Json).ok_or_else(|| Refusal::no_such_uuid("Claim", uuid))
}

async fn list_communications(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    let rows = state.feedback.iter().map(|feedback| (feedback.validity_from, &feedback.resource));
    bundle(&mut state.totals, &ask, rows, Value::clone).map(Json)
}

async fn post_communication(State(openimis): State<OpenImis>, body: Bytes) -> Created {
    let resource = communication::deliver(&mut openimis.state(), &json_body(&body)?)?;
    Ok((StatusCode::CREATED, Json(resource)))
}

/// With `identifier` the bare Patient, as openIMIS does.
async fn list_patients(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    if let Some(identifier) = ask.parameter("identifier").filter(|identifier| !identifier.is_empty()) {
        return state.patients.asked_by(identifier).map(Json);
    }
    let rows = state.patients.0.iter().map(|patient| (Timestamp::UNIX_EPOCH, patient));
    bundle(&mut state.totals, &ask, rows, Value::clone).map(Json)
}

async fn get_patient(State(openimis): State<OpenImis>, Path(id): Path<String>) -> Answer {
    openimis.state().patients.asked_by(&id).map(Json)
}

async fn list_locations(State(openimis): State<OpenImis>, ask: Ask) -> Answer {
    let state = &mut *openimis.state();
    if let Some(identifier) = ask.parameter("identifier") {
        let known =
            |location: &Value| location["id"] == identifier || identifier_value(location, "Code") == Some(identifier);
        return Err(match state.locations.iter().any(known) {
            true => Refusal::exception("Converter init need a valid user"),
            false => Refusal::no_such_code("Location", "code", identifier),
        });
    }
    let rows = state.locations.iter().map(|location| (Timestamp::UNIX_EPOCH, location));
    bundle(&mut state.totals, &ask, rows, Value::clone).map(Json)
}

/// Current claims, oldest first: openIMIS's order.
fn by_age(claims: &[Claim]) -> impl Iterator<Item = (Timestamp, &Claim)> {
    claims.iter().map(|claim| (claim.validity_from, claim))
}

/// By uuid in any spelling, or by code.
fn claim<'a>(claims: &'a [Claim], id: &str) -> Result<&'a Claim, Refusal> {
    match id.parse::<Uuid>() {
        Ok(uuid) => claims.iter().find(|claim| claim.uuid == uuid).ok_or_else(|| Refusal::no_such_uuid("Claim", uuid)),
        Err(_) => {
            claims.iter().find(|claim| claim.code == id).ok_or_else(|| Refusal::no_such_code("Claim", "code", id))
        }
    }
}
