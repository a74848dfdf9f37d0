//! `status`: what each of the asked nodes knows of itself.
//!
//! Every node is asked on its own, and one that does not answer is no reason
//! to keep back what the others said.

use clap::Args;
use coffee_client::Client;
use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{NodeStatus, RaftStatus},
};
use futures_util::future::join_all;
use serde::Serialize;

use crate::{
    dates,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, json::NoFields, table::TextTable},
    warnings, wording,
};

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Nodes to ask in place of the endpoints
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
}

pub(crate) async fn run(
    arguments: &StatusArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let addresses = addresses(&arguments.nodes, invocation).await?;
    let mut statuses = Vec::new();
    let mut code = ExitCode::Done;
    let client = invocation.client(invocation.usual_timeout())?;
    let answers = join_all(addresses.iter().map(|address| ask(address, &client))).await;
    for (address, answer) in addresses.iter().zip(answers) {
        match answer {
            Ok(status) => statuses.push(status),
            Err(failure) => {
                code = if code == ExitCode::Done { failure.code() } else { code };
                // One that was not reached is named in the error already.
                let named = failure.message().contains(address.as_str());
                let message = if named {
                    failure.message().to_owned()
                } else {
                    format!("{address}: {}", failure.message())
                };
                invocation.printer.failure(&failure.with_message(message));
            }
        }
    }
    let rows: Vec<StatusReport> = statuses.iter().map(StatusReport::new).collect();
    invocation.printer.list_start("nodes");
    invocation
        .printer
        .list_page(&rows, |rows| rows.iter().map(Printable::table).collect::<Vec<_>>().join("\n"));
    invocation.printer.list_end(&NoFields {});
    for warning in statuses.iter().flat_map(warnings::of_node) {
        invocation.printer.note(&warning);
    }
    Ok(code)
}

/// The endpoints, or where the cluster says that the named nodes are.
pub(super) async fn addresses(
    nodes: &[NodeName],
    invocation: &Invocation<'_>,
) -> Result<Vec<Address>, Failure> {
    if nodes.is_empty() {
        return Ok(invocation.session.connection().endpoints.clone());
    }
    let view = invocation.view(invocation.usual_timeout()).await?;
    let address = |name: &NodeName| {
        let node = view.nodes.iter().find(|node| node.name == *name);
        node.map(|node| node.address.clone()).ok_or_else(|| {
            Failure::new(ExitCode::NotFound, format!("there is no node {name}"))
                .hint("see the nodes with 'coffeectl list'")
        })
    };
    nodes.iter().map(address).collect()
}

async fn ask(address: &Address, client: &Client) -> Result<NodeStatus, Failure> {
    Ok(client.at(address.clone())?.status().await?)
}

#[derive(Serialize)]
struct StatusReport<'a> {
    name: &'a str,
    address: &'a str,
    version: &'a str,
    phase: &'static str,
    uptime_ms: u64,
    member: Option<MemberStatus>,
    certificate: CertificateValidity<'a>,
    disk_free_bytes: Option<u64>,
}

/// The certificate that it shows.
#[derive(Serialize)]
struct CertificateValidity<'a> {
    serial: &'a str,
    valid_until: String,
    days_left: i64,
}

/// What a member knows of its cluster.
#[derive(Serialize)]
struct MemberStatus {
    cluster: String,
    id: String,
    role: &'static str,
    term: u64,
    leader: Option<String>,
    last_log: u64,
    committed: u64,
    applied: u64,
    snapshot: u64,
    purged: u64,
    voters: Vec<Vec<String>>,
    learners: Vec<String>,
    quorum_heard_ms: Option<u64>,
}

impl<'a> StatusReport<'a> {
    fn new(status: &'a NodeStatus) -> Self {
        Self {
            name: status.name.as_str(),
            address: status.address.as_str(),
            version: &status.version,
            phase: wording::phase(status.phase),
            uptime_ms: status.uptime_ms,
            member: status.raft.as_ref().map(MemberStatus::new),
            certificate: CertificateValidity {
                serial: &status.certificate.serial,
                valid_until: dates::utc(i64::try_from(status.certificate.valid_until_s).unwrap_or(i64::MAX)),
                days_left: wording::days_until(status.certificate.valid_until_s),
            },
            disk_free_bytes: status.disk_free_bytes,
        }
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = vec![
            row("name", self.name),
            row("address", self.address),
            row("version", self.version),
            row("phase", self.phase),
            row("uptime", wording::span(self.uptime_ms)),
        ];
        rows.extend(self.member.iter().flat_map(MemberStatus::rows));
        let CertificateValidity { serial, valid_until, .. } = &self.certificate;
        rows.push(row("certificate", format!("{serial} until {valid_until}")));
        rows.extend(self.disk_free_bytes.map(|free| row("disk free", wording::size(free))));
        rows
    }
}

fn row(name: &str, value: impl Into<String>) -> [String; 2] {
    [name.to_owned(), value.into()]
}

