//! The report on one node: a row of the summary, or a page with everything.

use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{LeftOut, NodePace, NodeStatus, RaftStatus, RevocationListStatus, RoundTrip},
};
use serde::Serialize;

use crate::{
    dates,
    printer::{Printable, table::TextTable},
    wording,
};

/// Returns the summary: one row per node, made for 80 columns.
pub(super) fn summary(reports: &[StatusReport<'_>]) -> String {
    if reports.is_empty() {
        return String::new();
    }
    let mut table =
        TextTable::new(["NAME", "ROLE", "STATE", "LEADER", "APPLIED", "SYNC", "COMMIT", "RTT", "UPTIME"])
            .right([4, 5, 6, 7]);
    reports.iter().for_each(|report| table.row(report.summary()));
    wording::with_list_numbers(&mut table, reports.iter().map(|report| report.revocation_lists));
    table.render()
}

/// Returns everything the nodes report, one page per node.
pub(super) fn pages(reports: &[StatusReport<'_>]) -> String {
    reports.iter().map(Printable::table).collect::<Vec<_>>().join("\n")
}

#[derive(Serialize)]
pub(super) struct StatusReport<'a> {
    name: &'a str,
    address: &'a str,
    version: &'a str,
    phase: &'static str,
    uptime_ms: u64,
    member: Option<MemberStatus>,
    certificate: CertificateValidity<'a>,
    disk_free_bytes: Option<u64>,
    pace: &'a NodePace,
    left_out: Option<OtherMembers<'a>>,
    revocation_lists: &'a [RevocationListStatus],
}

/// The cluster of the peers of a node that was left out of a restore or a recovery.
#[derive(Serialize)]
struct OtherMembers<'a> {
    cluster: String,
    from: &'a Address,
    peers: &'a [NodeName],
}

/// The certificate that the node presents.
#[derive(Serialize)]
struct CertificateValidity<'a> {
    serial: &'a str,
    valid_until: String,
    days_left: i64,
}

/// A member's view of its cluster.
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
    pub(super) fn new(status: &'a NodeStatus) -> Self {
        Self {
            name: status.name.as_str(),
            address: status.address.as_str(),
            version: &status.version,
            phase: status.phase.as_str(),
            uptime_ms: status.uptime_ms,
            member: status.raft.as_ref().map(MemberStatus::new),
            certificate: CertificateValidity {
                serial: &status.certificate.serial,
                valid_until: dates::utc(i64::try_from(status.certificate.valid_until_s).unwrap_or(i64::MAX)),
                days_left: wording::days_until(status.certificate.valid_until_s),
            },
            disk_free_bytes: status.disk_free_bytes,
            pace: &status.pace,
            left_out: status.left_out.as_ref().map(|LeftOut { cluster, from, peers }| OtherMembers {
                cluster: cluster.to_string(),
                from,
                peers,
            }),
            revocation_lists: &status.revocation_lists,
        }
    }

    /// Returns the node's row of the summary.
    fn summary(&self) -> [String; 9] {
        let member = self.member.as_ref();
        [
            self.name.to_owned(),
            wording::or_nothing(member.map(|member| member.role)),
            if self.left_out.is_some() { "left out" } else { self.phase }.to_owned(),
            wording::or_nothing(member.and_then(|member| member.leader.as_ref())),
            wording::or_nothing(member.map(|member| member.applied)),
            wording::or_nothing(self.pace.sync_p99_us.map(wording::short)),
            wording::or_nothing(self.pace.commit_p99_us.map(wording::short)),
            wording::or_nothing(self.round_trip_to_leader().map(wording::short)),
            wording::span(self.uptime_ms),
        ]
    }

    /// Returns the round trip to the leader; `None` if this node leads or is not connected to it.
    fn round_trip_to_leader(&self) -> Option<u64> {
        let leader = self.member.as_ref()?.leader.as_ref()?;
        let trip = self.pace.round_trips.iter().find(|trip| trip.peer.as_str() == leader);
        trip.map(|trip| trip.now_us)
    }

    fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = vec![
            row("name", self.name),
            row("address", self.address),
            row("version", self.version),
            row("phase", self.phase),
            row("uptime", wording::span(self.uptime_ms)),
        ];
        rows.extend(self.left_out.as_ref().map(|left_out| {
            row("left out", format!("its peers are in another cluster, {}", left_out.cluster))
        }));
        rows.extend(self.member.iter().flat_map(MemberStatus::rows));
        let CertificateValidity { serial, valid_until, .. } = &self.certificate;
        rows.push(row("certificate", format!("{serial} until {valid_until}")));
        for RevocationListStatus { ca, number } in self.revocation_lists {
            rows.push(row("revocation list", format!("{number} of {ca}")));
        }
        rows.extend(self.disk_free_bytes.map(|free| row("disk free", wording::size(free))));
        rows.extend(self.pace.sync_p99_us.map(|us| row("sync p99", wording::short(us))));
        rows.extend(self.pace.commit_p99_us.map(|us| row("commit p99", wording::short(us))));
        rows.push(row("stalled", format!("{} at most", wording::span(self.pace.stalled_ms))));
        for RoundTrip { peer, now_us, worst_us } in &self.pace.round_trips {
            let text =
                format!("{} to {peer}, {} at most", wording::short(*now_us), wording::short(*worst_us));
            rows.push(row("round trip", text));
        }
        let bear = wording::short(self.pace.timers.round_trip_max_us());
        rows.push(row("timers bear", format!("round trips of {bear}")));
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
            role: raft.role.as_str(),
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
mod tests;
