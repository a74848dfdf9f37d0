//! Command-line options.

use std::{path::PathBuf, time::Duration};

use coffee_client::bench::Work;
use coffee_tests::flags::{named, number, numbers};

pub(crate) const USAGE: &str = "endure [--parts upkeep,snapshot,transfers,kills,cold,growth,crowd,distance,watches,delay,stall,\
     beside,listing,greedy,soak] [--state-mb N] \
     [--log-entries N] [--checkpoints N] [--trials N] [--seconds N] [--nodes N,N..] [--keys N,N..] [--values BYTES,..] \
     [--round-trips MS,..] [--others COFFEED,..] [--loads put:N,get:N,..] [--watches N] [--turns N] \
     [--stall-seconds N] [--rate N] [--soak-seconds N]";

/// Parts that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndurePart {
    /// Checkpoints and purges, under write load.
    Upkeep,
    /// A new node receives a large state, under write load.
    Snapshot,
    /// The leader moves, under write load.
    Transfers,
    /// The leader is killed, under write load.
    Kills,
    /// All nodes start with a large state and a long log.
    Cold,
    /// More nodes, more keys, larger values.
    Growth,
    /// Far more clients than usual.
    Crowd,
    /// Nodes that are far apart.
    Distance,
    /// Many watches: memory, time until they are told, cost to writes.
    Watches,
    /// From a put to its event.
    Delay,
    /// A watcher that stops reading.
    Stall,
    /// This build and others, loaded in turns.
    Beside,
    /// Listings of keys with large values.
    Listing,
    /// A client that writes large values.
    Greedy,
    /// A long run at a high rate.
    Soak,
}

impl EndurePart {
    const ALL: [(&str, Self); 15] = [
        ("upkeep", Self::Upkeep),
        ("snapshot", Self::Snapshot),
        ("transfers", Self::Transfers),
        ("kills", Self::Kills),
        ("cold", Self::Cold),
        ("growth", Self::Growth),
        ("crowd", Self::Crowd),
        ("distance", Self::Distance),
        ("watches", Self::Watches),
        ("delay", Self::Delay),
        ("stall", Self::Stall),
        ("beside", Self::Beside),
        ("listing", Self::Listing),
        ("greedy", Self::Greedy),
        ("soak", Self::Soak),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndureOptions {
    pub(crate) parts: Vec<EndurePart>,
    /// Size of a large state, in MB of values.
    pub(crate) state_mb: u64,
    /// Minimum length of a long log, in entries.
    pub(crate) log_entries: u64,
    /// Number of the leader's checkpoints under load.
    pub(crate) checkpoints: u64,
    /// How many times the leader is moved or killed; at a distance, moved; the watches of a key are told.
    pub(crate) trials: usize,
    /// Duration of each run and turn, and of each verb at a distance.
    pub(crate) duration: Duration,
    pub(crate) nodes: Vec<u64>,
    pub(crate) keys: Vec<u64>,
    pub(crate) values: Vec<u64>,
    /// Round trips between nodes, in milliseconds.
    pub(crate) round_trips: Vec<u64>,
    /// Other builds of `coffeed`, the first of which this one is compared with.
    pub(crate) others: Vec<PathBuf>,
    /// Kinds of work and numbers of clients, for each of these builds.
    pub(crate) loads: Vec<(Work, usize)>,
    /// Number of watches.
    pub(crate) watches: u64,
    /// Turns of each load.
    pub(crate) turns: u64,
    /// How long a watcher stops.
    pub(crate) stall: Duration,
    /// Writes per second while it stops; `None` for as many as there can be.
    pub(crate) rate: Option<u32>,
    pub(crate) soak: Duration,
}

impl Default for EndureOptions {
    fn default() -> Self {
        Self {
            parts: EndurePart::ALL.map(|(_, part)| part).into(),
            state_mb: 1024,
            log_entries: 100_000,
            checkpoints: 5,
            trials: 20,
            duration: Duration::from_secs(5),
            nodes: vec![1, 3, 5],
            keys: vec![10_000, 100_000, 1_000_000, 10_000_000],
            values: vec![16, 256, 4096, 65_536, 1 << 20],
            round_trips: vec![5, 50, 100, 200, 400],
            others: Vec::new(),
            loads: vec![(Work::Put, 1), (Work::Put, 64), (Work::Put, 1024), (Work::Get, 1), (Work::Get, 64)],
            watches: 10_000,
            turns: 5,
            stall: Duration::from_secs(60),
            rate: None,
            soak: Duration::from_secs(3600),
        }
    }
}

impl EndureOptions {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let count = || number(&flag, &value);
            match flag.as_str() {
                "--parts" => options.parts = named(&flag, &value, &EndurePart::ALL)?,
                "--state-mb" => options.state_mb = count()?,
                "--log-entries" => options.log_entries = count()?,
                "--checkpoints" => options.checkpoints = count()?,
                "--trials" => {
                    options.trials = usize::try_from(count()?).map_err(|error| error.to_string())?
                }
                "--seconds" => options.duration = Duration::from_secs(count()?),
                "--nodes" => options.nodes = numbers(&flag, &value)?,
                "--keys" => options.keys = numbers(&flag, &value)?,
                "--values" => options.values = numbers(&flag, &value)?,
                "--round-trips" => options.round_trips = numbers(&flag, &value)?,
                "--others" => options.others = value.split(',').map(PathBuf::from).collect(),
                "--loads" => {
                    options.loads =
                        value.split(',').map(|word| load(&flag, word)).collect::<Result<_, _>>()?
                }
                "--watches" => options.watches = count()?,
                "--turns" => options.turns = count()?,
                "--stall-seconds" => options.stall = Duration::from_secs(count()?),
                "--rate" => options.rate = Some(u32::try_from(count()?).map_err(|error| error.to_string())?),
                "--soak-seconds" => options.soak = Duration::from_secs(count()?),
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        Ok(options)
    }

    pub(crate) fn has(&self, part: EndurePart) -> bool {
        self.parts.contains(&part)
    }
}

/// Parses a kind of work and a number of clients.
fn load(flag: &str, word: &str) -> Result<(Work, usize), String> {
    let (work, clients) = match word.split_once(':') {
        Some(("put", clients)) => (Work::Put, clients),
        Some(("get", clients)) => (Work::Get, clients),
        _ => return Err(format!("{flag} takes put:N and get:N")),
    };
    Ok((work, usize::try_from(number(flag, clients)?).map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<EndureOptions, String> {
        EndureOptions::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read() {
        assert_eq!(read(""), Ok(EndureOptions::default()));
        let options = read("--parts soak,cold --soak-seconds 60 --values 16,32").unwrap();
        assert_eq!(options.parts, [EndurePart::Soak, EndurePart::Cold]);
        assert_eq!((options.soak, options.values), (Duration::from_secs(60), vec![16, 32]));
        let options = read("--loads put:64,get:1").unwrap();
        assert_eq!(options.loads, [(Work::Put, 64), (Work::Get, 1)]);
        for wrong in
            ["--trials", "--trials 0", "--keys 1,", "--brew 3", "--parts soak,brew", "--loads brew:3"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
