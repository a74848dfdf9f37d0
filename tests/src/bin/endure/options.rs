//! What the command is told.

use std::time::Duration;

use coffee_tests::flags::{named, number, numbers};

pub(crate) const USAGE: &str = "endure [--parts upkeep,snapshot,transfers,kills,cold,growth,crowd,soak] [--state-mb N] \
     [--log-entries N] [--checkpoints N] [--trials N] [--seconds N] [--nodes N,N..] [--keys N,N..] [--values BYTES,..] \
     [--soak-seconds N]";

/// What can be done by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Checkpoints and purges while clients write.
    Upkeep,
    /// A new node gets a large state while clients write.
    Snapshot,
    /// The leader moves while clients write.
    Transfers,
    /// The leader is killed while clients write.
    Kills,
    /// All nodes start with a large state and a long log.
    Cold,
    /// More nodes, more keys, larger values.
    Growth,
    /// Far more clients than usual.
    Crowd,
    /// A long time at a high rate.
    Soak,
}

impl Part {
    const ALL: [(&str, Self); 8] = [
        ("upkeep", Self::Upkeep),
        ("snapshot", Self::Snapshot),
        ("transfers", Self::Transfers),
        ("kills", Self::Kills),
        ("cold", Self::Cold),
        ("growth", Self::Growth),
        ("crowd", Self::Crowd),
        ("soak", Self::Soak),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    /// How large a large state is, in MB of values.
    pub(crate) state_mb: u64,
    /// How many entries a long log has, at least.
    pub(crate) log_entries: u64,
    /// How many checkpoints of the leader the load sees.
    pub(crate) checkpoints: u64,
    /// How often the leader is moved or killed.
    pub(crate) trials: usize,
    /// How long a turn of the growth or of the crowd takes.
    pub(crate) duration: Duration,
    pub(crate) nodes: Vec<u64>,
    pub(crate) keys: Vec<u64>,
    pub(crate) values: Vec<u64>,
    pub(crate) soak: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: Part::ALL.map(|(_, part)| part).into(),
            state_mb: 1024,
            log_entries: 100_000,
            checkpoints: 5,
            trials: 20,
            duration: Duration::from_secs(5),
            nodes: vec![1, 3, 5],
            keys: vec![10_000, 100_000, 1_000_000, 10_000_000],
            values: vec![16, 256, 4096, 65_536, 1 << 20],
            soak: Duration::from_secs(3600),
        }
    }
}

impl Options {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let count = || number(&flag, &value);
            match flag.as_str() {
                "--parts" => options.parts = named(&flag, &value, &Part::ALL)?,
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
                "--soak-seconds" => options.soak = Duration::from_secs(count()?),
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        Ok(options)
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read() {
        assert_eq!(read(""), Ok(Options::default()));
        let options = read("--parts soak,cold --soak-seconds 60 --values 16,32").unwrap();
        assert_eq!(options.parts, [Part::Soak, Part::Cold]);
        assert_eq!((options.soak, options.values), (Duration::from_secs(60), vec![16, 32]));
        for wrong in ["--trials", "--trials 0", "--keys 1,", "--brew 3", "--parts soak,brew"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
