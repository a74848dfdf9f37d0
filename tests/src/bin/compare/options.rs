//! What the command is told.

use std::{path::PathBuf, time::Duration};

pub(crate) const USAGE: &str = "compare [--rounds N] [--seconds N] [--clients N,N..] [--keys N] [--value-size BYTES] \
     [--coffeed-connections N] [--etcd-connections N] [--svg FILE]";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) duration: Duration,
    pub(crate) clients: Vec<usize>,
    pub(crate) keys: u64,
    pub(crate) value_bytes: usize,
    pub(crate) coffeed_connections: usize,
    pub(crate) etcd_connections: usize,
    pub(crate) svg: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 3,
            duration: Duration::from_secs(3),
            clients: vec![1, 16, 64, 256, 1024],
            keys: 100_000,
            value_bytes: 256,
            coffeed_connections: 1,
            etcd_connections: 8,
            svg: None,
        }
    }
}

impl Options {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--rounds" => options.rounds = number(&flag, &value)?,
                "--seconds" => options.duration = Duration::from_secs(number(&flag, &value)? as u64),
                "--clients" => {
                    options.clients =
                        value.split(',').map(|count| number(&flag, count)).collect::<Result<_, _>>()?;
                }
                "--keys" => options.keys = number(&flag, &value)? as u64,
                "--value-size" => options.value_bytes = number(&flag, &value)?,
                "--coffeed-connections" => options.coffeed_connections = number(&flag, &value)?,
                "--etcd-connections" => options.etcd_connections = number(&flag, &value)?,
                "--svg" => options.svg = Some(value.into()),
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        Ok(options)
    }
}

fn number(flag: &str, text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=10_000_000).contains(&number) => Ok(number),
        _ => Err(format!("{flag} takes numbers from 1")),
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
        let options = read("--clients 1,64 --rounds 5 --svg a.svg").unwrap();
        assert_eq!((options.clients, options.rounds, options.svg), (vec![1, 64], 5, Some("a.svg".into())));
        for wrong in ["--rounds", "--rounds 0", "--clients 1,", "--brew 3"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
