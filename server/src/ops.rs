//! Operations that a node carries out for clients, peers and itself.
//!
//! Each stands on `node`; none knows how its caller was reached.

pub mod backup;
pub mod divergence;
pub mod forward;
pub mod membership;
pub mod reads;
pub mod status;
