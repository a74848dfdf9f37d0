//! Checks for simulated clusters, independent of the simulator.

pub mod checks;
pub mod linearizable;
pub mod observation;
