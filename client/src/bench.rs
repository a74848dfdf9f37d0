//! A load generator: reads and writes of one size against any key-value store.
//!
//! A [`Plan`] describes the load, a [`Target`] executes one operation, a [`Run`]
//! executes many and returns what it [`Measured`]. Latency counts from the moment
//! an operation was due: at a fixed rate, a stalled store delays every operation
//! due meanwhile, whether or not it could be sent (no coordinated omission).
//!
//! Knows nothing of clusters or command lines.

mod keys;
mod measured;
mod pacer;
mod plan;
mod run;
mod target;

pub use self::{
    keys::Keys,
    measured::{ErrorCount, Measured, OperationKind, Times},
    plan::{Plan, Work},
    run::{Progress, Run, fill},
    target::{Failed, Target},
};
