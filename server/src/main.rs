//! coffeed: one node of a cluster, as a process.

fn main() {}
