//! Round trips to other nodes in the last minute.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::id::NodeName;

use super::RECENT_SECONDS;

/// The round trips to the connected nodes, by second.
#[derive(Debug, Default)]
pub struct RoundTripMetrics(Mutex<BTreeMap<NodeName, VecDeque<Duration>>>);

impl RoundTripMetrics {
    /// Records the present estimates. Forgets the nodes without one.
    pub fn note(&self, now: BTreeMap<NodeName, Duration>) {
        let mut peers = self.peers();
        peers.retain(|peer, _| now.contains_key(peer));
        for (peer, estimate) in now {
            let estimates = peers.entry(peer).or_default();
            if estimates.len() == RECENT_SECONDS {
                estimates.pop_front();
            }
            estimates.push_back(estimate);
        }
    }

    /// Returns the latest and the highest estimate for each connected node.
    pub fn read(&self) -> Vec<(NodeName, Duration, Duration)> {
        let latest = |(peer, estimates): (&NodeName, &VecDeque<Duration>)| {
            Some((peer.clone(), *estimates.back()?, *estimates.iter().max()?))
        };
        self.peers().iter().filter_map(latest).collect()
    }

    /// Returns the lowest estimate of the last `seconds` for each node that was connected as long.
    pub fn lowest(&self, seconds: usize) -> Vec<(NodeName, Duration)> {
        let lowest = |(peer, estimates): (&NodeName, &VecDeque<Duration>)| {
            let from = estimates.len().checked_sub(seconds)?;
            Some((peer.clone(), *estimates.range(from..).min()?))
        };
        self.peers().iter().filter_map(lowest).collect()
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<NodeName, VecDeque<Duration>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_minute_is_kept_while_the_node_is_connected() {
        let metrics = RoundTripMetrics::default();
        let (ming, ms) = ("ming".parse::<NodeName>().expect("a name"), Duration::from_millis);
        let note = |estimate| metrics.note(BTreeMap::from([(ming.clone(), ms(estimate))]));
        note(80);
        note(5);
        assert_eq!(metrics.read(), [(ming.clone(), ms(5), ms(80))]);
        assert_eq!((metrics.lowest(2), metrics.lowest(3)), (vec![(ming.clone(), ms(5))], vec![]));
        (1..RECENT_SECONDS).for_each(|_| note(6));
        assert_eq!(metrics.read(), [(ming.clone(), ms(6), ms(6))]);
        metrics.note(BTreeMap::new());
        assert_eq!(metrics.read(), []);
    }
}
