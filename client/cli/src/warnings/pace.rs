//! Warnings of slow disks, starved processes and long round trips, and of a leader without a quorum.

use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, NodePace, NodeStatus, RaftRole},
};

use super::{Topic, Warning};
use crate::wording;

/// A sync that takes this long is slow.
const SLOW_SYNC_US: u64 = 100_000;

type NamedPace<'a> = (&'a NodeName, &'a NodePace);

/// Returns the warnings for a cluster.
pub(super) fn of_cluster(view: &ClusterView) -> Vec<Warning> {
    let paces: Vec<NamedPace<'_>> =
        view.nodes.iter().filter_map(|node| Some((&node.name, node.pace.as_ref()?))).collect();
    let leader = view.leader.as_ref().map_or("the leader".to_owned(), |name| format!("the leader {name}"));
    let silent = view.quorum_silent_ms.map(|ms| quorum_silent(&leader, ms));
    let voters = usize::try_from(view.voters).unwrap_or(usize::MAX);
    silent.into_iter().chain(of_nodes(&paces, voters)).collect()
}

/// Returns the warning for a leader that hears no quorum.
pub(super) fn of_leader(status: &NodeStatus) -> Option<Warning> {
    let raft = status.raft.as_ref().filter(|raft| raft.role == RaftRole::Leader)?;
    let voters = raft.voters.iter().map(Vec::len).max().unwrap_or(0);
    let silent = raft.quorum_heard_ms.filter(|ms| *ms > status.pace.timers.election_timeout_max_ms)?;
    (voters > 1).then(|| quorum_silent(&format!("the leader {}", status.name), silent))
}

fn quorum_silent(leader: &str, ms: u64) -> Warning {
    Warning::new(
        Topic::Quorum,
        format!(
            "{leader} has heard no quorum for {}, so nothing is written, and only 'local' reads are answered",
            wording::span(ms)
        ),
        "start the voters that are down, and check the network between the nodes: 'No quorum' in OPERATIONS.md",
    )
    .fails()
}

