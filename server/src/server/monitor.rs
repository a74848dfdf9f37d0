//! Background tasks that watch a running node and log what needs attention.

mod activity;
pub(super) mod certificate;
pub(super) mod connections;
pub(super) mod disk;
mod links;
pub(super) mod pace;
