//! Transactions by their result.

use coffee_common::command::Outcome;

use super::Counter;

/// The result of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionResult {
    /// All conditions held.
    Then,
    /// A condition did not hold.
    Else,
    /// A part of it failed, so nothing was changed.
    Failed,
}

impl TransactionResult {
    /// All results.
    pub const ALL: [Self; 3] = [Self::Then, Self::Else, Self::Failed];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Then => "then",
            Self::Else => "else",
            Self::Failed => "failed",
        }
    }

    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Transacted { then: true, .. } => Some(Self::Then),
            Outcome::Transacted { then: false, .. } => Some(Self::Else),
            Outcome::TransactionFailed { .. } => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Counts the transactions that this node proposed, retries of applied ones included.
#[derive(Debug, Default)]
pub struct TransactionMetrics([Counter; TransactionResult::ALL.len()]);

impl TransactionMetrics {
    /// Counts an outcome if it is that of a transaction.
    pub fn note(&self, outcome: &Outcome) {
        if let Some(result) = TransactionResult::of(outcome) {
            self.0[result as usize].increment();
        }
    }

    /// The transactions with this result.
    pub fn of(&self, result: TransactionResult) -> &Counter {
        &self.0[result as usize]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        id::Revision,
        transaction::{TransactionFailure, TransactionPart},
    };

    use super::*;

    #[test]
    fn each_result_is_counted_for_itself() {
        let metrics = TransactionMetrics::default();
        let transacted = |then| Outcome::Transacted { revision: Revision(7), then, effects: Vec::new() };
        let part = TransactionPart::Then(0);
        for outcome in [
            transacted(true),
            transacted(true),
            transacted(true),
            transacted(false),
            transacted(false),
            Outcome::TransactionFailed { part, why: TransactionFailure::NotANumber },
            Outcome::Applied { revision: Revision(8), effects: Vec::new() },
        ] {
            metrics.note(&outcome);
        }
        assert_eq!(TransactionResult::ALL.map(|result| metrics.of(result).get()), [3, 2, 1]);
    }
}
