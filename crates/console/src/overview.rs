//! The first page: how many messages are where, how the peers are, what is read up to when, which mappings are in use.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use flow::peers::Peer;
use flow::poll::CLAIMS;
use flow::{Kind, State as MessageState};
use jiff::Timestamp;
use maud::{Markup, html};
use tokio::time::timeout;

use super::format::{fill, grouped};
use super::mask::masked;
use super::page::{self, Answer, MenuEntry};
use super::program::Mappings;
use super::trouble::Trouble;
use super::visit::Visit;
use super::{Console, HOME, facilities, patients};
use store::{DiskLevel, Tally};

/// Longest wait for openIMIS: a page is no place to wait for a peer.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// `GET /console`.
pub(super) async fn show(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let t = visit.reader.texts;
    let body = html! {
        h1 { (t.overview) }
        // Refreshed by htmx, which leaves the focus on what has an id; without scripts by whoever wants to know.
        div #overview hx-get="/console/overview" hx-trigger="every 10s" hx-swap="innerHTML" { (parts(&console, &visit).await?) }
        section aria-labelledby="subscriptions" {
            h2 #subscriptions { (t.subscriptions) }
            @if console.uses.subscription {
                div hx-get="/console/subscriptions" hx-trigger="load" hx-swap="innerHTML" {
                    a href="/console/subscriptions" { (t.ask_openimis) }
                }
            } @else { p.quiet { (t.no_subscription_kept) } }
        }
        (mappings(&console, &visit))
    };
    Ok(page::full(&visit, MenuEntry::Overview, t.overview, &body))
}

/// `GET /console/overview`: what changes from minute to minute.
pub(super) async fn part(State(console): State<Arc<Console>>, Extension(visit): Extension<Arc<Visit>>) -> Answer {
    let parts = parts(&console, &visit).await?;
    Ok(if visit.is_part { page::part(&parts) } else { super::sign_in::to(HOME) })
}

