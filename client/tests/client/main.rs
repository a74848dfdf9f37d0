//! The client against scripted nodes over real QUIC.

mod calls;
mod channels;
mod failover;
#[expect(dead_code, reason = "the tests of coffeectl use the rest")]
mod fake;
