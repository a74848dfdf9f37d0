//! Operators are told the truth: if a call says that nothing was done, nothing was and nothing
//! will be, and if it says that it is done, it is. (A promise of coffeed.)
//!
//! A node is admitted only if an operator asked for it, unless it is a member that has lost its disk:
//! a certificate gives no vote. It leaves the cluster only through an operator, or because it lost its
//! disk; a node that was shut down comes back only through an operator. So each of these changes must have a call that
//! owns up to it: one that was told that it is done or in doubt, or that is still in progress. So
//! must a leadership that was handed over, which no node does on its own while it runs. And a node
//! ends for good only if it was removed.

use std::collections::BTreeMap;

use crate::sim::observation::{Observation, Standing};

/// How long after a call's end its effect may be observed for the first time, in milliseconds:
/// the node that carried it out may have lost its power.
const OBSERVED_WITHIN_MS: u64 = 5000;

/// The id of the node that founded the cluster, which no operator has to announce.
const FOUNDER: u64 = 1;

/// An operation that an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorVerb {
    /// Shut a node down and remove it.
    Down,
    /// Remove a lost node.
    Remove,
    /// Make a node a voter.
    Boot,
    /// Transfer leadership.
    Transfer,
}

/// The answer to an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorAnswer {
    /// Nothing was done: it is unavailable, or was refused.
    NothingDone(String),
    /// The outcome is unknown.
    InDoubt(String),
    /// The node is out of the cluster.
    Gone,
    /// The node is a voter under this id.
    Voter(u64),
    /// The node does not answer, and may be admitted at any time from now on.
    Announced,
    /// This node leads in this term.
    Leads(String, u64),
}

/// A call of an operator, with times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCall {
    /// The operation.
    pub verb: OperatorVerb,
    /// The node that it is about; empty if none was named.
    pub node: String,
    /// When it was called.
    pub called: u64,
    /// When it returned, and what it said.
    pub answer: Option<(u64, OperatorAnswer)>,
}

impl OperatorCall {
    /// Whether it owns up to a change of this node that was observed at `at_ms`, and that was
    /// possible only after `since_ms`.
    fn owns_up(&self, node: &str, verbs: &[OperatorVerb], since_ms: u64, at_ms: u64) -> bool {
        if self.node != node || !verbs.contains(&self.verb) || self.called > at_ms {
            return false;
        }
        match &self.answer {
            None => true,
            Some((_, OperatorAnswer::NothingDone(_))) => false,
            Some((returned, OperatorAnswer::InDoubt(_) | OperatorAnswer::Announced)) => *returned >= since_ms,
            Some((returned, _)) => *returned >= since_ms && returned + OBSERVED_WITHIN_MS >= at_ms,
        }
    }
}

/// The life of a node under one id: events, each with the time of the first observation.
#[derive(Debug, Default)]
struct MemberLife {
    name: String,
    recorded: Option<u64>,
    joined: Option<u64>,
    voted: Option<u64>,
    left: Option<u64>,
    /// Its record says that it was shut down, or was deleted.
    retired: Option<u64>,
}

impl MemberLife {
    fn began(&self) -> u64 {
        self.recorded.into_iter().chain(self.joined).min().unwrap_or(0)
    }

    fn is_gone_by(&self, by_ms: u64) -> bool {
        self.left.into_iter().chain(self.retired).any(|at| at <= by_ms)
    }
}

/// The committed memberships and the records of nodes over time.
#[derive(Debug, Default)]
pub struct MemberHistory {
    lives: BTreeMap<u64, MemberLife>,
    /// Index of the newest committed membership.
    membership: Option<u64>,
    /// Name of the leader of each term.
    leaders: BTreeMap<u64, String>,
    /// The terms in which the leader began to hand over, with its name and the time.
    handed_over: BTreeMap<u64, (String, u64)>,
    /// When each node was stopping: the first and the last moment of each time.
    stops: BTreeMap<String, Vec<(u64, u64)>>,
    /// Number of disks of each node so far, and when the last one was lost.
    disks: BTreeMap<String, (u64, Vec<u64>)>,
    /// When each node ended for good, with its name and the id that it said was removed.
    removed: Vec<(u64, String, u64)>,
}

impl MemberHistory {
    /// Notes how many times a node's disk was replaced by an empty one.
    pub fn look_at_disk(&mut self, at_ms: u64, name: &str, generation: u64) {
        let (known, lost) = self.disks.entry(name.to_owned()).or_default();
        if *known < generation {
            *known = generation;
            lost.push(at_ms);
        }
    }

