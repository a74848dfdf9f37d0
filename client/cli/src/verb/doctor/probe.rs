//! Asks each node over a new connection, all at the same time.

use std::{collections::BTreeSet, time::Duration};

use coffee_client::{Channel, ChannelError, Envelope, NotSentReason, Request, Response};
use coffee_common::{
    clock,
    id::{Address, NodeName},
    limits::NODES_MAX,
    protocol::{ClusterView, NodeStatus},
    quic::{Endpoint, Expect, PathMtu},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::clocks::ClockReading;

/// How long a path is searched for larger packets. A search that loses all of them takes up to 40 round trips.
const SEARCH: Duration = Duration::from_secs(1);

/// The search has ended once this many pings in a row have not changed its result. A lost packet is
/// noticed after three.
const SETTLED: u32 = 8;

/// The answers of a node, and the measured connection to it.
#[derive(Debug, Clone)]
pub(super) struct NodeProbe {
    pub(super) name: NodeName,
    pub(super) address: Address,
    /// How long it took to connect: handshake and welcome.
    pub(super) connected: Duration,
    pub(super) round_trip: Duration,
    pub(super) path: PathMtu,
    pub(super) status: NodeStatus,
    /// Its clock; `None` if it does not tell.
    pub(super) clock: Option<ClockReading>,
    /// Its list of the cluster; `None` if it gave none.
    pub(super) view: Option<ClusterView>,
}

/// A node that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedProbe {
    pub(super) address: Address,
    pub(super) why: String,
    /// Whether one side rejected the certificate of the other.
    pub(super) is_identity: bool,
}

/// All answers, and all nodes without one.
#[derive(Debug, Default)]
pub(super) struct ClusterSurvey {
    pub(super) probes: Vec<NodeProbe>,
    pub(super) failed: Vec<FailedProbe>,
}

impl ClusterSurvey {
    /// Returns the list by which the cluster is judged: the leader's, or that with most voters in reach.
    pub(super) fn view(&self) -> Option<&ClusterView> {
        let views = self.probes.iter().filter_map(|probe| probe.view.as_ref());
        views.max_by_key(|view| {
            let is_leader = view.leader.as_ref() == Some(&view.asked);
            (view.cluster.is_some(), is_leader, view.voters_in_reach)
        })
    }
}

/// Asks the endpoints, and the nodes that they list, until the deadline.
pub(super) async fn survey(endpoint: &Endpoint, endpoints: &[Address], deadline: Instant) -> ClusterSurvey {
    let mut waiting: BTreeSet<Address> = endpoints.iter().cloned().collect();
    let mut asked = waiting.clone();
    let mut probes: FuturesUnordered<_> =
        waiting.iter().map(|address| probe(endpoint, address.clone(), deadline)).collect();
    let mut survey = ClusterSurvey::default();
    // Each probe ends by the deadline, shortly after which this need not wait for the last ones.
    while let Ok(Some(ended)) = timeout_at(deadline, probes.next()).await {
        match ended {
            Ok(probe) => {
                waiting.remove(&probe.address);
                let listed = probe.view.iter().flat_map(|view| &view.nodes);
                let is_known = |name: &NodeName| survey.probes.iter().any(|probe| probe.name == *name);
                for node in listed.filter(|node| !node.state.is_outside() && node.name != probe.name) {
                    // A list that is not true may name others without end.
                    let has_room = asked.len() < endpoints.len() + NODES_MAX;
                    if has_room && !is_known(&node.name) && asked.insert(node.address.clone()) {
                        waiting.insert(node.address.clone());
                        probes.push(self::probe(endpoint, node.address.clone(), deadline));
                    }
                }
                // An endpoint may be another address of a node that was asked already.
                if !survey.probes.iter().any(|known| known.name == probe.name) {
                    survey.probes.push(probe);
                }
            }
            Err(failed) => {
                waiting.remove(&failed.address);
                survey.failed.push(failed);
            }
        }
    }
    survey.failed.extend(waiting.into_iter().map(late));
    survey.probes.sort_by(|one, other| one.name.cmp(&other.name));
    survey.failed.sort_by(|one, other| one.address.cmp(&other.address));
    survey
}

fn late(address: Address) -> FailedProbe {
    FailedProbe { address, why: "no answer in time; --timeout waits longer".to_owned(), is_identity: false }
}

async fn probe(endpoint: &Endpoint, address: Address, deadline: Instant) -> Result<NodeProbe, FailedProbe> {
    let failed = |why: String| FailedProbe { address: address.clone(), why, is_identity: false };
    let begin = Instant::now();
    let channel = match timeout_at(deadline, Channel::connect(endpoint, &address, &Expect::AnyNode)).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => {
            let is_identity = matches!(&error, ChannelError::NotSent(NotSentReason::Identity(_)));
            return Err(FailedProbe { is_identity, ..failed(error.to_string()) });
        }
        Err(_) => return Err(late(address)),
    };
    let connected = begin.elapsed();
    let asked = Instant::now();
    let status = match ask(&channel, &Request::Status, deadline).await {
        Ok(Response::Status(status)) => *status,
        Ok(_) => return Err(failed("its answer has another form than that of a status".to_owned())),
        Err(why) => return Err(failed(why)),
    };
    let clock = ClockReading::new(status.clock_ms, asked.elapsed(), clock::now_ms());
    let view = match ask(&channel, &Request::List, deadline).await {
        Ok(Response::Cluster(view)) => Some(*view),
        _ => None,
    };
    let path = search(&channel, deadline.min(Instant::now() + SEARCH)).await;
    let name = channel.peer().name.clone();
    Ok(NodeProbe { name, address, connected, round_trip: channel.rtt(), path, status, clock, view })
}

async fn ask(channel: &Channel, request: &Request, deadline: Instant) -> Result<Response, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    match channel.ask(request, Envelope::default(), left).await {
        Ok(frame) => frame.result.map_err(|rejection| rejection.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Sends pings until the search for larger packets has ended.
async fn search(channel: &Channel, until: Instant) -> PathMtu {
    let (mut found, mut same) = (channel.path_mtu(), 0);
    while same < SETTLED && Instant::now() < until && ask(channel, &Request::Ping, until).await.is_ok() {
        let now = channel.path_mtu();
        same = if now == found { same + 1 } else { 0 };
        found = now;
    }
    found
}
