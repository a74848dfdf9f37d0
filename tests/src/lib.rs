//! What the tests of the whole share.

pub mod cluster;
pub mod coffeectl;
pub mod load;
pub mod processes;
pub mod sim;
