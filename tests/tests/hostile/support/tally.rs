//! Result of an attack: how much was sent, and how it was answered.

use std::{collections::BTreeMap, fmt};

use tokio::task::JoinSet;

/// Counts pieces sent, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    ends: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts pieces whose end is not known yet.
    pub(crate) fn sent(count: usize) -> Self {
        Self { sent: count as u64, ..Self::default() }
    }

    /// Sums up the attackers' tallies.
    pub(crate) async fn gather(mut attackers: JoinSet<Self>) -> Self {
        let mut sum = Self::default();
        while let Some(tally) = attackers.join_next().await {
            sum.add(tally.expect("an attacker sees what it expects"));
        }
        sum
    }

    /// Counts one piece that ended this way.
    pub(crate) fn note(&mut self, end: impl Into<String>) {
        *self.ends.entry(end.into()).or_default() += 1;
    }

    /// Number of pieces that ended this way.
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
