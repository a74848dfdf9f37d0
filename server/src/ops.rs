//! Operations that a node performs for clients, for peers and for itself.
//!
//! Each uses `node`; none knows how its request arrived.

mod ask_members;
pub mod backup;
pub mod confirm_member;
pub mod divergence;
pub mod forward;
pub mod history;
pub mod membership;
mod progress;
pub mod quorum_watch;
pub mod reads;
pub mod room;
pub mod status;
