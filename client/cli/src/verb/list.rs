//! `list`: the nodes, and how many of them may be lost.
//!
//! The cluster lists nodes by id, and a replaced node has a new, higher id.
//! It keeps its place here if it is among the endpoints: see [`in_order`].

mod repeat;

use std::time::Duration;

use clap::Args;
use coffee_common::{
    id::Address,
    protocol::{ClusterView, NodePace, NodeView, RaftRole, RevocationListStatus},
};
use serde::Serialize;

use crate::{
    duration,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, table::TextTable},
    verb::wait::judge_quorum,
    warnings, wording,
};

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Exit with code 5 without a quorum or a leader
    #[arg(long)]
    check: bool,
    /// Print the list again and again, every 2 s unless another time is given
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s",
          require_equals = true, value_parser = duration::parse, conflicts_with = "check")]
    watch: Option<Duration>,
}

pub(crate) async fn run(
    arguments: &ListArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    if let Some(every) = arguments.watch {
        return repeat::run(every, invocation).await;
    }
    let view = invocation.view(invocation.usual_timeout()).await?;
    let fails = arguments.check && judge_quorum(&view).is_err();
    report(view, invocation);
    Ok(if fails { ExitCode::Unavailable } else { ExitCode::Done })
}

fn report(mut view: ClusterView, invocation: &mut Invocation<'_>) {
    view.nodes = in_order(view.nodes, &invocation.session.connection().endpoints);
    invocation.printer.report(&Nodes::new(&view));
    for warning in warnings::of_cluster(&view) {
        invocation.printer.note(&warning.to_string());
    }
}

/// Puts the nodes that are endpoints in the order of the endpoints. The other nodes stay where they are.
///
/// The replicated records do not say when a name first joined; most operators
/// list the endpoints in that order.
pub(super) fn in_order(nodes: Vec<NodeView>, endpoints: &[Address]) -> Vec<NodeView> {
    let rank = |node: &NodeView| endpoints.iter().position(|endpoint| *endpoint == node.address);
    let (mut ranked, mut others) = (Vec::new(), Vec::new());
    for (place, node) in nodes.into_iter().enumerate() {
        match rank(&node) {
            Some(rank) => ranked.push((rank, place, node)),
            None => others.push((place, node)),
        }
    }
    let mut places: Vec<usize> = ranked.iter().map(|(_, place, _)| *place).collect();
    places.sort_unstable();
    ranked.sort_by_key(|(rank, place, _)| (*rank, *place));
    others.extend(places.into_iter().zip(ranked.into_iter().map(|(_, _, node)| node)));
    others.sort_by_key(|(place, _)| *place);
    others.into_iter().map(|(_, node)| node).collect()
}

#[derive(Serialize)]
pub(super) struct Nodes<'a> {
    cluster: Option<String>,
    asked: &'a str,
    leader: Option<&'a str>,
    term: u64,
    joint: bool,
    voters: u32,
    voters_in_reach: u32,
    may_lose: u32,
    writes_refused: Option<&'a str>,
    quorum_silent_ms: Option<u64>,
    nodes: Vec<NodeRow<'a>>,
    #[serde(skip)]
    summary: String,
}

#[derive(Serialize)]
struct NodeRow<'a> {
    name: &'a str,
    id: Option<String>,
    role: Option<&'static str>,
    state: &'static str,
    address: &'a str,
    lag: Option<u64>,
    applied: Option<u64>,
    version: Option<&'a str>,
    certificate_days_left: Option<i64>,
    disk_free_bytes: Option<u64>,
    other_cluster: Option<String>,
    /// To the leader.
    round_trip_us: Option<u64>,
    pace: Option<&'a NodePace>,
    revocation_lists: &'a [RevocationListStatus],
}

