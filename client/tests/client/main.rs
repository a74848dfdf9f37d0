//! The client against scripted nodes over real QUIC.

mod calls;
mod channels;
mod failover;
mod fake;
mod watching;
