//! Whether the nodes reach each other, from the lists that each of them gave. Pure.
//!
//! A node that only some nodes reach is the sign of a link that is cut in one place: neither the list of
//! one node nor this machine's connections show it.

use std::collections::BTreeSet;

use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, NodeState},
};

use super::report::CheckRow;
use crate::{warnings::Topic, wording};

/// Judges the links of each node that gave a list. `answering` are the nodes that this machine reaches.
pub(super) fn judge(views: &[&ClusterView], answering: &BTreeSet<&NodeName>) -> Vec<CheckRow> {
    views.iter().filter(|view| view.cluster.is_some()).map(|view| links_of(view, views, answering)).collect()
}

fn links_of(view: &ClusterView, views: &[&ClusterView], answering: &BTreeSet<&NodeName>) -> CheckRow {
    let is_up_elsewhere = |name: &NodeName| {
        answering.contains(name)
            || views.iter().any(|other| other.asked != view.asked && reaches(other, name))
    };
    let others = || view.nodes.iter().filter(|node| node.name != view.asked && !node.state.is_outside());
    let cut: Vec<_> =
        others().filter(|node| node.state == NodeState::Unreachable && is_up_elsewhere(&node.name)).collect();
    if let Some(first) = cut.first() {
        let names = wording::names(cut.iter().map(|node| &node.name));
        let hint = format!(
            "let UDP between the hosts of {} and {} ({}) through, both ways; check routes and firewalls there",
            view.asked, first.name, first.address
        );
        let detail = format!("does not reach {names}, which answers elsewhere");
        return CheckRow::fail(Topic::Links, Some(&view.asked), detail, hint);
    }
    let own = view.nodes.iter().find(|node| node.name == view.asked);
    let trip = |name: &NodeName| {
        let trips = &own?.pace.as_ref()?.round_trips;
        trips.iter().find(|trip| trip.peer == *name).map(|trip| format!(" {}", wording::short(trip.now_us)))
    };
    let reached: Vec<String> = others()
        .filter(|node| node.state != NodeState::Unreachable)
        .map(|node| format!("{}{}", node.name, trip(&node.name).unwrap_or_default()))
        .collect();
    let detail = match reached.is_empty() {
        true => "there is no other node to reach".to_owned(),
        false => format!("reaches {}", reached.join(", ")),
    };
    CheckRow::pass(Topic::Links, Some(&view.asked), detail)
}

fn reaches(view: &ClusterView, name: &NodeName) -> bool {
    view.nodes
        .iter()
        .any(|node| node.name == *name && node.state != NodeState::Unreachable && !node.state.is_outside())
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{NodePace, NodeView, RaftRole, RoundTrip};

    use super::*;
    use crate::{
        sample_view::{self, name},
        warnings::Severity,
    };

    fn node(text: &str, state: NodeState) -> NodeView {
        sample_view::node(text, Some(RaftRole::Follower), state, None)
    }

    /// The list that `asked` gave: it reaches itself and these.
    fn list(asked: &str, reached: &[&str]) -> ClusterView {
        let nodes = ["ming", "hong", "peng"].map(|text| {
            let up = text == asked || reached.contains(&text);
            node(text, if up { NodeState::Up } else { NodeState::Unreachable })
        });
        ClusterView { asked: name(asked), ..sample_view::view(3, 3, nodes.into()) }
    }

    fn judged(views: &[ClusterView], answering: &[&str]) -> Vec<(String, Option<Severity>)> {
        let names: Vec<NodeName> = answering.iter().map(|text| name(text)).collect();
        let rows = judge(&views.iter().collect::<Vec<_>>(), &names.iter().collect());
        rows.into_iter().map(|row| (row.detail, row.problem)).collect()
    }

    #[test]
    fn a_link_that_is_cut_between_two_nodes_is_found() {
        let views = [list("ming", &["hong"]), list("hong", &["ming", "peng"]), list("peng", &["hong"])];
        let cut = |peer: &str| format!("does not reach {peer}, which answers elsewhere");
        assert_eq!(
            judged(&views, &["ming", "hong", "peng"]),
            [
                (cut("peng"), Some(Severity::Fail)),
                ("reaches ming, peng".to_owned(), None),
                (cut("ming"), Some(Severity::Fail)),
            ]
        );
    }

    #[test]
    fn a_node_that_is_down_is_not_a_cut_link() {
        let views = [list("ming", &["hong"]), list("hong", &["ming"])];
        let passes = [("reaches hong".to_owned(), None), ("reaches ming".to_owned(), None)];
        assert_eq!(judged(&views, &["ming", "hong"]), passes);
        // It is up, and only this machine reaches it.
        assert!(judged(&views, &["peng"]).iter().all(|(_, problem)| *problem == Some(Severity::Fail)));
    }

    #[test]
    fn round_trips_are_shown_where_they_are_known() {
        let mut view = list("ming", &["hong", "peng"]);
        let trip = RoundTrip { peer: name("hong"), now_us: 310, worst_us: 900 };
        view.nodes[0].pace = Some(NodePace { round_trips: vec![trip], ..NodePace::default() });
        assert_eq!(judged(&[view], &[]), [("reaches hong 0.3 ms, peng".to_owned(), None)]);
        let alone = ClusterView { nodes: vec![node("ming", NodeState::Up)], ..list("ming", &[]) };
        assert_eq!(judged(&[alone], &[]), [("there is no other node to reach".to_owned(), None)]);
    }
}
