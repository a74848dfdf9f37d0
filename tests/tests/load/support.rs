//! Helpers of the load tests.

pub(crate) mod threaded_cluster;
