//! Checks whether a history of one register is linearizable (Herlihy and Wing, 1990).
//!
//! The search of Wing and Gong with Lowe's memoization ("Testing for Linearizability",
//! 2017): walk the history; lift an operation that may take effect now if the register
//! allows it; remember each pair of lifted operations and register, so that no pair is
//! tried twice; backtrack at the return of an operation that was not lifted. A write in
//! doubt that is overwritten unseen may as well not have happened, so it is not lifted
//! before a write. Otherwise many writes in doubt would take forever.
//!
//! A history of many keys is linearizable if and only if the history of each key is
//! (locality), so each key is checked on its own. An operation on several keys
//! contributes its part to each of them: a violation in a part is a violation of the
//! whole.

use std::collections::HashSet;

/// Contents of a key: a value that is written only once, or nothing.
pub type Register = Option<u64>;

/// An operation's effect on the register, with what it observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read this value.
    Read(Register),
    /// Wrote this value unconditionally.
    Write(Register),
    /// Wrote `to`, since the register was `from`.
    Swap {
        /// The required old value.
        from: Register,
        /// The new value.
        to: Register,
    },
    /// Was rejected, since the register was not this value.
    IsNot(Register),
}

impl Action {
    /// Returns the register after this action, if the action may take effect on it.
    fn on(self, register: Register) -> Option<Register> {
        match self {
            Self::Read(seen) => (seen == register).then_some(register),
            Self::Write(to) => Some(to),
            Self::Swap { from, to } => (from == register).then_some(to),
            Self::IsNot(what) => (what != register).then_some(register),
        }
    }
}

/// An operation in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedOperation {
    /// When it was called.
    pub called: u64,
    /// When it returned. `None`: it is unknown whether and when it took effect.
    pub returned: Option<u64>,
    /// Its effect.
    pub action: Action,
}

/// Result of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryVerdict {
    /// Some order explains every observation.
    Linearizable,
    /// No order does.
    Violated,
    /// The search hit its limit.
    Undecided,
}

/// Maximum number of pairs to try.
const STEPS_MAX: usize = 5_000_000;

#[derive(Debug, Clone, Copy)]
enum HistoryEvent {
    Call(usize),
    Return(usize),
}

/// Checks the history of one key, which was absent at first.
pub fn check(history: &[RecordedOperation]) -> HistoryVerdict {
    Search::new(history).run()
}

struct Search<'a> {
    history: &'a [RecordedOperation],
    events: Vec<HistoryEvent>,
    /// The next event that is not lifted, per event; the last element is the head.
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Position of each operation's return, if it has one.
    returns: Vec<Option<usize>>,
    lifted: Vec<u64>,
    lifted_returning: usize,
}

impl<'a> Search<'a> {
    fn new(history: &'a [RecordedOperation]) -> Self {
        let mut timed: Vec<(u64, bool, HistoryEvent)> = Vec::new();
        for (n, operation) in history.iter().enumerate() {
            timed.push((operation.called, false, HistoryEvent::Call(n)));
            timed.extend(operation.returned.map(|at| (at, true, HistoryEvent::Return(n))));
        }
        // Calls sort before returns of the same time: overlapping operations may take
        // effect in either order.
        timed.sort_by_key(|(at, is_return, _)| (*at, *is_return));
        let events: Vec<HistoryEvent> = timed.into_iter().map(|(_, _, event)| event).collect();
        let mut returns = vec![None; history.len()];
        for (at, event) in events.iter().enumerate() {
            if let HistoryEvent::Return(n) = event {
                returns[*n] = Some(at);
            }
        }
        let end = events.len();
        let next = (1..=end).chain([0]).collect();
        let previous = std::iter::once(end).chain(0..end).collect();
        let lifted = vec![0; history.len().div_ceil(64)];
        Self { history, events, next, previous, returns, lifted, lifted_returning: 0 }
    }

    fn run(&mut self) -> HistoryVerdict {
        let head = self.events.len();
        let returning = self.returns.iter().flatten().count();
        let mut tried: HashSet<(Vec<u64>, Register, bool)> = HashSet::new();
        let mut path: Vec<(usize, Register)> = Vec::new();
        let mut register: Register = None;
        let mut at = self.next[head];
        while self.lifted_returning < returning {
            let call = (at != head).then(|| self.events[at]);
            if let Some(HistoryEvent::Call(n)) = call {
                let unseen = path.last().is_some_and(|(at, _)| self.is_write_in_doubt(*at));
                let writes = matches!(self.history[n].action, Action::Write(_));
                let after = self.history[n].action.on(register).filter(|_| !(unseen && writes));
                self.mark(n, true);
                let in_doubt = self.is_write_in_doubt(at);
                let is_new = |after: &Register| tried.insert((self.lifted.clone(), *after, in_doubt));
                if let Some(after) = after.filter(is_new) {
                    if tried.len() > STEPS_MAX {
                        return HistoryVerdict::Undecided;
                    }
                    path.push((at, register));
                    register = after;
                    self.lift(at, n);
                    at = self.next[head];
                } else {
                    self.mark(n, false);
                    at = self.next[at];
                }
                continue;
            }
            // An operation returned that cannot have taken effect yet: try another order.
            let Some((lifted_at, before)) = path.pop() else { return HistoryVerdict::Violated };
            let HistoryEvent::Call(n) = self.events[lifted_at] else { unreachable!("only calls are lifted") };
            register = before;
            self.lower(lifted_at, n);
            self.mark(n, false);
            at = self.next[lifted_at];
        }
        HistoryVerdict::Linearizable
    }

    /// Whether the call at this event is a write with unknown outcome.
    fn is_write_in_doubt(&self, call: usize) -> bool {
        let HistoryEvent::Call(n) = self.events[call] else { return false };
        self.returns[n].is_none() && matches!(self.history[n].action, Action::Write(_))
    }

    fn mark(&mut self, n: usize, lifted: bool) {
        let bit = 1 << (n % 64);
        if lifted { self.lifted[n / 64] |= bit } else { self.lifted[n / 64] &= !bit }
    }

    fn lift(&mut self, call: usize, n: usize) {
        self.unlink(call);
        if let Some(at) = self.returns[n] {
            self.unlink(at);
            self.lifted_returning += 1;
        }
    }

    /// Undoes [`Search::lift`], in reverse order.
    fn lower(&mut self, call: usize, n: usize) {
        if let Some(at) = self.returns[n] {
            self.link(at);
            self.lifted_returning -= 1;
        }
        self.link(call);
    }

    fn unlink(&mut self, at: usize) {
        let (before, after) = (self.previous[at], self.next[at]);
        self.next[before] = after;
        self.previous[after] = before;
    }

    fn link(&mut self, at: usize) {
        let (before, after) = (self.previous[at], self.next[at]);
        self.next[before] = at;
        self.previous[after] = at;
    }
}

#[cfg(test)]
mod tests;
