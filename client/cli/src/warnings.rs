//! Judges what nodes report: problems, present or to come. `list` and `status` print them to standard
//! error, since a column that is fine on most days would be noise; `doctor` shows what is fine, too.

mod pace;
mod warning;

use std::collections::BTreeMap;

use coffee_common::{
    id::{Address, ClusterId, NodeName},
    limits::DISK_FREE_BYTES_MIN,
    protocol::{ClusterView, LeftOut, NodeStatus, NodeView, RevocationListStatus, rebuild_command},
    tls::WARN_DAYS,
};

pub(crate) use self::warning::{Severity, Topic, Warning};
use super::wording;

/// Returns the warnings for the nodes in reach.
pub(crate) fn of_cluster(view: &ClusterView) -> Vec<Warning> {
    let free_min = view.disk_free_bytes_min.unwrap_or(DISK_FREE_BYTES_MIN);
    let of_one = |node: &NodeView| of(&node.name, node.certificate_until_s, node.disk_free_bytes, free_min);
    let refused = view.writes_refused.iter().map(|reason| refused(reason));
    view.nodes
        .iter()
        .flat_map(of_one)
        .chain(refused)
        .chain(other_clusters(view))
        .chain(old_lists(
            view.nodes
                .iter()
                .filter(|node| node.version.is_some())
                .map(|node| (&node.name, &node.revocation_lists[..])),
        ))
        .chain(view.join_requests.iter().map(asks_to_join))
        .chain(pace::of_cluster(view))
        .collect()
}

/// Returns one warning per revocation list that some of these nodes lack. A node without any counts
/// too.
fn old_lists<'a>(
    nodes: impl Iterator<Item = (&'a NodeName, &'a [RevocationListStatus])> + Clone,
) -> Vec<Warning> {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for list in nodes.clone().flat_map(|(_, lists)| lists) {
        let number = newest.entry(&list.ca).or_default();
        *number = list.number.max(*number);
    }
    let warning = |(ca, newest): (&str, u64)| {
        let has =
            |lists: &[RevocationListStatus]| lists.iter().any(|list| list.ca == ca && list.number >= newest);
        let lack: Vec<&NodeName> =
            nodes.clone().filter(|(_, lists)| !has(lists)).map(|(name, _)| name).collect();
        (!lack.is_empty()).then(|| {
            let names = wording::names(lack.iter().copied());
            Warning::new(
                Topic::Revocation,
                format!(
                    "revocation list {newest} of {ca} is missing at {names}, where revoked certificates may still be \
                     accepted"
                ),
                "'coffeectl revoke' sends it to all nodes; if it stays missing, check the CAs there",
            )
            .at_all(lack)
        })
    };
    newest.into_iter().filter_map(warning).collect()
}

/// Returns one warning per other cluster, with the nodes that are in it.
fn other_clusters(view: &ClusterView) -> Vec<Warning> {
    let mut clusters: BTreeMap<ClusterId, Vec<&NodeView>> = BTreeMap::new();
    for node in &view.nodes {
        if let Some(cluster) = node.other_cluster {
            clusters.entry(cluster).or_default().push(node);
        }
    }
    clusters.into_iter().map(|(cluster, nodes)| other_cluster(view, cluster, &nodes)).collect()
}

fn other_cluster(view: &ClusterView, cluster: ClusterId, nodes: &[&NodeView]) -> Warning {
    let names = wording::names(nodes.iter().map(|node| &node.name));
    let are = if nodes.len() > 1 { "are" } else { "is" };
    // The asked node is the one that was left out if most of the others are elsewhere.
    let hint = match nodes.first() {
        Some(first) if 2 * nodes.len() >= view.nodes.len() => {
            format!("if {} was left out of a restore, {}", view.asked, way_back(cluster, &first.address))
        }
        _ => match left_out_hint(view) {
            Some(hint) => format!("if left out of a restore, {hint}"),
            None => "ask a node of that cluster".to_owned(),
        },
    };
    Warning::new(Topic::Cluster, format!("{names} {are} in another cluster, {cluster}"), hint)
        .at_all(nodes.iter().map(|node| &node.name))
        .fails()
}

