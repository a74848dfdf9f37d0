//! The daemon `coffeed` as a process that cannot start: errors, hints and exit codes
//! for bad configurations and certificates. A running daemon is tested in `tests/`.

mod certificates;
mod configuration;
mod fixture;
mod journal;