    /// Notes that a node is stopping: a leader then hands over on its own.
    pub fn look_at_stop(&mut self, at_ms: u64, name: &str) {
        let stops = self.stops.entry(name.to_owned()).or_default();
        match stops.last_mut().filter(|(_, last)| last + 1 >= at_ms) {
            Some((_, last)) => *last = at_ms,
            None => stops.push((at_ms, at_ms)),
        }
    }

    /// Notes that a node ended for good: it said that the cluster has removed this id.
    pub fn look_at_removed(&mut self, at_ms: u64, name: &str, id: u64) {
        self.removed.push((at_ms, name.to_owned(), id));
    }

    /// Notes what a node knows.
    pub fn look(&mut self, at_ms: u64, seen: &Observation) {
        if seen.leads {
            self.leaders.entry(seen.term).or_insert_with(|| seen.name.clone());
        }
        if seen.handed_over > 0 {
            self.handed_over.entry(seen.handed_over).or_insert_with(|| (seen.name.clone(), at_ms));
        }
        for record in seen.records.iter().filter(|record| record.standing != Standing::Announced) {
            let life = self.life(record.id, &record.name);
            life.recorded.get_or_insert(at_ms);
            if record.standing == Standing::Shutdown {
                life.retired.get_or_insert(at_ms);
            }
        }
        // An id is the index of the entry that admits the node.
        for (id, life) in self.lives.iter_mut().filter(|(id, _)| seen.applied >= **id) {
            let is_known = seen.records.iter().any(|record| record.name == life.name || record.id == *id);
            if life.recorded.is_some() && !seen.records.is_empty() && !is_known {
                life.retired.get_or_insert(at_ms);
            }
        }
        let Some(committed) = seen.members.as_ref().filter(|members| Some(members.index) > self.membership)
        else {
            return;
        };
        self.membership = Some(committed.index);
        for member in &committed.members {
            let life = self.life(member.id, &member.name);
            life.joined.get_or_insert(at_ms);
            if member.votes {
                life.voted.get_or_insert(at_ms);
            }
        }
        let is_member = |id: u64| committed.members.iter().any(|member| member.id == id);
        for (_, life) in self.lives.iter_mut().filter(|(id, life)| life.joined.is_some() && !is_member(**id))
        {
            life.left.get_or_insert(at_ms);
        }
    }

    /// Compares the calls with what happened. Returns the violations.
    pub fn judge(&self, calls: &[OperatorCall]) -> Vec<String> {
        let mut wrong: Vec<String> =
            self.lives.iter().filter_map(|(id, life)| self.unowned(*id, life, calls)).collect();
        wrong.extend(calls.iter().filter_map(|call| self.not_done(call)));
        let handed_over = self.handed_over.iter();
        wrong.extend(
            handed_over.filter_map(|(term, (from, at))| self.unowned_transfer(*term, from, *at, calls)),
        );
        wrong.extend(self.removed.iter().filter_map(|(at, name, id)| self.not_removed(*at, name, *id)));
        wrong
    }

    fn life(&mut self, id: u64, name: &str) -> &mut MemberLife {
        let life = self.lives.entry(id).or_default();
        if life.name.is_empty() {
            name.clone_into(&mut life.name);
        }
        life
    }

    /// Whether a node has lost a disk since it was admitted, until `at_ms`.
    fn lost_disk(&self, life: &MemberLife, at_ms: u64) -> bool {
        let lost = self.disks.get(&life.name).into_iter().flat_map(|(_, lost)| lost);
        lost.into_iter().any(|lost| (life.began()..=at_ms).contains(lost))
    }

    /// Returns why a node should not have ended for good, if so: neither its id nor a later one of its
    /// name was removed.
    fn not_removed(&self, at: u64, name: &str, id: u64) -> Option<String> {
        let mut lives = self.lives.range(id..).map(|(_, life)| life).filter(|life| life.name == name);
        if lives.any(|life| life.left.is_some() || life.retired.is_some()) {
            return None;
        }
        Some(format!("operators: {name} (id {id}) ended as removed at {at} ms, and was not removed"))
    }