/// Returns how a node that was left out of a restore enters the cluster of this view.
pub(crate) fn left_out_hint(view: &ClusterView) -> Option<String> {
    let member = view.nodes.iter().find(|node| Some(&node.name) == view.leader.as_ref());
    let member = member.or_else(|| view.nodes.iter().find(|node| node.name == view.asked))?;
    Some(way_back(view.cluster?, &member.address))
}

fn way_back(cluster: ClusterId, from: &Address) -> String {
    format!("stop it, run '{}' on its host, and start it", rebuild_command(cluster, from))
}

/// Returns the warnings for nodes from their own statuses.
pub(crate) fn of_nodes(statuses: &[NodeStatus]) -> Vec<Warning> {
    let paces: Vec<_> = statuses.iter().map(|status| (&status.name, &status.pace)).collect();
    let voters = statuses.iter().filter_map(|status| status.raft.as_ref()?.voters.iter().map(Vec::len).max());
    let voters = voters.max().unwrap_or(paces.len());
    let lists = statuses.iter().map(|status| (&status.name, &status.revocation_lists[..]));
    statuses.iter().flat_map(of_node).chain(old_lists(lists)).chain(pace::of_nodes(&paces, voters)).collect()
}

fn of_node(status: &NodeStatus) -> Vec<Warning> {
    let free_min = status.raft.as_ref().map_or(DISK_FREE_BYTES_MIN, |raft| raft.disk_free_bytes_min);
    let until_s = Some(status.certificate.valid_until_s);
    let mut warnings = of(&status.name, until_s, status.disk_free_bytes, free_min);
    warnings.extend(status.writes_refused.iter().map(|reason| refused(reason)));
    warnings.extend(pace::of_leader(status));
    warnings.extend(status.left_out.as_ref().map(|left| left_out(&status.name, left)));
    warnings
}

fn left_out(name: &NodeName, LeftOut { cluster, from, peers }: &LeftOut) -> Warning {
    let peers = wording::names(peers);
    Warning::new(
        Topic::Cluster,
        format!(
            "{name} was left out of a restore or a recovery, and refuses reads and writes; {peers} in another \
             cluster, {cluster}"
        ),
        way_back(*cluster, from),
    )
    .at(name)
    .fails()
}

fn of(name: &NodeName, certificate_until_s: Option<u64>, free: Option<u64>, free_min: u64) -> Vec<Warning> {
    let certificate = certificate_until_s.and_then(|until| certificate(name, until));
    certificate.into_iter().chain(free.and_then(|free| disk(name, free, free_min))).collect()
}

/// Returns the warning for a certificate with this many days left, if one is due.
pub(crate) fn expiry(days_left: i64) -> Option<String> {
    match days_left {
        WARN_DAYS.. => None,
        0.. => Some(format!("expires in {days_left} days")),
        _ => Some("has expired".to_owned()),
    }
}

fn certificate(name: &NodeName, until_s: u64) -> Option<Warning> {
    let days_left = wording::days_until(until_s);
    let warning = Warning::new(
        Topic::Certificate,
        format!("the certificate of {name} {}", expiry(days_left)?),
        format!("'coffeectl cert renew node-{name}', copy it there, then 'coffeectl reload'"),
    )
    .at(name);
    Some(if days_left < 0 { warning.fails() } else { warning })
}

fn asks_to_join(node: &NodeName) -> Warning {
    let detail = format!("{node} asks to join and is not announced");
    Warning::new(Topic::Membership, detail, format!("to admit it, 'coffeectl boot {node}'"))
}

