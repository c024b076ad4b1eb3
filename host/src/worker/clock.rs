//! Whether the clock may decide on what cannot be undone, and what is told of that.

use flow::ports::{Clock, StoreError};
use flow::steady::{self, ClockVerdict};
use jiff::SignedDuration;

use crate::Host;

const WHAT_TO_DO: &str = "nothing is pruned or given up because of its age until time has passed steadily for a day. If the clock is \
    right, start once with `serve --accept-clock`; if not, set it right and start again";

impl Host {
    /// Looks whether time has passed steadily; `ran`: what this process has measured since the last look. False: it is doubted.
    pub(crate) async fn look_at_clock(&self, ran: SignedDuration) -> Result<bool, StoreError> {
        let store = &self.flow.store;
        let now = store.now(self.flow.clock.now()).await?;
        let judged = steady::look(store, now, ran, steady::allowed(self.config.retention.documents)).await?;
        let was_doubted = self.flow.clock.is_doubted();
        match judged {
            ClockVerdict::Jumped { newest, by } => {
                let hours = by.as_hours();
                tracing::error!(%now, %newest, hours, "the clock is far ahead of the newest time in the store: {WHAT_TO_DO}");
            }
            ClockVerdict::Doubted { since } if !was_doubted => {
                tracing::error!(%now, %since, "the clock was far ahead of the newest time in the store: {WHAT_TO_DO}");
            }
            ClockVerdict::Trusted if was_doubted => tracing::info!(%now, "the clock is trusted again"),
            ClockVerdict::Doubted { .. } | ClockVerdict::Trusted => {}
        }
        self.flow.clock.doubt(!judged.is_trusted());
        Ok(judged.is_trusted())
    }

    /// Takes the clock for right, as somebody says.
    pub async fn accept_clock(&self) -> Result<(), StoreError> {
        let store = &self.flow.store;
        let now = store.now(self.flow.clock.now()).await?;
        steady::accept(store, now).await?;
        self.flow.clock.doubt(false);
        tracing::warn!(%now, "the clock is taken for right (--accept-clock)");
        Ok(())
    }
}
