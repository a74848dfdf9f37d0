//! Collects violations, during the run and at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use coffee_tests::sim::{
    checks::operators::MemberHistory,
    linearizable::{self, HistoryVerdict},
};

use crate::{operator::OperatorRecord, upgrade, workload::History, world::RunOptions};

/// Violations found.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    wrong: Vec<String>,
}

impl Judge {
    /// Records a violation.
    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.wrong.contains(&what) {
            self.wrong.push(what);
        }
    }

    /// Returns the violations.
    pub(crate) fn found(self) -> Vec<String> {
        self.wrong
    }

    /// Checks what the operators were told.
    pub(crate) fn operators(&mut self, record: &OperatorRecord, members: &MemberHistory) {
        members.judge(&record.calls()).into_iter().for_each(|wrong| self.wrong(wrong));
    }

    /// Checks the clients' history.
    pub(crate) fn history(&mut self, history: &History) {
        if history.mislabelled() > 0 {
            self.wrong(format!("{} reads have entries newer than their revision", history.mislabelled()));
        }
        history.wrong().into_iter().for_each(|wrong| self.wrong(wrong));
        self.sums(history);
        self.watches(history);
        for (key, operations) in history.operations() {
            match linearizable::check(&operations) {
                HistoryVerdict::Linearizable => {}
                HistoryVerdict::Violated => self.wrong(format!("key {key} is not linearizable")),
                HistoryVerdict::Undecided => self.wrong(format!("key {key}: undecided")),
            }
        }
    }
}

impl Judge {
    /// Checks that each addition of one to the shared counter has its own sum.
    fn sums(&mut self, history: &History) {
        let (mut sums, in_doubt) = history.sums();
        sums.sort_unstable();
        let (count, last) = (sums.len() as i64, sums.last().copied().unwrap_or_default());
        let is_once = sums.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_once || last < count || last > count + in_doubt {
            self.wrong(format!(
                "{last} is not the sum of {count} additions, and {in_doubt} in doubt: {sums:?}"
            ));
        }
    }

    /// Checks that each watch was told all changes, once and in order.
    fn watches(&mut self, history: &History) {
        let watches = history.watches();
        let mut known = history.changes();
        for watch in &watches {
            let keys: Vec<_> = watch.told.iter().map(|(at, key, _)| (*at, *key)).collect();
            if let Some(pair) = watch.told.windows(2).find(|pair| pair[0].0 > pair[1].0) {
                self.wrong(format!("a watch was told changes out of order: {pair:?}"));
            }
            if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
                self.wrong("a watch was told a change twice, or out of order".to_owned());
            }
            for (at, key, value) in &watch.told {
                let other = known.entry((*at, *key)).or_insert(*value);
                if other != value {
                    self.wrong(format!("a watch was told {value:?} of key {key} at {at}, not {other:?}"));
                }
            }
        }
        for watch in &watches {
            let told: BTreeSet<_> = watch.told.iter().map(|(at, key, _)| (*at, *key)).collect();
            let missed = known.keys().find(|(at, key)| {
                (watch.began + 1..=watch.upto).contains(at) && !told.contains(&(*at, *key))
            });
            if let Some((at, key)) = missed {
                let (began, upto) = (watch.began, watch.upto);
                self.wrong(format!("a watch from {began} to {upto} was not told of key {key} at {at}"));
            }
        }
    }
}

/// Result of a seed.
#[derive(Debug)]
pub(crate) struct SimReport {
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) behaviour: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) real_ms: u128,
    pub(crate) acknowledged: u64,
    pub(crate) in_doubt: u64,
    pub(crate) refused: u64,
    /// Operators' calls that were done, in doubt, and of which nothing was done.
    pub(crate) operators: [u64; 3],
    /// How many times a majority was connected for as long as a write may take.
    pub(crate) judged_live: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) events: BTreeMap<&'static str, u64>,
    pub(crate) options: RunOptions,
    pub(crate) healed_ms: Option<u64>,
    pub(crate) wrong: Vec<String>,
    /// Faults in order, and the nodes' states at the end.
    pub(crate) diary: Vec<String>,
}

impl SimReport {
    /// The same as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "seed": self.seed,
            "behaviour": format!("{:016x}", self.behaviour),
            "simulated_ms": self.simulated_ms,
            "operations": {
                "acknowledged": self.acknowledged,
                "in doubt": self.in_doubt,
                "refused": self.refused,
                "by operators, done": self.operators[0],
                "by operators, in doubt": self.operators[1],
                "by operators, nothing done": self.operators[2],
                "majorities connected for seconds": self.judged_live,
            },
            "faults": self.faults,
            "events": self.events,
            "upgrade": self.upgrade(),
            "healed_ms": self.healed_ms,
            "wrong": self.wrong,
        })
    }

    /// Numbers of the events of an upgrade, by their names.
    fn upgrade(&self) -> BTreeMap<&'static str, u64> {
        let counted = |name: &'static str| Some((name, *self.events.get(name)?));
        upgrade::EVENTS.into_iter().filter_map(counted).collect()
    }

    /// Whether no violation was found.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }
}

impl fmt::Display for SimReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        write!(
            f,
            "seed {} behaviour {:016x}: {} ms simulated in {} ms, {} operations acknowledged, {} in doubt, {} refused, \
             operators' calls done, in doubt, not done {:?}, {} majorities connected for seconds, {faults} faults {:?}, {:?}, healed after {:?} ms: ",
            self.seed,
            self.behaviour,
            self.simulated_ms,
            self.real_ms,
            self.acknowledged,
            self.in_doubt,
            self.refused,
            self.operators,
            self.judged_live,
            self.faults,
            self.events,
            self.healed_ms,
        )?;
        if self.is_clean() {
            return f.write_str("nothing wrong");
        }
        self.diary.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        let flag = if self.options.upgrade { " --upgrade" } else { "" };
        let (wrong, seed, seconds) = (self.wrong.join("; "), self.seed, self.seconds);
        write!(f, "\nWRONG: {wrong}; repeat with: simulate {seed} {seconds}{flag}")
    }
}
