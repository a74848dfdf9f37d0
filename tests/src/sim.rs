//! What is checked of a simulated cluster, and can be checked of any history.

pub mod linearizable;
