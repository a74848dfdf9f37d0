//! Whole nodes in one process over real QUIC on the loopback: the behaviour that a
//! program which embeds the server sees.

mod admin;
mod exhausted_terms;
mod exposition;
mod hostile;
mod http;
mod log_size;
// Polls are measured in debug builds only.
#[cfg(debug_assertions)]
mod long_polls;
mod membership;
mod page;
mod roles;
mod slice;
mod starting;
mod support;
