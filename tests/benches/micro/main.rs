//! The parts of a write and of a read in isolation, on real files.
//!
//! ```text
//! cargo bench -p coffee-tests --bench micro
//! cargo bench -p coffee-tests --bench micro -- log::
//! ```
//!
//! Figures are comparable only on the same machine within the same hour. The parts are
//! called through the interfaces that openraft and the api use, so the benchmarks survive
//! changes of the internals.

mod entries;
mod frames;
mod log;
mod snapshots;
mod state;

fn main() {
    divan::main();
}
