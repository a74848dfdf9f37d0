//! Judges the answers of the nodes. Pure.
//!
//! A check that [`crate::warnings`] has passes unless there is a warning for it, so that this verb and
//! `list` never differ.

use std::collections::{BTreeMap, BTreeSet};

use coffee_common::{
    id::{ClusterId, NodeName},
    limits::DISK_FREE_BYTES_MIN,
    protocol::{ClusterView, NodePace, NodeState, NodeStatus, NodeView, RaftRole},
    quic::PACKET_BYTES_MIN,
};

use super::{
    clocks, links,
    probe::{ClusterSurvey, FailedProbe, NodeProbe},
    report::CheckRow,
};
use crate::{
    verb::{upgrade, wait::judge_quorum},
    warnings::{self, Topic, Warning},
    wording,
};

/// A log that lags by more entries than this does not catch up within seconds.
const LAG_MAX: u64 = 10_000;

/// The lost probes after which larger packets do not pass: each size is tried three times.
const LOST_MAX: u64 = 3;

/// Judges a survey of the cluster, which should be this one.
pub(super) fn judge(survey: &ClusterSurvey, wanted: Option<ClusterId>) -> Vec<CheckRow> {
    let view = survey.view();
    let mut rows: Vec<CheckRow> = survey.probes.iter().map(reached).collect();
    rows.extend(survey.failed.iter().map(|failed| not_reached(failed, view)));
    rows.extend(survey.probes.iter().map(packets));
    let clocks: Vec<_> = survey.probes.iter().map(|probe| (&probe.name, probe.clock)).collect();
    rows.extend(clocks::judge(&clocks));
    let views: Vec<&ClusterView> = survey.probes.iter().filter_map(|probe| probe.view.as_ref()).collect();
    let answering: BTreeSet<&NodeName> = survey.probes.iter().map(|probe| &probe.name).collect();
    rows.extend(links::judge(&views, &answering));
    match view {
        Some(view) => {
            rows.extend(of_view(view, wanted));
            overlay(&mut rows, warnings::of_cluster(view));
        }
        None if !survey.probes.is_empty() => rows.push(CheckRow::fail(
            Topic::Quorum,
            None,
            "the nodes give this certificate no list of the cluster",
            "choose the certificate of a reader, writer or admin: --as NAME",
        )),
        None => rows.push(CheckRow::fail(
            Topic::Quorum,
            None,
            "no node tells how the cluster is",
            "start coffeed on the hosts of --endpoints, or name others; 'systemctl status coffeed' says why it ended",
        )),
    }
    let statuses: Vec<NodeStatus> = survey.probes.iter().map(|probe| probe.status.clone()).collect();
    // Only a node itself knows that it was left out.
    let left_out =
        warnings::of_nodes(&statuses).into_iter().filter(|warning| warning.topic == Topic::Cluster);
    overlay(&mut rows, left_out);
    // Nodes as in the list, after the checks of the whole.
    let place = |name: &NodeName| view?.nodes.iter().position(|node| node.name == *name);
    rows.sort_by_key(|row| row.node.as_ref().map(|name| place(name).unwrap_or(usize::MAX)));
    rows
}

/// Puts warnings in the place of the checks that passed.
fn overlay(rows: &mut Vec<CheckRow>, warnings: impl IntoIterator<Item = Warning>) {
    for warning in warnings {
        let Warning { topic, severity, nodes, detail, hint } = warning;
        let nodes: Vec<Option<NodeName>> =
            if nodes.is_empty() { vec![None] } else { nodes.into_iter().map(Some).collect() };
        for node in nodes {
            let (detail, hint) = (detail.clone(), hint.clone());
            let row = CheckRow { topic, node, problem: Some(severity), detail, hint };
            // A problem of a node is one of the cluster, if that was checked as a whole.
            let passed = |old: &&mut CheckRow| {
                old.topic == topic && old.problem.is_none() && (old.node == row.node || old.node.is_none())
            };
            match rows.iter_mut().filter(passed).max_by_key(|old| old.node.is_some()) {
                Some(old) => *old = row,
                None => rows.push(row),
            }
        }
    }
}

fn reached(probe: &NodeProbe) -> CheckRow {
    let connected = wording::milliseconds(probe.connected);
    let round_trip = wording::milliseconds(probe.round_trip);
    let detail = format!("{}: connected in {connected}, round trip {round_trip}", probe.address);
    CheckRow::pass(Topic::Reach, Some(&probe.name), detail)
}

