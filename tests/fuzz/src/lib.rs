//! Shared by the targets: the first corpus, and the parts of a node in memory.

mod files;
mod network;
pub mod seeds;

pub use self::{
    files::{MemoryFiles, log_file},
    network::UnreachableMembers,
};