    /// Returns a change of this node to which no call owns up, if there is one.
    fn unowned(&self, id: u64, life: &MemberLife, calls: &[OperatorCall]) -> Option<String> {
        let name = &life.name;
        let owned =
            |verbs: &[OperatorVerb], since, at| calls.iter().any(|call| call.owns_up(name, verbs, since, at));
        let removal = [OperatorVerb::Down, OperatorVerb::Remove];
        for (at, what) in [(life.left, "left the membership"), (life.retired, "was recorded as shut down")] {
            let Some(at) = at else { continue };
            // A node that never heard of its admission is admitted again, in place of the first time.
            let replaced = what.starts_with("left") && owned(&[OperatorVerb::Boot], life.began(), at);
            if !owned(&removal, life.began(), at) && !self.lost_disk(life, at) && !replaced {
                return Some(wrong(&format!("{name} (id {id}) {what} at {at} ms"), name, calls));
            }
        }
        if let Some((retired, joined)) =
            life.retired.zip(life.joined).filter(|(retired, joined)| joined > retired)
        {
            return Some(format!(
                "operators: {name} (id {id}) was recorded as shut down at {retired} ms, and joined at {joined} ms"
            ));
        }
        let at = life.recorded.filter(|_| id != FOUNDER)?;
        let before =
            self.lives.range(..id).rev().map(|(_, before)| before).find(|before| before.name == *name);
        let (since, what) = match before {
            None => (0, "although it was never announced"),
            Some(before) => (before.retired.filter(|retired| *retired <= at)?, "after it was shut down"),
        };
        if owned(&[OperatorVerb::Boot], since, at) {
            return None;
        }
        Some(wrong(&format!("{name} was admitted (id {id}) at {at} ms, {what}"), name, calls))
    }

    /// Returns a leadership that moved, although each call that asked for it says that nothing was
    /// done.
    fn unowned_transfer(&self, term: u64, from: &str, at: u64, calls: &[OperatorCall]) -> Option<String> {
        let to = self.leaders.get(&(term + 1)).filter(|to| *to != from)?;
        // A call that finds its leader leading again did not move it.
        if self.leaders.get(&(term + 2)).is_some_and(|leader| leader == from) {
            return None;
        }
        let stops = self.stops.get(from).into_iter().flatten();
        if stops.into_iter().any(|(first, last)| (*first..=last + 1).contains(&at)) {
            return None;
        }
        let owns_up = |call: &OperatorCall| match (&call.verb, &call.answer) {
            _ if call.called > at => false,
            (OperatorVerb::Boot | OperatorVerb::Remove, _) => false,
            (_, None | Some((_, OperatorAnswer::InDoubt(_)))) => true,
            // It may hand over, and then be refused what it is for.
            (OperatorVerb::Down, Some((returned, _))) => returned + OBSERVED_WITHIN_MS >= at,
            (OperatorVerb::Transfer, Some((_, OperatorAnswer::NothingDone(_)))) => false,
            (OperatorVerb::Transfer, Some((returned, _))) => returned + OBSERVED_WITHIN_MS >= at,
        };
        if calls.iter().any(owns_up) {
            return None;
        }
        let asked: Vec<_> = calls.iter().filter(|call| call.verb == OperatorVerb::Transfer).collect();
        Some(format!(
            "operators: {from} handed over to {to} in term {term} at {at} ms, and each call that asked for it says \
             that nothing was done: {asked:?}"
        ))
    }

    /// Returns why a call that says that it is done is not, if so.
    fn not_done(&self, call: &OperatorCall) -> Option<String> {
        let (returned, answer) = call.answer.as_ref()?;
        let by = returned + OBSERVED_WITHIN_MS;
        let is_done = match answer {
            OperatorAnswer::NothingDone(_) | OperatorAnswer::InDoubt(_) | OperatorAnswer::Announced => true,
            OperatorAnswer::Leads(name, term) => self.leaders.get(term) == Some(name),
            OperatorAnswer::Voter(id) => self
                .lives
                .get(id)
                .is_some_and(|life| life.name == call.node && life.voted.is_some_and(|at| at <= by)),
            OperatorAnswer::Gone => {
                // The id at the time of the call, or one that the node was given meanwhile.
                let lives = self.lives.values().rev();
                let mut lives =
                    lives.filter(|life| life.name == call.node && life.began() <= *returned).peekable();
                let mut go_on = true;
                // One that was announced only has had no id.
                lives.peek().is_none()
                    || lives
                        .take_while(|life| std::mem::replace(&mut go_on, life.began() > call.called))
                        .any(|life| life.is_gone_by(by))
            }
        };
        (!is_done).then(|| format!("operators: not done, although it says so: {call:?}"))
    }
}

fn wrong(what: &str, name: &str, calls: &[OperatorCall]) -> String {
    let about: Vec<_> = calls.iter().filter(|call| call.node == name).collect();
    format!("operators: {what}, and each call that asked for it says that nothing was done: {about:?}")
}

#[cfg(test)]
mod tests;
