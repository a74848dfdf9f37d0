//! Helpers of the load tests.

pub(crate) mod embedded_cluster;
