//! Whole nodes in one program, over real QUIC on the loopback: what a program
//! that embeds the server sees.

mod admin;
mod exposition;
mod hostile;
mod membership;
mod roles;
mod slice;
mod starting;
mod support;
