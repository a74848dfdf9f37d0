//! Tests of log and state together, and the disk in memory that they run on.

mod corruption;
mod crash;
pub(super) mod disk;
mod openraft_conformance;
