//! What the tests of the whole share.

pub mod cluster;
pub mod coffeectl;
pub mod load;
mod processes;
pub mod sim;
