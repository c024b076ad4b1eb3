//! What officers do with claims: the page's buttons, or by themselves after a while.

use super::{super::server::form, OpenImis, claim::ClaimStatus};
use axum::{
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// The page's form.
#[derive(Deserialize)]
pub(super) struct Decision {
    uuid: Uuid,
    decision: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Pay,
    Reject,
}

pub(super) async fn decide(State(openimis): State<OpenImis>, body: Bytes) -> Response {
    let decision = form(&body).and_then(|sent| serde_json::from_value::<Decision>(sent).ok());
    let Some(decision) = decision else { return StatusCode::BAD_REQUEST.into_response() };
    openimis.set_claim_status(
        decision.uuid,
        match decision.decision {
            Word::Pay => ClaimStatus::Valuated,
            Word::Reject => ClaimStatus::Rejected,
        },
    );
    Redirect::to("/").into_response()
}

impl OpenImis {
    /// From now on, claims that come in are reviewed after so long and paid after twice as long, unless somebody decides before. So are
    /// those that waited when it was stopped.
    pub fn adjudicate_after(&self, pause: Duration) {
        self.state().adjudicated_after = Some(pause);
        let waits = |status| matches!(status, ClaimStatus::Checked | ClaimStatus::Processed);
        let waiting: Vec<Uuid> =
            self.state().claims.iter().filter(|claim| waits(claim.status)).map(|claim| claim.uuid).collect();
        waiting.into_iter().for_each(|uuid| self.adjudicate_later(uuid));
    }

    /// Reviews and pays a claim that has just come in, if officers do that by themselves.
    pub(super) fn adjudicate_later(&self, uuid: Uuid) {
        let Some(pause) = self.state().adjudicated_after else { return };
        let openimis = self.clone();
        tokio::spawn(async move {
            for (from, to) in
                [(ClaimStatus::Checked, ClaimStatus::Processed), (ClaimStatus::Processed, ClaimStatus::Valuated)]
            {
                tokio::time::sleep(pause).await;
                openimis.change(uuid, |claim| {
                    if claim.status == from {
                        claim.status = to;
                    }
                });
            }
        });
    }
}
