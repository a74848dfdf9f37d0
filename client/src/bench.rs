//! Loads a store with reads and writes of one size, and measures what comes back.
//!
//! A [`Plan`] says what to do, a [`Target`] does one operation, a [`Run`] does
//! many for a while and says what it [`Measured`]. Times are counted from the
//! moment at which an operation was due: where a rate is given, a store that
//! stalls makes every operation late that was due meanwhile, whether or not it
//! could be sent (no coordinated omission).
//!
//! Knows no cluster and no command line: any store can be a target.

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
