//! What the tests of the whole share.

pub mod cluster;
pub mod coffeectl;
pub mod flags;
pub mod load;
pub mod outage;
pub mod processes;
pub mod samples;
pub mod sim;
pub mod timeline;
pub mod usage;
pub mod witness;
