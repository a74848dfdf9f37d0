//! Feature levels: the level of a cluster never sinks, nothing that a level brought is in a log below
//! it, a node notes the level of its data before it has any, and no node is admitted, or runs on such
//! data, that does not know the level. (Invariants of coffeed.)

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::{Inside, Observation};

/// Remembers the levels of the applied states, and with which level each node was admitted.
#[derive(Debug, Default)]
pub struct FeatureLevels {
    /// For each level, the last entry as of which the cluster was known to be below it.
    below: BTreeMap<u32, u64>,
    /// For each level, the first entry as of which the cluster was known to be at it.
    reached: BTreeMap<u32, u64>,
    /// The level noted by each node, by id.
    marked: BTreeMap<u64, u32>,
    /// The level that each node knew when its id was first observed.
    admitted: BTreeMap<u64, u32>,
}

impl SafetyCheck for FeatureLevels {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        self.admitted.entry(seen.id).or_insert(seen.knows);
        let Some(inside) = &seen.inside else { return Ok(()) };
        let result = self.never_sinks(inside).and_then(|()| self.nothing_ahead(inside));
        let result = result.and_then(|()| self.is_noted(seen.id, inside));
        let result = result.and_then(|()| self.is_known(seen, inside));
        result.map_err(|wrong| format!("feature level: {}: {wrong}", seen.name))
    }
}

impl FeatureLevels {
    fn never_sinks(&mut self, inside: &Inside) -> Result<(), String> {
        let durable = (inside.durably_applied, inside.durable_level);
        let live = inside.state.map(|state| (state.index, state.level));
        for (index, level) in live.into_iter().chain([durable]).filter(|(index, _)| *index > 0) {
            let reached = self.reached.entry(level).or_insert(index);
            *reached = (*reached).min(index);
            let below = self.below.entry(level + 1).or_insert(index);
            *below = (*below).max(index);
        }
        for (level, reached) in &self.reached {
            let sunk = self.below.get(level).filter(|below| *below >= reached);
            if let Some(below) = sunk {
                return Err(format!("level {level} was reached at {reached}, and not at {below}"));
            }
        }
        Ok(())
    }

    fn nothing_ahead(&self, inside: &Inside) -> Result<(), String> {
        let mut raised = 0;
        for line in &inside.log {
            // A raise before the log begins is in the states as of its beginning.
            let is_below = |level| self.below.get(&level).is_some_and(|below| *below >= inside.purged);
            if line.needs > 1 && raised < line.needs && is_below(line.needs) {
                let (index, needs) = (line.index, line.needs);
                return Err(format!("entry {index} is of level {needs}, to which no entry before it raises"));
            }
            raised = raised.max(line.raises);
        }
        Ok(())
    }

    fn is_noted(&mut self, id: u64, inside: &Inside) -> Result<(), String> {
        let Some(now) = inside.marked else { return Ok(()) };
        let before = std::mem::replace(self.marked.entry(id).or_default(), now);
        if before > now {
            return Err(format!("it noted level {before}, and now {now}"));
        }
        let log = inside.log.iter().map(|line| line.raises.max(line.needs)).max().unwrap_or(0);
        let level = log.max(inside.durable_level);
        if level > now {
            return Err(format!("its data is of level {level}, and it noted {now}"));
        }
        Ok(())
    }

    fn is_known(&self, seen: &Observation, inside: &Inside) -> Result<(), String> {
        let marked = inside.marked.filter(|marked| inside.state.is_some() && seen.knows < *marked);
        if let Some(marked) = marked {
            return Err(format!("it knows level {}, and runs on data of level {marked}", seen.knows));
        }
        for (id, knows) in &self.admitted {
            let level = self.reached.iter().filter(|(_, at)| *at < id).map(|(level, _)| *level).max();
            if level.is_some_and(|level| level > *knows) {
                return Err(format!("node {id} knows level {knows}, and was admitted at {level:?}"));
            }
        }
        Ok(())
    }
}
