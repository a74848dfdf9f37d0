//! The client against scripted nodes over real QUIC.

mod calls;
mod channels;
#[cfg(feature = "cli")]
mod coffeectl;
mod failover;
mod fake;
