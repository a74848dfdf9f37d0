//! Helpers of the fault tests: a sandbox, simulated disks and networks in it, rounds of
//! load with a fault, and the table of results.

pub(crate) mod cpu_limit;
pub(crate) mod disk_image;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod round;
pub(crate) mod sandbox;
pub(crate) mod table;
pub(crate) mod wait;
