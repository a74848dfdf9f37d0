//! What an attack came to: how much was sent, and how it was turned away.

use std::{collections::BTreeMap, fmt};

/// Counts what was sent, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    ends: BTreeMap<String, u64>,
}

impl Tally {
    /// One piece that ended so.
    pub(crate) fn note(&mut self, end: impl Into<String>) {
        *self.ends.entry(end.into()).or_default() += 1;
    }

    /// How many ended so.
    pub(crate) fn of(&self, end: &str) -> u64 {
        self.ends.get(end).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends: Vec<String> = self.ends.iter().map(|(end, count)| format!("{end} {count}")).collect();
        f.write_str(&ends.join(", "))
    }
}
