//! A way a kind: straight down from the stored message to the peer.

mod adjudication;
mod claim;
mod claim_answer;
mod claim_response;
mod feedback;
