//! Tests of log and state together, and the in-memory disk that they run on.

mod corruption;
mod crash;
pub(super) mod disk;
mod openraft_conformance;