/// Returns the warnings for these nodes of a cluster with this many voters.
pub(super) fn of_nodes(paces: &[NamedPace<'_>], voters: usize) -> Vec<Warning> {
    let disks = slow_disks(paces, voters).into_iter();
    let stalls = paces.iter().filter_map(|(name, pace)| stalled(name, pace));
    disks.chain(stalls).chain(long_round_trip(paces)).chain(other_timers(paces)).collect()
}

/// Returns the warning for slow disks. A write waits for one of them if the others are not a quorum.
fn slow_disks(paces: &[NamedPace<'_>], voters: usize) -> Option<Warning> {
    let syncs = paces.iter().filter_map(|(name, pace)| Some((*name, pace.sync_p99_us?)));
    let (slow, others): (Vec<_>, Vec<_>) = syncs.partition(|(_, sync)| *sync >= SLOW_SYNC_US);
    let slowest = slow.iter().map(|(_, sync)| *sync).max()?;
    let names = wording::names(slow.iter().map(|(name, _)| *name));
    let (disks, take, them) = match slow.len() {
        1 => ("disk", "takes", "it"),
        _ => ("disks", "take up to", "one of them"),
    };
    let mut fast: Vec<u64> = others.iter().map(|(_, sync)| *sync).collect();
    fast.sort_unstable();
    let median = fast.get(fast.len() / 2).map_or_else(String::new, |median| {
        format!("; the median of the others is {}", wording::short(*median))
    });
    let waits = if voters.saturating_sub(slow.len()) < voters / 2 + 1 { "every" } else { "no" };
    let slowest = wording::short(slowest);
    let warning = Warning::new(
        Topic::Fsync,
        format!("the {disks} of {names} {take} {slowest} per sync{median}; {waits} write waits for {them}"),
        "see what else uses the disk; 'Slow' in OPERATIONS.md",
    );
    Some(warning.at_all(slow.into_iter().map(|(name, _)| name)))
}

/// A shorter stall makes no difference to an election.
fn stalled(name: &NodeName, pace: &NodePace) -> Option<Warning> {
    let limit = pace.timers.election_timeout_min_ms.max(1);
    (pace.stalled_ms >= limit).then(|| {
        let span = wording::span(pace.stalled_ms);
        Warning::new(
            Topic::Pauses,
            format!("{name} was not scheduled for {span} in the last minute"),
            "see what else runs on its machine",
        )
        .at(name)
    })
}

/// Returns the warning for the longest round trip, if the timers bear less than twice as much.
fn long_round_trip(paces: &[NamedPace<'_>]) -> Option<Warning> {
    let all = paces.iter().flat_map(|(name, pace)| {
        let limit = pace.timers.round_trip_max_us();
        pace.round_trips.iter().map(move |trip| (trip.now_us, limit, *name, &trip.peer))
    });
    let (now, limit, name, peer) = all.max_by_key(|(now, ..)| *now)?;
    (limit > 0 && now > limit / 2).then(|| {
        Warning::new(
            Topic::Links,
            format!(
                "the round trip between {name} and {peer} is {}, and the timers bear {}",
                wording::short(now),
                wording::short(limit)
            ),
            "'coffeectl timers suggest'",
        )
        .at(name)
    })
}

fn other_timers(paces: &[NamedPace<'_>]) -> Option<Warning> {
    let ((first, expected), others) = paces.split_first()?;
    let (other, _) = others.iter().find(|(_, pace)| pace.timers != expected.timers)?;
    Some(Warning::new(
        Topic::Timers,
        format!("the timers of {other} differ from those of {first}"),
        "they must be the same on every node: 'coffeectl timers suggest' prints some that suit the links",
    ))
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{ElectionTimers, RoundTrip};

    use super::*;
    use crate::sample_view::{name, view};

    fn pace(sync_p99_us: Option<u64>, stalled_ms: u64, round_trip_us: u64) -> NodePace {
        let peer = name("ming");
        NodePace {
            sync_p99_us,
            stalled_ms,
            round_trips: vec![RoundTrip { peer, now_us: round_trip_us, worst_us: round_trip_us }],
            timers: ElectionTimers::for_round_trip(100_000),
            ..NodePace::default()
        }
    }

    fn lines(warnings: Vec<Warning>) -> Vec<String> {
        warnings.iter().map(ToString::to_string).collect()
    }

    fn warnings(paces: &[NodePace]) -> Vec<String> {
        let names = ["hong", "peng", "long"].map(name);
        lines(of_nodes(&names.iter().zip(paces).collect::<Vec<_>>(), 3))
    }

    #[test]
    fn a_healthy_cluster_has_no_warning() {
        assert_eq!(warnings(&[pace(None, 0, 300), pace(Some(99_999), 199, 50_000)]), [""; 0]);
        assert_eq!(lines(of_nodes(&[], 0)), [""; 0]);
        assert_eq!(warnings(&[NodePace::default()]), [""; 0]);
    }

    #[test]
    fn a_slow_disk_is_compared_with_the_others() {
        assert_eq!(
            warnings(&[pace(Some(1_000), 0, 1), pace(Some(310_000), 0, 1), pace(Some(1_200), 0, 1)]),
            [
                "warning: the disk of peng takes 310 ms per sync; the median of the others is 1.2 ms; no write \
                 waits for it: see what else uses the disk; 'Slow' in OPERATIONS.md"
            ]
        );
        assert_eq!(
            warnings(&[pace(Some(100_000), 0, 1), pace(Some(310_000), 0, 1), pace(None, 0, 1)]),
            [
                "warning: the disks of hong, peng take up to 310 ms per sync; every write waits for one of them: see \
                 what else uses the disk; 'Slow' in OPERATIONS.md"
            ]
        );
    }

    #[test]
    fn a_starved_node_and_a_long_round_trip_are_named() {
        let found = warnings(&[pace(None, 280, 60_000), pace(None, 0, 81_000)]);
        assert_eq!(
            found,
            [
                "warning: hong was not scheduled for 280 ms in the last minute: see what else runs on its machine",
                "warning: the round trip between peng and ming is 81 ms, and the timers bear 100 ms: \
                 'coffeectl timers suggest'",
            ]
        );
    }

    #[test]
    fn timers_that_differ_are_named() {
        let other = NodePace { timers: ElectionTimers::for_round_trip(400_000), ..pace(None, 0, 1) };
        assert_eq!(
            warnings(&[pace(None, 0, 1), other]),
            ["warning: the timers of peng differ from those of hong: they must be the same on every node: \
             'coffeectl timers suggest' prints some that suit the links"]
        );
    }

    #[test]
    fn a_leader_without_a_quorum_is_named() {
        let mut view = view(3, 3, Vec::new());
        assert_eq!(lines(of_cluster(&view)), [""; 0]);
        view.quorum_silent_ms = Some(42_000);
        assert_eq!(
            lines(of_cluster(&view)),
            [
                "warning: the leader ming has heard no quorum for 42 s, so nothing is written, and only 'local' reads \
                 are answered: start the voters that are down, and check the network between the nodes: 'No quorum' \
                 in OPERATIONS.md"
            ]
        );
    }
}
