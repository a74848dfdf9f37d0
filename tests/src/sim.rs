//! What judges a simulated cluster, apart from the simulation.

pub mod checks;
pub mod linearizable;
pub mod seen;
