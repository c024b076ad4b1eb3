//! Taking back that the insuree of a claim is a CHT contact.

use std::sync::Arc;

use axum::extract::{Extension, State};
use flow::{Kind, State as MessageState};
use maud::{Markup, html};

use super::{Id, address, id};
use crate::Console;
use crate::page::{self, Answer};
use crate::sign_in::to;
use crate::trouble::Trouble;
use crate::visit::{Form, Visit};
use store::{Unlinked, View};

/// The form, on a claim that went to a contact or that a contact holds up.
pub(super) fn form(visit: &Visit, view: &View) -> Markup {
    let t = visit.reader.texts;
    let of_a_contact = match MessageState::from_word(&view.summary.state) {
        Some(MessageState::Delivered) => true,
        Some(MessageState::Dead) => {
            view.summary.reason.as_deref().is_some_and(|reason| reason.starts_with(flow::patients::CONTACT))
        }
        _ => false,
    };
    let is_claim = Kind::from_word(&view.summary.kind) == Some(Kind::ClaimResponse);
    if !(of_a_contact && is_claim && view.insuree_uuid.is_some()) {
        return html! {};
    }
    html! {
        details {
            summary { (t.unlink) "…" }
            form method="post" action={ (address(view.summary.id)) "/unlink" } {
                (page::token(visit))
                p { (t.unlink_hint) }
                label { input type="checkbox" name="refuse" value="yes"; " " (t.unlink_other) }
                button.danger type="submit" { (t.unlink) }
            }
        }
    }
}

/// `POST …/unlink`.
pub(crate) async fn unlink(
    State(console): State<Arc<Console>>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(form): Extension<Form>,
    number: Id,
) -> Answer {
    let id = id(number)?;
    let store = &console.store;
    let insuree = store.view(id).await?.and_then(|view| view.insuree_uuid).ok_or(Trouble::NotFound)?;
    let unlinked = store.unlink_patient(&insuree, form.get("refuse") == "yes", &visit.name, console.now()).await?;
    let Some(Unlinked { put_back, .. }) = unlinked else {
        return Err(Trouble::Conflict(visit.reader.texts.unlink_none.to_owned()));
    };
    console.program.wake();
    tracing::info!(client = visit.name, insuree, put_back, "an insuree is unlinked");
    Ok(to(&address(id)))
}
