//! The outcomes of the corruption tests, counted.

use std::collections::BTreeMap;

use super::Damage;

/// The outcome of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CorruptionOutcome {
    /// All answers are the same as before.
    Harmless,
    /// The node does not start.
    AtStart,
    /// A read returns an error.
    AtRead,
    /// As after a power cut that tore the last commit of the log.
    Torn,
    /// An answer is different.
    Wrong,
    /// The process would have panicked.
    Panic,
}

/// Cases by sample, file and damage.
#[derive(Debug, Default)]
pub(super) struct OutcomeTable(
    BTreeMap<(&'static str, &'static str, Damage), BTreeMap<CorruptionOutcome, usize>>,
);

impl OutcomeTable {
    pub(super) fn count(
        &mut self,
        sample: &'static str,
        file: &'static str,
        damage: Damage,
        outcome: CorruptionOutcome,
    ) {
        *self.0.entry((sample, file, damage)).or_default().entry(outcome).or_default() += 1;
    }

    pub(super) fn total(&self, outcome: CorruptionOutcome) -> usize {
        self.0.values().filter_map(|outcomes| outcomes.get(&outcome)).sum()
    }

    pub(super) fn show(&self) {
        println!(
            "{:<10} {:<6} {:<11} {:>6} {:>9} {:>9} {:>8} {:>6} {:>6} {:>6}",
            "node", "file", "damage", "cases", "harmless", "at start", "at read", "torn", "wrong", "panic"
        );
        for ((sample, file, damage), outcomes) in &self.0 {
            let of = |outcome| outcomes.get(&outcome).copied().unwrap_or(0);
            println!(
                "{sample:<10} {file:<6} {:<11} {:>6} {:>9} {:>9} {:>8} {:>6} {:>6} {:>6}",
                format!("{damage:?}"),
                outcomes.values().sum::<usize>(),
                of(CorruptionOutcome::Harmless),
                of(CorruptionOutcome::AtStart),
                of(CorruptionOutcome::AtRead),
                of(CorruptionOutcome::Torn),
                of(CorruptionOutcome::Wrong),
                of(CorruptionOutcome::Panic),
            );
        }
    }
}
