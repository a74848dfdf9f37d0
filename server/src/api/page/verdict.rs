//! How the cluster is, and what to type next if it is not well.
//!
//! Pure. The limits are those of `coffee_common` and of the metrics, as `coffeectl list` applies them.

use std::collections::BTreeMap;

use coffee_common::{
    id::{ClusterId, NodeName},
    limits::DISK_FREE_BYTES_MIN,
    protocol::{ClusterView, NodePace, NodeState, NodeView, rebuild_command},
    tls::WARN_DAYS,
};

use super::units;
use crate::metrics::SLOW_SYNC;

/// How the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ClusterHealth {
    /// There is nothing to do.
    Well,
    /// It works, and something is to be done.
    AtRisk,
    /// It does not take writes.
    Down,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The problem.
    pub(super) detail: String,
    /// The next step, with commands in single quotes.
    pub(super) hint: String,
}

/// How the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) health: ClusterHealth,
    /// One sentence, which people read first.
    pub(super) sentence: String,
    /// The most urgent first.
    pub(super) findings: Vec<Finding>,
}

fn finding(detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { detail: detail.into(), hint: hint.into() }
}

impl Verdict {
    /// Judges a view at a time in milliseconds since 1970.
    pub(super) fn of(view: &ClusterView, now_ms: u64) -> Self {
        let (blocking, refused) = (blocking(view), view.writes_refused.as_ref().map(|why| refused(why)));
        let others = unreachable(view)
            .chain(on_their_way(view))
            .chain(other_clusters(view))
            .chain(view.nodes.iter().flat_map(|node| of_node(node, view, now_ms)))
            .chain(view.join_requests.iter().map(asks_to_join));
        let health = |findings: &[Finding]| match &blocking {
            Some(_) => ClusterHealth::Down,
            None if findings.is_empty() => ClusterHealth::Well,
            None => ClusterHealth::AtRisk,
        };
        let findings: Vec<Finding> = blocking.iter().cloned().chain(refused).chain(others).collect();
        let health = health(&findings);
        let sentence = match health {
            ClusterHealth::Well => format!("The cluster is well: {}.", view.strength()),
            ClusterHealth::AtRisk => format!("The cluster works: {}.", view.strength()),
            ClusterHealth::Down if view.cluster.is_none() => "This node serves no keys.".to_owned(),
            ClusterHealth::Down => format!("The cluster takes no writes: {}.", view.strength()),
        };
        Self { health, sentence, findings }
    }
}

/// Returns why nothing is written, if that is so.
fn blocking(view: &ClusterView) -> Option<Finding> {
    let asked = &view.asked;
    if view.cluster.is_none() {
        let is_starting = view.nodes.iter().any(|node| node.state == NodeState::Starting);
        return Some(match is_starting {
            true => finding(format!("{asked} is opening its data"), "ask another node, or wait"),
            false => finding(
                format!("{asked} belongs to no cluster"),
                format!("'coffeectl boot {asked}' adds it to one, 'coffeectl init {asked}' founds one"),
            ),
        });
    }
    if view.voters_in_reach < view.quorum() {
        let lost = names(view.nodes.iter().filter(|node| node.state == NodeState::Unreachable));
        let lost = if lost.is_empty() { lost } else { format!(" ({lost})") };
        return Some(finding(
            format!("there is no quorum: {} of {} voters are in reach", view.voters_in_reach, view.voters),
            format!(
                "start the daemon on the others{lost}: 'systemctl start coffeed'; 'coffeectl wait --for quorum' \
                 returns when there are enough"
            ),
        ));
    }
    if let Some(ms) = view.quorum_silent_ms {
        let leader =
            view.leader.as_ref().map_or("the leader".to_owned(), |name| format!("the leader {name}"));
        return Some(finding(
            format!(
                "{leader} has heard no quorum for {}: nothing is written, and only 'local' reads are answered",
                units::span(ms)
            ),
            "check the network between the nodes; 'coffeectl list' shows round trips and syncs",
        ));
    }
    view.leader.is_none().then(|| {
        finding(
            "there is no leader, although enough voters are up: an election is in progress",
            "'coffeectl wait --for quorum' returns when there is one; if it lasts, read the logs: 'journalctl -u \
             coffeed -n 50'",
        )
    })
}

fn refused(reason: &str) -> Finding {
    finding(
        format!("writes that add data are refused: {reason}"),
        "free space on those disks, delete keys, or raise the quota ('coffeectl settings'); reads and deletes continue",
    )
}

/// Voters that answer, but do not vote at present: they start or stop.
fn on_their_way(view: &ClusterView) -> Option<Finding> {
    let missing = view.voters.saturating_sub(view.voters_in_reach);
    let unreachable = view.nodes.iter().filter(|node| node.state == NodeState::Unreachable).count();
    let has_quorum = view.cluster.is_some() && view.voters_in_reach >= view.quorum();
    (has_quorum && missing as usize > unreachable).then(|| {
        finding(
            format!("{} of {} voters are in reach", view.voters_in_reach, view.voters),
            "'coffeectl list' shows which start or stop; 'coffeectl wait --for synced' returns when all are back",
        )
    })
}

