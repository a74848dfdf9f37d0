//! The arguments of `bench`.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use coffee_common::limits;

use crate::duration;

/// `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The keys start with coffeectl-bench/ and are deleted at the end. If that was
interrupted, 'bench clean' deletes the keys of every run.

--timeout is for one operation [default: 5s], --consistency for reads. The last
line is PASS, or FAIL and the failed checks; FAIL exits with code 1. A process
uses one core: if that is the limit, run several in parallel.")]
pub(crate) struct BenchArguments {
    /// The work to do
    #[arg(value_name = "WORK", value_enum, default_value = "put")]
    pub(super) work: BenchWork,
    /// Maximum number of operations in flight
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u16).range(1..=4096))]
    pub(super) clients: u16,
    /// Number of connections that the clients share
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u16).range(1..=256))]
    pub(super) connections: u16,
    /// Number of keys, used at random
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(super) keys: u32,
    /// Size of a key in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 32, value_parser = value_parser!(u16).range(..=limits::KEY_BYTES_MAX as i64))]
    pub(super) key_size: u16,
    /// Size of a value in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = value_parser!(u32).range(..=limits::VALUE_BYTES_MAX as i64))]
    pub(super) value_size: u32,
    /// Seconds to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u32).range(1..=86_400))]
    pub(super) seconds: u32,
    /// Seconds to run before measuring
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = value_parser!(u32).range(..=3600))]
    pub(super) warm_up: u32,
    /// Start this many operations per second, and measure from when each was due [default: each client waits for its answer]
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: Option<u32>,
    /// Percentage of reads in 'mixed'
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = value_parser!(u8).range(..=100))]
    pub(super) reads: u8,
    /// Operations per second needed to pass [default: 100, or 90 % of --rate]
    #[arg(long, value_name = "COUNT")]
    pub(super) min_rate: Option<u32>,
    /// Longest 99th percentile that passes
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration::parse)]
    pub(super) max_p99: Duration,
    /// Longest time without a success that passes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    pub(super) max_gap: Duration,
}

/// The work of a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchWork {
    /// Writes
    Put,
    /// Reads
    Get,
    /// Reads and writes
    Mixed,
    /// Only delete the keys of earlier runs
    Clean,
}