async fn parts(console: &Console, visit: &Visit) -> Result<Markup, Trouble> {
    let store = &console.store;
    let (tally, watermarks) = (store.tally().await?, store.watermarks().await?);
    let t = visit.reader.texts;
    let dead: u64 = tally.iter().filter(|tally| tally.state == MessageState::Dead).map(|tally| tally.count).sum();
    Ok(html! {
        @if dead > 0 {
            p.alarm { a #dead href="/console/messages?state=dead" { (fill(t.dead_letters, &[&grouped(dead)])) } }
        }
        @for alarm in alarms(console, visit) { p.alarm { (alarm) } }
        (patients::notice(console, visit).await?)
        (facilities::notice(console, visit).await?)
        div.columns {
            section aria-labelledby="counts" {
                h2 #counts { (t.messages) }
                (counts(visit, &tally, &Kind::INBOUND))
                @if has_hospitals(console, &tally) {
                    div.wide #hospitals tabindex="0" role="region" aria-label=(t.kind_eclaim) { (counts(visit, &tally, &HOSPITALS)) }
                }
            }
            section aria-labelledby="peers" {
                h2 #peers { (t.peers) }
                (peer(console, visit, Peer::OpenImis, &[Kind::Feedback, Kind::Eclaim], &tally))
                (peer(console, visit, Peer::Cht, &[Kind::ClaimResponse], &tally))
                @if console.uses.hospital {
                    (peer(console, visit, Peer::Hospital, &[Kind::EclaimAnswer], &tally))
                }
                (openhim(console, visit).await?)
            }
        }
        section aria-labelledby="reading" { h2 #reading { (t.reading) } (reading(console, visit, &watermarks)) }
        // If the mediator is gone the browser keeps what it has: its age must be seen.
        p.quiet { (fill(t.as_of, &[&visit.reader.written(visit.reader.now)])) }
    })
}

/// What an admin has to see to before anything else.
fn alarms(console: &Console, visit: &Visit) -> impl Iterator<Item = &'static str> {
    let t = visit.reader.texts;
    let disk = match console.program.disk() {
        DiskLevel::Full => Some(t.disk_full),
        DiskLevel::Low => Some(t.disk_low),
        DiskLevel::Enough => None,
    };
    let damaged = console.store.is_damaged().then_some(t.store_damaged);
    let doubted = console.program.is_clock_doubted().then_some(t.clock_doubted);
    [damaged, disk, doubted].into_iter().flatten()
}

/// What a hospital's claim becomes.
const HOSPITALS: [Kind; 3] = [Kind::Eclaim, Kind::Adjudication, Kind::EclaimAnswer];

/// Whether hospitals may post, or have posted.
fn has_hospitals(console: &Console, tally: &[Tally]) -> bool {
    console.uses.eclaims || tally.iter().any(|tally| HOSPITALS.contains(&tally.kind))
}

fn counts(visit: &Visit, tally: &[Tally], kinds: &[Kind]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let of = |state, kind| tally.iter().find(|tally| tally.state == state && tally.kind == kind);
    html! {
        table.counts {
            caption.unseen { (t.counts_caption) }
            thead {
                tr {
                    th scope="col" { (t.state) }
                    @for kind in kinds { th scope="col" { (page::kind_word(t, kind.word())) } }
                }
            }
            tbody {
                @for state in MessageState::ALL {
                    tr {
                        th scope="row" { (page::badge(t, state.word())) }
                        @for kind in kinds {
                            @match of(*state, *kind) {
                                Some(tally) => td {
                                    a.count id={ "count-" (state) "-" (kind) } href={ "/console/messages?state=" (state) "&kind=" (kind) } { (grouped(tally.count)) }
                                    " " span.age { (t.oldest) " " (reader.age(tally.oldest)) }
                                },
                                None => td.quiet { "0" },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `kinds`: what ends at this peer.
fn peer(console: &Console, visit: &Visit, peer: Peer, kinds: &[Kind], tally: &[Tally]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let health = console.program.health(peer);
    let waiting = tally.iter().filter(|tally| {
        kinds.contains(&tally.kind) && matches!(tally.state, MessageState::Pending | MessageState::Leased)
    });
    let (backlog, oldest) = waiting.fold((0, None::<Timestamp>), |(count, oldest), tally| {
        (count + tally.count, Some(oldest.map_or(tally.oldest, |oldest| oldest.min(tally.oldest))))
    });
    let (tone, standing) = match &health.away {
        Some((until, _)) if *until > reader.now => ("bad", fill(t.peer_left_alone, &[&reader.written(*until)])),
        Some(_) => ("open", t.peer_probed.to_owned()),
        None if health.failures > 0 => ("open", fill(t.peer_failing, &[&health.failures.to_string()])),
        None if health.last_success.is_some() => ("good", t.peer_answers.to_owned()),
        None => ("", t.peer_unknown.to_owned()),
    };
    html! {
        div.peer {
            h3 { (peer) " " span class={ "standing " (tone) } { (standing) } }
            @if let Some((_, why)) = &health.away { p.bad lang="en" { (masked(why, &[])) } }
            dl.facts {
                dt { (t.last_success) }
                dd { @match health.last_success { Some(at) => (reader.ago(at)), None => (page::none()) } }
                dt { (t.last_failure) }
                dd { @match &health.last_failure { Some((at, why)) => { (reader.ago(*at)) (t.colon) span lang="en" { (masked(why, &[])) } }, None => (page::none()) } }
                dt { (t.backlog) }
                dd {
                    (grouped(backlog))
                    @if let Some(oldest) = oldest { ", " (t.oldest) " " (reader.age(oldest)) }
                }
            }
        }
    }
}

/// How OpenHIM is, where the mediator is registered with one.
async fn openhim(console: &Console, visit: &Visit) -> Result<Markup, Trouble> {
    let Some(status) = console.program.openhim() else { return Ok(html! {}) };
    let waiting = console.store.count_reports().await?;
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let (tone, standing) = match status.is_registered {
        true if status.problem.is_none() => ("good", t.openhim_registered),
        true => ("open", t.openhim_registered),
        false => ("bad", t.openhim_not_registered),
    };
    let problems = [&status.problem, &status.report_problem];
    Ok(html! {
        div.peer {
            h3 { "OpenHIM " span class={ "standing " (tone) } { (standing) } }
            @for (text, since) in problems.into_iter().flatten() {
                p.bad { (masked(text, &[])) " (" (fill(t.short_since, &[&reader.written(*since)])) ")" }
            }
            dl.facts {
                dt { "URN" } dd { code { (status.urn) } }
                dt { (t.last_heartbeat) }
                dd { @match status.last_heartbeat { Some(at) => (reader.ago(at)), None => (page::none()) } }
                @if status.reports { dt { (t.reports_waiting) } dd { (waiting) } }
                @if !status.differing.is_empty() {
                    dt { (t.openhim_differs) }
                    dd { @for (key, value, file) in &status.differing {
                        div { code { (key) } ": " (value) " ≠ " (file) }
                    } }
                }
                @if !status.refused.is_empty() {
                    dt { (t.openhim_refused) }
                    dd { @for (key, reason) in &status.refused { div { code { (key) } ": " (reason) } } }
                }
            }
        }
    })
}

fn reading(console: &Console, visit: &Visit, watermarks: &[(String, Timestamp)]) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let poll = console.program.poll();
    let known = |name: &str| watermarks.iter().find(|(known, _)| known == name).map(|(_, at)| *at);
    let every = |wait: jiff::SignedDuration| format!("{wait:#}");
    html! {
        @if poll.enabled {
            div.wide #reading-table tabindex="0" role="region" aria-label=(t.reading) {
                table {
                    caption.unseen { (t.reading) }
                    thead { tr { th scope="col" { (t.what) } th scope="col" { (t.read_up_to) } th scope="col" { (t.every) } } }
                    tbody {
                        tr {
                            th scope="row" { (t.poll_claims) }
                            td { @match known(CLAIMS) { Some(at) => { (reader.moment(at)) " (" (reader.ago(at)) ")" }, None => (t.not_yet) } }
                            td { (every(poll.interval)) }
                        }
                        tr {
                            th scope="row" { (t.poll_selected) }
                            td.quiet { (t.poll_selected_whole) }
                            td { (every(poll.selected_interval)) }
                        }
                    }
                }
            }
        } @else { p.quiet { (t.poll_off) } }
    }
}

/// `GET /console/subscriptions`: asks openIMIS, so it is a page of its own.
pub(super) async fn subscriptions(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
) -> Answer {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let asked = timeout(PATIENCE, console.program.own_subscriptions()).await;
    let list = match asked {
        Err(_) => html! { p.bad { (t.no_answer_in_time) } },
        Ok(Err(error)) => html! { p.bad { (masked(&error.to_string(), &[])) } },
        Ok(Ok(own)) if own.is_empty() => html! { p.bad { (t.no_subscription) } },
        Ok(Ok(own)) => html! {
            div.wide tabindex="0" role="region" aria-label=(t.subscriptions) {
                table {
                    caption.unseen { (t.subscriptions) }
                    thead { tr { @for title in [t.number, t.state, t.ends, t.posts_to] { th scope="col" { (title) } } } }
                    tbody {
                        @for listed in &own {
                            tr {
                                td { code { (listed.id) } }
                                td { (listed.status) }
                                td { @match listed.end.parse::<Timestamp>() { Ok(end) => (reader.moment(end)), Err(_) => (listed.end) } }
                                td { code { (listed.channel.endpoint) } }
                            }
                        }
                    }
                }
            }
        },
    };
    if visit.is_part {
        return Ok(page::part(&list));
    }
    let body = html! { h1 { (t.subscriptions) } (list) p { a href=(HOME) { (t.to_overview) } } };
    Ok(page::full(&visit, MenuEntry::Overview, t.subscriptions, &body))
}

fn mappings(console: &Console, visit: &Visit) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    let Mappings { used, refused } = console.program.mappings();
    html! {
        section aria-labelledby="mappings" {
            h2 #mappings { (t.mappings) }
            div.wide tabindex="0" role="region" aria-label=(t.mappings) {
                table {
                    caption.unseen { (t.mappings) }
                    thead { tr { @for title in [t.mapping, t.version, "SHA-256", t.file, t.since] { th scope="col" { (title) } } } }
                    tbody {
                        @for mapping in &used {
                            tr {
                                th scope="row" { code { (mapping.mapping) } }
                                td { (mapping.interface) }
                                td { code title=(mapping.sha256) { (mapping.sha256.chars().take(12).collect::<String>()) "…" } }
                                td { code { (mapping.file) } }
                                td { (reader.moment(mapping.since)) }
                            }
                        }
                    }
                }
            }
            @for (file, reason) in &refused {
                p.bad { (t.mapping_refused) " " code { (file) } ": " (reason) }
            }
        }
    }
}