impl MemberStatus {
    fn new(raft: &RaftStatus) -> Self {
        let name = |id: &NodeId| {
            let record = raft.nodes.iter().find(|record| record.id == *id);
            record.map_or_else(|| id.to_string(), |record| record.name.to_string())
        };
        Self {
            cluster: raft.cluster.to_string(),
            id: raft.id.to_string(),
            role: wording::role(raft.role),
            term: raft.term,
            leader: raft.leader.as_ref().map(name),
            last_log: raft.last_log.0,
            committed: raft.committed.0,
            applied: raft.applied.0,
            snapshot: raft.snapshot.0,
            purged: raft.purged.0,
            voters: raft.voters.iter().map(|set| set.iter().map(name).collect()).collect(),
            learners: raft.learners.iter().map(name).collect(),
            quorum_heard_ms: raft.quorum_heard_ms,
        }
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let voters = self.voters.iter().map(|set| set.join(" ")).collect::<Vec<_>>().join(" -> ");
        let mut rows = vec![
            row("cluster", &self.cluster),
            row("id", &self.id),
            row("role", self.role),
            row("term", self.term.to_string()),
            row("leader", wording::or_nothing(self.leader.as_ref())),
            row("last log", self.last_log.to_string()),
            row("committed", self.committed.to_string()),
            row("applied", self.applied.to_string()),
            row("snapshot", self.snapshot.to_string()),
            row("purged", self.purged.to_string()),
            row("voters", voters),
            row("learners", self.learners.join(" ")),
        ];
        rows.extend(self.quorum_heard_ms.map(|ms| row("quorum heard", format!("{} ago", wording::span(ms)))));
        rows
    }

    fn fields(&self) -> [String; 9] {
        [
            self.id.clone(),
            self.role.to_owned(),
            self.term.to_string(),
            wording::or_nothing(self.leader.as_ref()),
            self.last_log.to_string(),
            self.committed.to_string(),
            self.applied.to_string(),
            self.snapshot.to_string(),
            self.purged.to_string(),
        ]
    }
}

impl Printable for StatusReport<'_> {
    fn table(&self) -> String {
        let mut table = TextTable::without_header();
        self.rows().into_iter().for_each(|row| table.row(row));
        table.render()
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let own = [self.name, self.address, self.version, self.phase].map(str::to_owned);
        let member = self
            .member
            .as_ref()
            .map_or_else(|| [(); 9].map(|()| wording::NOTHING.to_owned()), MemberStatus::fields);
        vec![own.into_iter().chain([self.uptime_ms.to_string()]).chain(member).collect()]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::{MemberState, NodeRecord},
        id::{ClusterId, Revision},
        protocol::{CertificateStatus, LifecyclePhase, RaftRole},
    };

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn record(id: u64, name: &str) -> NodeRecord {
        NodeRecord {
            id: NodeId(id),
            name: NodeName::new(name).unwrap(),
            address: Address::new("10.0.0.1:7400").unwrap(),
            standing: MemberState::Member,
            since_ms: 0,
        }
    }

    fn status() -> NodeStatus {
        NodeStatus {
            name: NodeName::new("ming").unwrap(),
            address: Address::new("10.0.0.1:7400").unwrap(),
            version: "0.1.0".into(),
            phase: LifecyclePhase::Running,
            uptime_ms: 61_000,
            raft: Some(RaftStatus {
                cluster: ClusterId(0xc0ffee),
                id: NodeId(1),
                role: RaftRole::Leader,
                term: 3,
                leader: Some(NodeId(1)),
                last_log: Revision(12),
                committed: Revision(11),
                applied: Revision(10),
                snapshot: Revision(5),
                purged: Revision(4),
                voters: vec![vec![NodeId(1)], vec![NodeId(1), NodeId(7)]],
                learners: vec![NodeId(9)],
                matched: Vec::new(),
                quorum_heard_ms: Some(40),
                nodes: vec![record(1, "ming"), record(7, "hong")],
            }),
            certificate: CertificateStatus { serial: "4a5b".into(), valid_until_s: 1_795_399_453 },
            started_at_ms: 1_795_399_392_000,
            disk_free_bytes: Some(5 << 30),
        }
    }

    #[test]
    fn golden() {
        let status = status();
        let status = StatusReport::new(&status);
        assert_eq!(
            printed(Format::Table, &status),
            "\
name          ming
address       10.0.0.1:7400
version       0.1.0
phase         running
uptime        61 s
cluster       00000000000000000000000000c0ffee
id            1
role          leader
term          3
leader        ming
last log      12
committed     11
applied       10
snapshot      5
purged        4
voters        ming -> ming hong
learners      9
quorum heard  40 ms ago
certificate   4a5b until 2026-11-23T02:04:13Z
disk free     5120 MiB
"
        );
        assert_eq!(
            printed(Format::Plain, &status),
            "ming\t10.0.0.1:7400\t0.1.0\trunning\t61000\t1\tleader\t3\tming\t12\t11\t10\t5\t4\n"
        );
        let json = printed(Format::Json, &status);
        assert!(
            json.contains(r#""id":"1","role":"leader","term":3,"leader":"ming","last_log":12,"#),
            "{json}"
        );
        assert!(json.contains(r#""voters":[["ming"],["ming","hong"]],"learners":["9"]"#), "{json}");
    }

    #[test]
    fn a_node_without_a_cluster_has_less_to_say() {
        let status = NodeStatus { phase: LifecyclePhase::Waiting, raft: None, ..status() };
        let status = StatusReport::new(&status);
        assert_eq!(printed(Format::Table, &status).lines().count(), 7);
        assert_eq!(printed(Format::Plain, &status).matches('\t').count(), 13);
        assert!(printed(Format::Json, &status).contains(r#""member":null"#));
    }
}
