//! The trail of a message, as a list for people.

use maud::{Markup, html};

use super::super::format::fill;
use super::super::texts::Texts;
use super::super::visit::Visit;
use super::as_said;
use store::{TrailLine, View};

/// What was done, one line after the other.
pub(super) fn timeline(visit: &Visit, view: &View) -> Markup {
    let (t, reader) = (visit.reader.texts, &visit.reader);
    html! {
        ol.timeline {
            @for line in &view.trail {
                li class=(tone(line)) {
                    div.what {
                        strong { (event(t, &line.event)) }
                        @if let Some(status) = line.status { " " span.status { "HTTP " (status) } }
                        @if let Some(duration) = line.duration_ms { " " span.quiet { (fill(t.milliseconds, &[&duration.to_string()])) } }
                        " " span.when { (reader.moment(line.at)) }
                    }
                    @if !line.detail.is_empty() { div.detail lang="en" { (detail(visit, view, line)) } }
                }
            }
        }
    }
}

/// What a mapping warns of is never a piece of the document; a peer's words may be.
fn detail(visit: &Visit, view: &View, line: &TrailLine) -> String {
    match line.event.as_str() {
        "mapped" | "mapped patient" | "answer mapped" | "answer" => line.detail.clone(),
        _ => as_said(visit, view, &line.detail),
    }
}

/// How a line looks.
fn tone(line: &TrailLine) -> &'static str {
    match (line.event.as_str(), line.status) {
        ("delivered", _) | (_, Some(200..300)) => "good",
        ("dead letter" | "left", _) => "bad",
        ("retry" | "waiting", _) | (_, Some(_)) => "open",
        (event, None) if event.contains(' ') && event.starts_with(|first: char| first.is_ascii_uppercase()) => "open",
        _ => "",
    }
}

/// What was done, in the reader's language; a request stays as it is.
fn event<'t>(t: &'t Texts, event: &'t str) -> &'t str {
    match event {
        "received" => t.event_received,
        "received again" => t.event_received_again,
        "received anew" => t.event_received_anew,
        "delivered" => t.state_delivered,
        "skipped" => t.state_skipped,
        "dead letter" => t.state_dead,
        "discarded" => t.state_discarded,
        "waiting" => t.event_waiting,
        "retry" => t.event_retry,
        "retry asked for" => t.event_retry_asked,
        "mapped" => t.event_mapped,
        "mapped patient" => t.event_mapped_patient,
        "answer mapped" => t.event_answer_mapped,
        "answer" => t.event_answer,
        "linked" => t.event_linked,
        "left" => t.event_left,
        "decided" => t.event_decided,
        "possible match" => t.event_possible_match,
        other => other,
    }
}
