//! Shared by the tests of the whole system: clusters of processes, loads, measurements.

pub mod cluster;
pub mod coffeectl;
pub mod flags;
pub mod load;
pub mod outage;
pub mod processes;
pub mod recorder;
pub mod relay;
pub mod samples;
pub mod sim;
pub mod timeline;
pub mod tracer;
pub mod usage;