impl<'a> Nodes<'a> {
    pub(super) fn new(view: &'a ClusterView) -> Self {
        Self {
            cluster: view.cluster.map(|id| id.to_string()),
            asked: view.asked.as_str(),
            leader: view.leader.as_ref().map(|name| name.as_str()),
            term: view.term,
            joint: view.joint,
            voters: view.voters,
            voters_in_reach: view.voters_in_reach,
            may_lose: view.may_lose,
            writes_refused: view.writes_refused.as_deref(),
            quorum_silent_ms: view.quorum_silent_ms,
            nodes: view.nodes.iter().map(|node| NodeRow::new(node, view)).collect(),
            summary: wording::summary(view),
        }
    }
}

impl<'a> NodeRow<'a> {
    fn new(node: &'a NodeView, view: &ClusterView) -> Self {
        Self {
            name: node.name.as_str(),
            id: node.id.map(|id| id.to_string()),
            role: node.role.map(RaftRole::as_str),
            state: node.state.as_str(),
            address: node.address.as_str(),
            lag: node.lag,
            applied: node.applied.map(|revision| revision.0),
            version: node.version.as_deref(),
            certificate_days_left: node.certificate_until_s.map(wording::days_until),
            disk_free_bytes: node.disk_free_bytes,
            other_cluster: node.other_cluster.map(|id| id.to_string()),
            round_trip_us: round_trip_to_leader(node, view),
            pace: node.pace.as_ref(),
            revocation_lists: &node.revocation_lists,
        }
    }

    fn cells(&self) -> [String; 8] {
        [
            self.name.to_owned(),
            wording::or_nothing(self.role),
            self.state.to_owned(),
            self.address.to_owned(),
            wording::or_nothing(self.lag),
            wording::or_nothing(self.sync_p99_us().map(wording::short)),
            wording::or_nothing(self.round_trip_us.map(wording::short)),
            wording::or_nothing(self.version),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.name.to_owned(),
            wording::or_nothing(self.role),
            self.state.to_owned(),
            self.address.to_owned(),
            wording::or_nothing(self.lag),
            wording::or_nothing(self.applied),
            wording::or_nothing(self.version),
            wording::or_nothing(self.sync_p99_us()),
            wording::or_nothing(self.round_trip_us),
            wording::list_numbers(self.revocation_lists),
        ]
    }

    fn sync_p99_us(&self) -> Option<u64> {
        self.pace.and_then(|pace| pace.sync_p99_us)
    }
}

/// Returns the round trip between a node and the leader, as one of them measures it.
pub(super) fn round_trip_to_leader(node: &NodeView, view: &ClusterView) -> Option<u64> {
    let leader = view.leader.as_ref().filter(|leader| **leader != node.name)?;
    let leader = view.nodes.iter().find(|other| other.name == *leader)?;
    let measured = |from: &NodeView, to: &NodeView| {
        let trips = &from.pace.as_ref()?.round_trips;
        trips.iter().find(|trip| trip.peer == to.name).map(|trip| trip.now_us)
    };
    measured(leader, node).or_else(|| measured(node, leader))
}