fn refused(reason: &str) -> Warning {
    Warning::new(
        Topic::Writes,
        format!("writes that add data are refused: {reason}"),
        "'Disk full' in OPERATIONS.md says how to make room; 'coffeectl settings show' shows the limits",
    )
    .fails()
}

fn disk(name: &NodeName, free: u64, free_min: u64) -> Option<Warning> {
    (free < free_min).then(|| {
        Warning::new(
            Topic::Space,
            format!("the disk of {name} has {} left", wording::size(free)),
            "free some space there, or the cluster will refuse writes that add data",
        )
        .at(name)
    })
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        feature_level::LEVEL_MAX,
        id::NodeId,
        protocol::{CertificateStatus, LifecyclePhase, NodeState},
    };

    use super::*;
    use crate::wording::tests::in_days;

    /// The lines that `list` prints.
    fn lines(warnings: Vec<Warning>) -> Vec<String> {
        warnings.iter().map(ToString::to_string).collect()
    }

    fn node(name: &str, certificate_until_s: Option<u64>, disk_free_bytes: Option<u64>) -> NodeView {
        NodeView {
            name: name.parse().unwrap(),
            id: Some(NodeId(1)),
            address: Address::new("10.0.0.1:7400").unwrap(),
            role: None,
            state: NodeState::Up,
            lag: None,
            applied: None,
            version: None,
            pace: None,
            certificate_until_s,
            disk_free_bytes,
            other_cluster: None,
            revocation_lists: Vec::new(),
            level: None,
        }
    }

    fn view(nodes: Vec<NodeView>) -> ClusterView {
        let asked = "ming".parse().unwrap();
        let (voters, voters_in_reach, may_lose) = (5, 5, 2);
        ClusterView {
            disk_free_bytes_min: None,
            quorum_silent_ms: None,
            join_requests: Vec::new(),
            writes_refused: None,
            cluster: None,
            asked,
            leader: None,
            term: 1,
            joint: false,
            voters,
            voters_in_reach,
            may_lose,
            nodes,
            level: None,
        }
    }

    #[test]
    fn what_ends_soon_or_runs_full_is_warned_of() {
        let mut view = view(vec![
            node("ming", Some(in_days(30)), Some(DISK_FREE_BYTES_MIN)),
            node("hong", Some(in_days(29)), None),
            node("peng", Some(in_days(-3)), Some(DISK_FREE_BYTES_MIN - 1)),
            node("long", None, Some(0)),
            node("hu", None, None),
        ]);
        view.writes_refused = Some("too little disk space is free at peng, long".to_owned());
        view.join_requests.push("san".parse().unwrap());
        let disk = |name, left| {
            format!(
                "warning: the disk of {name} has {left} left: free some space there, or the cluster will \
                 refuse writes that add data"
            )
        };
        let renew =
            |name| format!("'coffeectl cert renew node-{name}', copy it there, then 'coffeectl reload'");
        assert_eq!(
            lines(of_cluster(&view)),
            [
                format!("warning: the certificate of hong expires in 29 days: {}", renew("hong")),
                format!("warning: the certificate of peng has expired: {}", renew("peng")),
                disk("peng", "127 MiB"),
                disk("long", "0 bytes"),
                "warning: writes that add data are refused: too little disk space is free at peng, long: 'Disk \
                 full' in OPERATIONS.md says how to make room; 'coffeectl settings show' shows the limits"
                    .to_owned(),
                "warning: san asks to join and is not announced: to admit it, 'coffeectl boot san'"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn the_floor_of_disk_space_is_that_of_the_cluster() {
        let (default, less) = (DISK_FREE_BYTES_MIN, DISK_FREE_BYTES_MIN - 1);
        for (free, disk_free_bytes_min, warnings) in
            [(default, None, 0), (less, None, 1), (default, Some(default + 1), 1), (less, Some(less), 0)]
        {
            let view = ClusterView { disk_free_bytes_min, ..view(vec![node("ming", None, Some(free))]) };
            assert_eq!(lines(of_cluster(&view)).len(), warnings, "{free} {disk_free_bytes_min:?}");
        }
    }

    #[test]
    fn a_node_of_another_cluster_is_named_with_its_way_back() {
        let elsewhere = |name| NodeView { other_cluster: Some(ClusterId(8)), ..node(name, None, None) };
        let mut view = view(vec![node("ming", None, None), node("hong", None, None), elsewhere("hu")]);
        view.cluster = Some(ClusterId(7));
        let (old, new) = (ClusterId(8), ClusterId(7));
        assert_eq!(
            lines(of_cluster(&view)),
            [format!(
                "warning: hu is in another cluster, {old}: if left out of a restore, stop it, run 'coffeed --config \
                 FILE rebuild --cluster {new} --from 10.0.0.1:7400' on its host, and start it"
            )]
        );
        // The same seen from a node that was left out.
        view.nodes = vec![node("ming", None, None), elsewhere("hong"), elsewhere("hu")];
        assert_eq!(
            lines(of_cluster(&view)),
            [format!(
                "warning: hong, hu are in another cluster, {old}: if ming was left out of a restore, stop it, run \
                 'coffeed --config FILE rebuild --cluster {old} --from 10.0.0.1:7400' on its host, and start it"
            )]
        );
    }

    #[test]
    fn a_node_without_the_newest_revocation_list_is_named() {
        let with = |name, numbers: &[(&str, u64)]| {
            let list =
                |(ca, number): &(&str, u64)| RevocationListStatus { ca: (*ca).to_owned(), number: *number };
            let revocation_lists = numbers.iter().map(list).collect();
            NodeView { version: Some("0.1.0".to_owned()), revocation_lists, ..node(name, None, None) }
        };
        let both = [("old", 3), ("new", 1)];
        let mut nodes = vec![with("ming", &both), with("hong", &both), node("peng", None, None)];
        assert_eq!(lines(of_cluster(&view(nodes.clone()))), [""; 0], "peng is not in reach");
        nodes.extend([with("long", &[("old", 2), ("new", 1)]), with("hu", &[])]);
        let warnings = lines(of_cluster(&view(nodes)));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].starts_with("warning: revocation list 1 of new is missing at hu,"),
            "{warnings:?}"
        );
        assert!(
            warnings[1].starts_with("warning: revocation list 3 of old is missing at long, hu,"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_node_says_the_same_of_itself() {
        let mut status = NodeStatus {
            pace: Default::default(),
            left_out: None,
            writes_refused: None,
            name: "ming".parse().unwrap(),
            address: Address::new("10.0.0.1:7400").unwrap(),
            version: "0.1.0".into(),
            phase: LifecyclePhase::Waiting,
            uptime_ms: 1,
            raft: None,
            certificate: CertificateStatus { serial: "4a".into(), valid_until_s: in_days(31) },
            started_at_ms: 1,
            disk_free_bytes: Some(1 << 40),
            revocation_lists: Vec::new(),
            level: LEVEL_MAX,
            clock_ms: 1,
        };
        assert_eq!(lines(of_node(&status)), [""; 0]);
        status.certificate.valid_until_s = in_days(2);
        status.disk_free_bytes = Some(1 << 20);
        assert_eq!(of_node(&status).len(), 2);
        status.left_out = Some(LeftOut {
            cluster: ClusterId(8),
            from: Address::new("10.0.0.2:7400").unwrap(),
            peers: vec!["hong".parse().unwrap(), "hu".parse().unwrap()],
        });
        let theirs = ClusterId(8);
        assert_eq!(
            of_node(&status)[2].to_string(),
            format!(
                "warning: ming was left out of a restore or a recovery, and refuses reads and writes; hong, hu in \
                 another cluster, {theirs}: stop it, run 'coffeed --config FILE rebuild --cluster {theirs} --from \
                 10.0.0.2:7400' on its host, and start it"
            )
        );
    }
}
