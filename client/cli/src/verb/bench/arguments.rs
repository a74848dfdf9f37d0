//! What `bench` takes.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use coffee_common::limits;

use crate::duration;

/// `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
The keys start with coffeectl-bench/ and are taken away at the end. Where that
was cut off, 'bench clean' takes those of every run away.

--timeout is that of one operation [default: 5s]; --consistency that of reads.
The last line says PASS, or FAIL and why; FAIL ends with code 1. One process
uses one core: where that is the limit, run several side by side.")]
pub(crate) struct BenchArguments {
    /// What to do
    #[arg(value_name = "WORK", value_enum, default_value = "put")]
    pub(super) work: BenchWork,
    /// Operations in flight at most
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u16).range(1..=4096))]
    pub(super) clients: u16,
    /// Connections that the clients share
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u16).range(1..=256))]
    pub(super) connections: u16,
    /// How many keys, chosen from at random
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(super) keys: u32,
    /// Bytes of a key
    #[arg(long, value_name = "BYTES", default_value_t = 32, value_parser = value_parser!(u16).range(..=limits::KEY_BYTES_MAX as i64))]
    pub(super) key_size: u16,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = value_parser!(u32).range(..=limits::VALUE_BYTES_MAX as i64))]
    pub(super) value_size: u32,
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u32).range(1..=86_400))]
    pub(super) seconds: u32,
    /// How long to run before anything counts
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = value_parser!(u32).range(..=3600))]
    pub(super) warm_up: u32,
    /// Operations that are due a second, whatever the answers take; times count from there [default: each client waits for its answer]
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: Option<u32>,
    /// Reads in a hundred operations of 'mixed'
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = value_parser!(u8).range(..=100))]
    pub(super) reads: u8,
    /// PASS needs this many operations a second [default: 100, or nine tenths of --rate]
    #[arg(long, value_name = "COUNT")]
    pub(super) min_rate: Option<u32>,
    /// PASS needs 99 of 100 operations to take no longer
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration::parse)]
    pub(super) max_p99: Duration,
    /// PASS needs a success at least this often
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration::parse)]
    pub(super) max_gap: Duration,
}

/// What a bench does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchWork {
    /// Writes
    Put,
    /// Reads
    Get,
    /// Reads and writes
    Mixed,
    /// Nothing: takes away what earlier runs left behind
    Clean,
}
