//! Storage: Raft's log and the state machine, in files.
//!
//! Knows the consensus library's storage traits and the domain below it; nothing
//! of networks, requests or the server above. It never calls up: it answers
//! through the callbacks that the consensus library passes in.
//!
//! Two files. `log.wal` is a write-ahead log: a write is acknowledged after its
//! fsync. `state.redb` is a database that is written by flushes, each a durable
//! transaction; entries applied since the last flush are replayed from the log
//! after a crash. Both share one [`poison`].

mod atomic_file;
pub mod corruption;
pub mod disk;
pub mod durable_index;
pub mod formats;
pub mod log;
pub mod new_cluster;
mod no_space;
pub mod poison;
mod private_file;
pub mod record;
pub mod recover;
pub mod restore;
pub mod snapshot;
pub mod state;
pub mod state_machine;
#[cfg(test)]
mod tests;
mod unchanged_file;
