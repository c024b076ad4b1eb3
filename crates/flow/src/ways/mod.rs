//! A way a kind: straight down from the stored message to the peer.

mod claim_response;
mod feedback;