/// A quorum of the voters being lost is a finding of its own.
fn unreachable(view: &ClusterView) -> impl Iterator<Item = Finding> {
    let has_quorum = view.voters_in_reach >= view.quorum();
    view.nodes.iter().filter(move |node| has_quorum && node.state == NodeState::Unreachable).map(|node| {
        let name = &node.name;
        finding(
            format!("{name} does not answer"),
            format!(
                "on its machine: 'systemctl status coffeed', then 'systemctl start coffeed'; it is back when \
                 'coffeectl wait --for synced --node {name}' returns"
            ),
        )
    })
}

fn other_clusters(view: &ClusterView) -> impl Iterator<Item = Finding> {
    let mut clusters: BTreeMap<ClusterId, Vec<&NodeView>> = BTreeMap::new();
    for node in &view.nodes {
        if let Some(cluster) = node.other_cluster {
            clusters.entry(cluster).or_default().push(node);
        }
    }
    clusters.into_iter().map(move |(cluster, nodes)| {
        let member = view.nodes.iter().find(|node| Some(&node.name) == view.leader.as_ref());
        // The asked node is the one that was left out if most of the others are elsewhere.
        let way_back = match (nodes.first(), member, view.cluster) {
            (Some(first), ..) if 2 * nodes.len() >= view.nodes.len() => {
                Some((view.asked.to_string(), rebuild_command(cluster, &first.address)))
            }
            (_, Some(member), Some(own)) => Some(("it".to_owned(), rebuild_command(own, &member.address))),
            _ => None,
        };
        let hint = match way_back {
            Some((which, command)) => {
                format!(
                    "if {which} was left out of a restore, stop it, run '{command}' on its host, and start it"
                )
            }
            None => "ask a node of that cluster: 'coffeectl list'".to_owned(),
        };
        finding(format!("in another cluster, {cluster}: {}", names(nodes.into_iter())), hint)
    })
}

fn of_node(node: &NodeView, view: &ClusterView, now_ms: u64) -> impl Iterator<Item = Finding> {
    let name = &node.name;
    let free_min = view.disk_free_bytes_min.unwrap_or(DISK_FREE_BYTES_MIN);
    let disk = node.disk_free_bytes.filter(|free| *free < free_min).map(|free| {
        finding(
            format!("the disk of {name} has {} left", units::size(free)),
            "free some space there, or the cluster will refuse writes that add data",
        )
    });
    let pace = node.pace.as_ref();
    let certificate = node.certificate_until_s.and_then(|until| certificate(name, until, now_ms));
    let slow = pace.and_then(|pace| slow_disk(name, pace));
    let stalled = pace.and_then(|pace| stalled(name, pace));
    disk.into_iter().chain(certificate).chain(slow).chain(stalled)
}

/// Returns the whole days until a time in seconds since 1970; negative if it has passed.
pub(super) fn days_until(until_s: u64, now_ms: u64) -> i64 {
    let at = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    (at(until_s) - at(now_ms / 1000)).div_euclid(86_400)
}

fn certificate(name: &NodeName, until_s: u64, now_ms: u64) -> Option<Finding> {
    let ends = match days_until(until_s, now_ms) {
        WARN_DAYS.. => return None,
        days @ 0.. => format!("expires in {days} days"),
        _ => "has expired".to_owned(),
    };
    Some(finding(
        format!("the certificate of {name} {ends}"),
        format!("'coffeectl cert renew node-{name}', copy it there, then 'coffeectl reload'"),
    ))
}

fn slow_disk(name: &NodeName, pace: &NodePace) -> Option<Finding> {
    let sync = std::time::Duration::from_micros(pace.sync_p99_us?);
    (sync >= SLOW_SYNC).then(|| {
        finding(
            format!("the disk of {name} takes {} per sync", units::milliseconds(sync)),
            "see what else uses it: 'coffeectl list' compares the disks",
        )
    })
}

/// A shorter stall makes no difference to an election.
fn stalled(name: &NodeName, pace: &NodePace) -> Option<Finding> {
    (pace.stalled_ms >= pace.timers.election_timeout_min_ms.max(1)).then(|| {
        finding(
            format!("{name} was not scheduled for {} in the last minute", units::span(pace.stalled_ms)),
            "see what else runs on its machine",
        )
    })
}

fn asks_to_join(node: &NodeName) -> Finding {
    finding(
        format!("{node} asks to join and is not announced"),
        format!("to admit it, 'coffeectl boot {node}'"),
    )
}

fn names<'a>(nodes: impl Iterator<Item = &'a NodeView>) -> String {
    nodes.map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
}