impl Printable for Nodes<'_> {
    fn table(&self) -> String {
        let mut table = TextTable::new(["NAME", "ROLE", "STATE", "ADDRESS", "LAG", "SYNC", "RTT", "VERSION"])
            .right([4, 5, 6])
            .states(2);
        self.nodes.iter().for_each(|node| table.row(node.cells()));
        wording::with_list_numbers(&mut table, self.nodes.iter().map(|node| node.revocation_lists));
        format!("{}{}\n", table.render(), self.summary)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let strength = vec![
            "#".to_owned(),
            self.voters.to_string(),
            self.voters_in_reach.to_string(),
            self.may_lose.to_string(),
            wording::or_nothing(self.leader),
            self.term.to_string(),
        ];
        self.nodes.iter().map(NodeRow::fields).chain([strength]).collect()
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        id::{Address, ClusterId, NodeId, NodeName, Revision},
        protocol::{NodeState, RoundTrip},
    };

    use super::*;
    use crate::{
        printer::{Format, tests::printed},
        wording::tests::in_days,
    };

    fn node(name: &str, id: u64, role: Option<RaftRole>, state: NodeState) -> NodeView {
        let up = state == NodeState::Up;
        NodeView {
            name: NodeName::new(name).unwrap(),
            id: Some(NodeId(id)),
            address: Address::new(format!("10.0.0.{id}:7400")).unwrap(),
            role,
            state,
            lag: up.then_some(id - 1),
            applied: up.then_some(Revision(4711)),
            version: up.then(|| "0.1.0".to_owned()),
            pace: up.then(|| NodePace {
                sync_p99_us: Some(1_200),
                round_trips: vec![RoundTrip {
                    peer: NodeName::new("ming").unwrap(),
                    now_us: 310,
                    worst_us: 900,
                }],
                ..NodePace::default()
            }),
            certificate_until_s: up.then(|| in_days(300)),
            disk_free_bytes: up.then_some(5 << 30),
            revocation_lists: Vec::new(),
            other_cluster: None,
            level: None,
        }
    }

    fn view() -> ClusterView {
        ClusterView {
            disk_free_bytes_min: None,
            quorum_silent_ms: None,
            join_requests: Vec::new(),
            writes_refused: None,
            cluster: Some(ClusterId(0xc0ffee)),
            asked: NodeName::new("ming").unwrap(),
            leader: NodeName::new("ming").ok(),
            term: 3,
            joint: false,
            voters: 3,
            voters_in_reach: 2,
            may_lose: 0,
            nodes: vec![
                node("ming", 1, Some(RaftRole::Leader), NodeState::Up),
                node("hong", 7, Some(RaftRole::Follower), NodeState::Up),
                node("peng", 12, Some(RaftRole::Follower), NodeState::Unreachable),
                node("long", 20, None, NodeState::Shutdown),
            ],
            level: None,
        }
    }

    #[test]
    fn golden() {
        let view = view();
        let nodes = Nodes::new(&view);
        assert_eq!(
            printed(Format::Table, &nodes),
            "\
NAME  ROLE      STATE        ADDRESS         LAG    SYNC     RTT  VERSION
ming  leader    up           10.0.0.1:7400     0  1.2 ms       -  0.1.0
hong  follower  up           10.0.0.7:7400     6  1.2 ms  0.3 ms  0.1.0
peng  follower  unreachable  10.0.0.12:7400    -       -       -  -
long  -         shutdown     10.0.0.20:7400    -       -       -  -
2 of 3 voters in reach, none may be lost; leader ming, term 3
"
        );
        assert_eq!(
            printed(Format::Plain, &nodes),
            "ming\tleader\tup\t10.0.0.1:7400\t0\t4711\t0.1.0\t1200\t-\t-\n\
             hong\tfollower\tup\t10.0.0.7:7400\t6\t4711\t0.1.0\t1200\t310\t-\n\
             peng\tfollower\tunreachable\t10.0.0.12:7400\t-\t-\t-\t-\t-\t-\n\
             long\t-\tshutdown\t10.0.0.20:7400\t-\t-\t-\t-\t-\t-\n\
             #\t3\t2\t0\tming\t3\n"
        );
        let json = printed(Format::Json, &nodes);
        assert!(
            json.starts_with(
                r#"{"apiVersion":"coffee/v1","cluster":"00000000000000000000000000c0ffee","asked":"ming","leader":"ming","term":3,"joint":false,"voters":3,"voters_in_reach":2,"may_lose":0,"writes_refused":null,"quorum_silent_ms":null,"nodes":[{"name":"ming","id":"1","role":"leader","state":"up","address":"10.0.0.1:7400","lag":0,"applied":4711,"version":"0.1.0","certificate_days_left":300,"disk_free_bytes":5368709120,"other_cluster":null,"round_trip_us":null,"pace":{"sync_p99_us":1200,"commit_p99_us":null,"stalled_ms":0,"round_trips":[{"peer":"ming","now_us":310,"worst_us":900}],"timers":{"heartbeat_interval_ms":0,"election_timeout_min_ms":0,"election_timeout_max_ms":0},"writes":0,"reads":0,"elections":0},"revocation_lists":[]},"#
            ),
            "{json}"
        );
        assert!(
            json.ends_with(
                "\"lag\":null,\"applied\":null,\"version\":null,\"certificate_days_left\":null,\"disk_free_bytes\":null,\"other_cluster\":null,\"round_trip_us\":null,\"pace\":null,\"revocation_lists\":[]}]}\n"
            ),
            "{json}"
        );
    }

    #[test]
    fn numbers_of_revocation_lists_are_shown_once_there_are_any() {
        let mut view = view();
        let list = |number| RevocationListStatus { ca: "a CA".to_owned(), number };
        view.nodes[0].revocation_lists = vec![list(3), list(12)];
        view.nodes[1].revocation_lists = vec![list(2)];
        let table = printed(Format::Table, &Nodes::new(&view));
        let last: Vec<&str> = table.lines().map(|line| line.split("  ").last().unwrap_or_default()).collect();
        assert_eq!(last[..4], ["CRL", "3,12", "2", "-"], "{table}");
        let plain = printed(Format::Plain, &Nodes::new(&view));
        let last: Vec<&str> =
            plain.lines().map(|line| line.split('\t').next_back().unwrap_or_default()).collect();
        assert_eq!(last[..3], ["3,12", "2", "-"], "{plain}");
    }

    #[test]
    fn a_replaced_node_keeps_its_place_among_the_endpoints() {
        let up = |name, id| node(name, id, Some(RaftRole::Follower), NodeState::Up);
        let address = |id: u64| Address::new(format!("10.0.0.{id}:7400")).unwrap();
        let order = |endpoints: &[u64]| {
            // The data of ming was lost: it came back as node 30.
            let nodes = vec![up("hong", 2), up("peng", 3), up("hu", 4), up("ming", 30)];
            let endpoints: Vec<Address> = endpoints.iter().copied().map(address).collect();
            let ordered = in_order(nodes, &endpoints);
            ordered.iter().map(|node| node.name.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(&[30, 2, 3, 4]), "ming hong peng hu");
        assert_eq!(order(&[30, 2]), "ming peng hu hong", "peng and hu are not endpoints");
        assert_eq!(order(&[4]), "hong peng hu ming", "one endpoint gives no order");
        assert_eq!(order(&[]), "hong peng hu ming");
        assert_eq!(order(&[99, 30, 30, 2]), "ming peng hu hong");
    }

    #[test]
    fn the_summary_says_how_safe_it_is() {
        let whole = ClusterView { voters_in_reach: 3, may_lose: 1, ..view() };
        assert_eq!(
            wording::summary(&whole),
            "3 of 3 voters in reach, 1 more may be lost; leader ming, term 3"
        );
        let silent = ClusterView { quorum_silent_ms: Some(42_000), may_lose: 0, ..whole };
        assert_eq!(
            wording::summary(&silent),
            "3 of 3 voters in reach, but the leader hears no quorum; leader ming, term 3"
        );
        let lost = ClusterView { voters_in_reach: 1, leader: None, ..view() };
        assert_eq!(wording::summary(&lost), "1 of 3 voters in reach, no quorum; no leader");
        let joint = ClusterView { joint: true, ..view() };
        assert!(wording::summary(&joint).ends_with("; a membership change is in progress"));
        let mut outside = ClusterView { cluster: None, ..view() };
        assert_eq!(wording::summary(&outside), wording::no_cluster("ming", false));
        outside.nodes = vec![node("ming", 1, None, NodeState::Starting)];
        assert_eq!(wording::summary(&outside), "ming is opening its data: ask another node, or wait");
    }
}
