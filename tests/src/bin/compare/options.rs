//! Command-line options.

use std::{path::PathBuf, time::Duration};

use coffee_client::bench::Keys;
use coffee_tests::flags::{named, number, numbers};

use crate::contestant::TimerSetting;

pub(crate) const USAGE: &str = "compare [--parts load,http,footprint,restart,failover,move] [--rounds N] [--seconds N] \
     [--clients N,N..] [--keys N] [--value-size BYTES] [--puts N] [--trials N] [--timers default|tuned] \
     [--coffeed-connections N] [--etcd-connections N] [--svg FILE] [--json FILE]";

const KEY_BYTES: usize = 32;

/// Measurements that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComparePart {
    /// Reads and writes by number of clients.
    Load,
    /// Reads, writes and events over HTTP and JSON.
    Http,
    /// Memory and disk after many writes; bytes written for one write.
    Footprint,
    /// Time from a node's start until it is useful.
    Restart,
    /// Kills the leader.
    Failover,
    /// Moves the leader.
    Move,
}

impl ComparePart {
    const ALL: [(&str, Self); 6] = [
        ("load", Self::Load),
        ("http", Self::Http),
        ("footprint", Self::Footprint),
        ("restart", Self::Restart),
        ("failover", Self::Failover),
        ("move", Self::Move),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompareOptions {
    pub(crate) parts: Vec<ComparePart>,
    /// Number of runs of each load.
    pub(crate) rounds: usize,
    /// Duration of a run.
    pub(crate) duration: Duration,
    pub(crate) clients: Vec<usize>,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
    /// Writes before memory and disk are measured.
    pub(crate) puts: u64,
    /// How many times a node is restarted, killed, or made leader.
    pub(crate) trials: usize,
    pub(crate) timers: TimerSetting,
    pub(crate) coffeed_connections: usize,
    pub(crate) etcd_connections: usize,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            parts: ComparePart::ALL.map(|(_, part)| part).into(),
            rounds: 3,
            duration: Duration::from_secs(3),
            clients: vec![1, 16, 64, 256, 1024],
            keys: 100_000,
            value_bytes: 256,
            puts: 1_000_000,
            trials: 10,
            timers: TimerSetting::Default,
            coffeed_connections: 1,
            etcd_connections: 8,
            svg: None,
            json: None,
        }
    }
}

impl CompareOptions {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let count = || number(&flag, &value);
            match flag.as_str() {
                "--parts" => options.parts = named(&flag, &value, &ComparePart::ALL)?,
                "--rounds" => options.rounds = size(count()?)?,
                "--seconds" => options.duration = Duration::from_secs(count()?),
                "--clients" => {
                    options.clients =
                        numbers(&flag, &value)?.into_iter().map(size).collect::<Result<_, _>>()?;
                }
                "--keys" => options.keys = count()?,
                "--value-size" => options.value_bytes = size(count()?)?,
                "--puts" => options.puts = count()?,
                "--trials" => options.trials = size(count()?)?,
                "--timers" => options.timers = timers(&flag, &value)?,
                "--coffeed-connections" => options.coffeed_connections = size(count()?)?,
                "--etcd-connections" => options.etcd_connections = size(count()?)?,
                "--svg" => options.svg = Some(value.into()),
                "--json" => options.json = Some(value.into()),
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        Ok(options)
    }

    pub(crate) fn has(&self, part: ComparePart) -> bool {
        self.parts.contains(&part)
    }

    /// Keys that are read and written.
    pub(crate) fn keys(&self) -> Keys {
        Keys::new("compare/".into(), self.keys, KEY_BYTES, self.value_bytes).expect("the keys fit")
    }
}

/// Converts a number of things that are in memory at once.
fn size(number: u64) -> Result<usize, String> {
    usize::try_from(number).map_err(|error| error.to_string())
}

fn timers(flag: &str, word: &str) -> Result<TimerSetting, String> {
    let known = [("default", TimerSetting::Default), ("tuned", TimerSetting::Tuned)];
    named(flag, word, &known)?.pop().ok_or_else(|| format!("{flag} needs a value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<CompareOptions, String> {
        CompareOptions::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read() {
        assert_eq!(read(""), Ok(CompareOptions::default()));
        let options = read("--clients 1,64 --rounds 5 --svg a.svg --parts move,load --timers tuned").unwrap();
        assert_eq!((options.clients.as_slice(), options.rounds), (&[1, 64][..], 5));
        assert_eq!(
            (options.svg, options.parts),
            (Some("a.svg".into()), vec![ComparePart::Move, ComparePart::Load])
        );
        assert_eq!(options.timers, TimerSetting::Tuned);
        let wrongs =
            ["--rounds", "--rounds 0", "--clients 1,", "--brew 3", "--parts load,brew", "--timers slow"];
        for wrong in wrongs {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
