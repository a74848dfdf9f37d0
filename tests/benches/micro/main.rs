//! What the parts of a write and of a read cost, each by itself, on real files.
//!
//! ```text
//! cargo bench -p coffee-tests --bench micro
//! cargo bench -p coffee-tests --bench micro -- log::
//! ```
//!
//! Figures of one machine on one day: they compare with those of another
//! commit in the same hour. Parts are reached through what openraft and the
//! ports reach them through, so that the benchmarks outlive what is inside.

mod entries;
mod frames;
mod log;
mod snapshots;
mod state;

fn main() {
    divan::main();
}
