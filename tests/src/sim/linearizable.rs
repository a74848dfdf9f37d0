//! Whether a history of one register is linearizable (Herlihy and Wing, 1990).
//!
//! The search of Wing and Gong with the memory of Lowe ("Testing for
//! Linearizability", 2017): walk the history; lift an operation that may have
//! taken effect now if the register allows it, remembering each pair of lifted
//! operations and register, so that no pair is tried twice; go back where an
//! operation ended that was not lifted. A write in doubt that is overwritten
//! unseen may as well not have happened, so it is not lifted before a write:
//! else many writes in doubt would take forever.
//!
//! A history of many keys is linearizable if and only if that of each key is
//! (locality), so each key is judged by itself. Of an operation on several keys
//! each key sees its part: what is found wrong of a part is wrong of the whole.

use std::collections::HashSet;

/// What a key holds: a value that was written once only, or nothing.
pub type Register = Option<u64>;

/// What an operation does to the register, and what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Saw this.
    Read(Register),
    /// Gave it this, whatever it was.
    Write(Register),
    /// Gave it `to`, since it was `from`.
    Swap {
        /// What it had to be.
        from: Register,
        /// What it was given.
        to: Register,
    },
    /// Was refused, since it was not this.
    IsNot(Register),
}

impl Action {
    /// The register behind it, if it may take effect on this one.
    fn on(self, register: Register) -> Option<Register> {
        match self {
            Self::Read(seen) => (seen == register).then_some(register),
            Self::Write(to) => Some(to),
            Self::Swap { from, to } => (from == register).then_some(to),
            Self::IsNot(what) => (what != register).then_some(register),
        }
    }
}

/// An operation of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// When it was called.
    pub called: u64,
    /// When it returned. `None`: nobody knows whether, or when, it took effect.
    pub returned: Option<u64>,
    /// What it was.
    pub action: Action,
}

/// What the search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains everything.
    Linearizable,
    /// There is none.
    Violated,
    /// The search was given up.
    Undecided,
}

/// Pairs that are tried at most.
const STEPS_MAX: usize = 5_000_000;

#[derive(Debug, Clone, Copy)]
enum Event {
    Call(usize),
    Return(usize),
}

/// Judges the history of one key, which held nothing before.
pub fn check(history: &[Operation]) -> Verdict {
    Search::new(history).run()
}

struct Search<'a> {
    history: &'a [Operation],
    events: Vec<Event>,
    /// For each event the next one that is not lifted; the last entry is the head.
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Where the return of an operation is, if it has one.
    returns: Vec<Option<usize>>,
    lifted: Vec<u64>,
    lifted_returning: usize,
}

impl<'a> Search<'a> {
    fn new(history: &'a [Operation]) -> Self {
        let mut timed: Vec<(u64, bool, Event)> = Vec::new();
        for (n, operation) in history.iter().enumerate() {
            timed.push((operation.called, false, Event::Call(n)));
            timed.extend(operation.returned.map(|at| (at, true, Event::Return(n))));
        }
        // At the same time calls come first: whoever overlaps may have either order.
        timed.sort_by_key(|(at, is_return, _)| (*at, *is_return));
        let events: Vec<Event> = timed.into_iter().map(|(_, _, event)| event).collect();
        let mut returns = vec![None; history.len()];
        for (at, event) in events.iter().enumerate() {
            if let Event::Return(n) = event {
                returns[*n] = Some(at);
            }
        }
        let end = events.len();
        let next = (1..=end).chain([0]).collect();
        let previous = std::iter::once(end).chain(0..end).collect();
        let lifted = vec![0; history.len().div_ceil(64)];
        Self { history, events, next, previous, returns, lifted, lifted_returning: 0 }
    }

    fn run(&mut self) -> Verdict {
        let head = self.events.len();
        let returning = self.returns.iter().flatten().count();
        let mut tried: HashSet<(Vec<u64>, Register, bool)> = HashSet::new();
        let mut path: Vec<(usize, Register)> = Vec::new();
        let mut register: Register = None;
        let mut at = self.next[head];
        while self.lifted_returning < returning {
            let call = (at != head).then(|| self.events[at]);
            if let Some(Event::Call(n)) = call {
                let unseen = path.last().is_some_and(|(at, _)| self.is_write_in_doubt(*at));
                let writes = matches!(self.history[n].action, Action::Write(_));
                let after = self.history[n].action.on(register).filter(|_| !(unseen && writes));
                self.mark(n, true);
                let in_doubt = self.is_write_in_doubt(at);
                let is_new = |after: &Register| tried.insert((self.lifted.clone(), *after, in_doubt));
                if let Some(after) = after.filter(is_new) {
                    if tried.len() > STEPS_MAX {
                        return Verdict::Undecided;
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
            // Somebody returned who cannot have taken effect yet: another order.
            let Some((lifted_at, before)) = path.pop() else { return Verdict::Violated };
            let Event::Call(n) = self.events[lifted_at] else { unreachable!("only calls are lifted") };
            register = before;
            self.lower(lifted_at, n);
            self.mark(n, false);
            at = self.next[lifted_at];
        }
        Verdict::Linearizable
    }

    /// Whether the call at this event is of a write that nobody knows the outcome of.
    fn is_write_in_doubt(&self, call: usize) -> bool {
        let Event::Call(n) = self.events[call] else { return false };
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

    /// Undoes [`Search::lift`], in the opposite order.
    fn lower(&mut self, call: usize, n: usize) {
        if let Some(at) = self.returns[n] {
            self.link(at);
            self.lifted_returning -= 1;
        }
        self.link(call);
    }

    fn unlink(&mut self, at: usize) {
        let (before, behind) = (self.previous[at], self.next[at]);
        self.next[before] = behind;
        self.previous[behind] = before;
    }

    fn link(&mut self, at: usize) {
        let (before, behind) = (self.previous[at], self.next[at]);
        self.next[before] = at;
        self.previous[behind] = at;
    }
}

#[cfg(test)]
mod tests;