fn not_reached(failed: &FailedProbe, view: Option<&ClusterView>) -> CheckRow {
    let FailedProbe { address, why, is_identity } = failed;
    let node = view.and_then(|view| view.nodes.iter().find(|node| node.address == *address));
    let detail = match why.contains(address.as_str()) {
        true => why.clone(),
        false => format!("{address}: {why}"),
    };
    let hint = match node {
        _ if *is_identity => {
            "'coffeectl cert list' shows the certificates; the log of the node says which one it \
                              refused"
                .to_owned()
        }
        Some(node) if node.state != NodeState::Unreachable => {
            format!("the other nodes reach it: let UDP between this machine and {address} through, both ways")
        }
        Some(node) => format!(
            "start coffeed on its host, where 'systemctl status coffeed' says why it ended; if the host is lost: \
             'coffeectl node remove {}'",
            node.name
        ),
        None => format!("start coffeed there, let UDP to {address} through, or name other --endpoints"),
    };
    CheckRow::fail(Topic::Reach, node.map(|node| &node.name), detail, hint)
}

fn packets(probe: &NodeProbe) -> CheckRow {
    let (bytes, node) = (probe.path.bytes, Some(&probe.name));
    if bytes > PACKET_BYTES_MIN {
        return CheckRow::pass(Topic::Packets, node, format!("{bytes} bytes pass"));
    }
    if probe.path.probes_lost >= LOST_MAX {
        return CheckRow::warn(
            Topic::Packets,
            node,
            format!("{bytes} bytes pass and no more, the minimum of QUIC"),
            "raise the MTU of the tunnel or VPN on the way to 1400; 'ping -M do -s 1300 HOST' tests it",
        );
    }
    CheckRow::pass(
        Topic::Packets,
        node,
        format!("{bytes} bytes pass; the search for more did not end in time"),
    )
}

fn of_view(view: &ClusterView, wanted: Option<ClusterId>) -> Vec<CheckRow> {
    let mut rows = vec![quorum(view)];
    let Some(cluster) = view.cluster else { return rows };
    rows.push(match wanted {
        Some(wanted) if wanted != cluster => CheckRow::fail(
            Topic::Cluster,
            None,
            format!("the nodes belong to cluster {cluster}, not {wanted}"),
            "name the --endpoints of that cluster, or another --cluster",
        ),
        _ => CheckRow::pass(Topic::Cluster, None, format!("all nodes in reach belong to cluster {cluster}")),
    });
    rows.push(membership(view));
    rows.extend(view.nodes.iter().filter_map(state));
    let answering = || view.nodes.iter().filter(|node| node.version.is_some() && !node.state.is_outside());
    let free_min = view.disk_free_bytes_min.unwrap_or(DISK_FREE_BYTES_MIN);
    rows.extend(answering().flat_map(|node| of_node(node, free_min)));
    let has_quorum = view.voters_in_reach >= view.quorum() && view.quorum_silent_ms.is_none();
    if view.leader.is_some() && has_quorum {
        rows.push(CheckRow::pass(Topic::Writes, None, "the leader accepts them"));
    }
    if let Some(pace) = answering().find_map(|node| node.pace.as_ref()) {
        let bear = wording::short(pace.timers.round_trip_max_us());
        rows.push(CheckRow::pass(Topic::Timers, None, format!("they bear round trips of {bear}")));
    }
    rows.push(versions(answering()));
    rows.push(match upgrade::judge_level(view) {
        Ok(settled) => CheckRow::pass(Topic::Level, None, settled),
        Err(open) => CheckRow::warn(
            Topic::Level,
            None,
            open,
            "'coffeectl upgrade status' shows the nodes; 'coffeectl upgrade finish' raises the level",
        ),
    });
    rows.push(revocation(answering()));
    rows
}

fn quorum(view: &ClusterView) -> CheckRow {
    let summary = wording::summary(view);
    match judge_quorum(view) {
        _ if view.cluster.is_none() => {
            CheckRow::fail(Topic::Quorum, None, summary, "name the --endpoints of the cluster")
        }
        Err(_) => CheckRow::fail(
            Topic::Quorum,
            None,
            summary,
            "start the voters that are not in reach; if they are lost: 'No quorum' in OPERATIONS.md",
        ),
        Ok(()) if view.voters_in_reach < view.voters => {
            CheckRow::warn(Topic::Quorum, None, summary, "start the voters that are not in reach")
        }
        Ok(()) => CheckRow::pass(Topic::Quorum, None, summary),
    }
}

