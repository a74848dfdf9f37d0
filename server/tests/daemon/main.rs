//! The daemon `coffeed` as a process, before it runs: what it says of a
//! configuration or of certificates with which it cannot start, and its exit
//! codes. How it runs is tested in `tests/`.

mod certificates;
mod configuration;
mod fixture;
mod journal;