fn membership(view: &ClusterView) -> CheckRow {
    let (topic, voters) = (Topic::Membership, view.voters);
    let bears = |voters: u32| voters.saturating_sub(wording::quorum(voters));
    if view.joint {
        let detail =
            "a membership change is in progress: it needs a majority of the old and of the new voters";
        let hint = "'coffeectl list' shows when it has ended; start voters that are down if it does not";
        return match judge_quorum(view) {
            Ok(()) => CheckRow::warn(topic, None, detail, hint),
            Err(_) => CheckRow::fail(topic, None, detail, hint),
        };
    }
    match voters {
        0 => CheckRow::fail(topic, None, "there are no voters", "'coffeectl list' shows the nodes"),
        1 => CheckRow::warn(
            topic,
            None,
            "the only voter: if it fails, the cluster stops",
            "'coffeectl boot NODE' adds a voter; three bear the loss of one",
        ),
        even if even % 2 == 0 => CheckRow::warn(
            topic,
            None,
            format!("{even} voters bear the loss of {}, as {} would", bears(even), even - 1),
            "'coffeectl boot NODE' adds a voter, 'coffeectl down NODE' removes one",
        ),
        odd => CheckRow::pass(topic, None, format!("{odd} voters bear the loss of {}", bears(odd))),
    }
}

/// Judges the state of a node; `None` if the reach or the links say more.
fn state(node: &NodeView) -> Option<CheckRow> {
    let (topic, name) = (Topic::State, Some(&node.name));
    let warn = |detail: &str, hint: String| Some(CheckRow::warn(topic, name, detail, hint));
    let wait = |goal: &str| format!("coffeectl wait --for {goal} --node {}", node.name);
    match node.state {
        NodeState::Unreachable | NodeState::OtherCluster => None,
        NodeState::Shutdown => Some(CheckRow::pass(topic, name, "shut down by an operator")),
        NodeState::Waiting => warn("waits for an admin", format!("coffeectl boot {}", node.name)),
        NodeState::Announced => warn(
            "announced, and has not asked to join yet",
            format!(
                "start coffeed there with --join; to take that back: 'coffeectl node remove {}'",
                node.name
            ),
        ),
        NodeState::Joining => warn("catches up, and has no vote yet", wait("voter")),
        NodeState::Starting => warn("opens its data", wait("synced")),
        NodeState::Stopping => warn("shuts down", "'coffeectl list' shows when it is back".to_owned()),
        NodeState::Up => {
            let role = node.role.map_or("without a role", RaftRole::as_str);
            match node.lag.unwrap_or(0) {
                0 => Some(CheckRow::pass(topic, name, role)),
                lag if lag <= LAG_MAX => {
                    Some(CheckRow::pass(topic, name, format!("{role}, lags {lag} entries")))
                }
                lag => warn(&format!("{role}, lags {lag} entries"), wait("synced")),
            }
        }
    }
}

fn of_node(node: &NodeView, free_min: u64) -> Vec<CheckRow> {
    let pass = |topic: Topic, detail: String| CheckRow::pass(topic, Some(&node.name), detail);
    let mut rows = Vec::new();
    if let Some(until) = node.certificate_until_s {
        let days = wording::days_until(until);
        rows.push(pass(Topic::Certificate, format!("valid for {days} days")));
    }
    if let Some(free) = node.disk_free_bytes {
        let (free, floor) = (wording::size(free), wording::size(free_min));
        rows.push(pass(Topic::Space, format!("{free} left; writes are refused below {floor}")));
    }
    if let Some(NodePace { sync_p99_us, stalled_ms, .. }) = &node.pace {
        rows.push(match sync_p99_us {
            Some(us) => pass(Topic::Fsync, format!("p99 {} in the last 10 s", wording::short(*us))),
            None => pass(Topic::Fsync, "none in the last 10 s".to_owned()),
        });
        rows.push(pass(Topic::Pauses, format!("up to {} in the last minute", wording::span(*stalled_ms))));
    }
    rows
}

fn versions<'a>(nodes: impl Iterator<Item = &'a NodeView>) -> CheckRow {
    let mut versions: BTreeMap<&str, Vec<&NodeName>> = BTreeMap::new();
    for node in nodes {
        versions.entry(node.version.as_deref().unwrap_or_default()).or_default().push(&node.name);
    }
    let list = |(version, names): (&&str, &Vec<&NodeName>)| {
        format!("{version} at {}", wording::names(names.iter().copied()))
    };
    let detail = versions.iter().map(list).collect::<Vec<_>>().join("; ");
    match versions.len() {
        0 | 1 => CheckRow::pass(Topic::Version, None, detail),
        _ => CheckRow::warn(
            Topic::Version,
            None,
            detail,
            "install the newest on the other nodes, then 'coffeectl rolling restart': 'Upgrade' in OPERATIONS.md",
        ),
    }
}

fn revocation<'a>(nodes: impl Iterator<Item = &'a NodeView>) -> CheckRow {
    let lists: BTreeSet<_> = nodes.flat_map(|node| &node.revocation_lists).collect();
    let texts: Vec<String> =
        lists.iter().map(|list| format!("list {} of {}", list.number, list.ca)).collect();
    let detail = if texts.is_empty() { "there are no lists".to_owned() } else { texts.join(", ") };
    CheckRow::pass(Topic::Revocation, None, detail)
}
