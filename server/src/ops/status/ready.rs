//! Whether this node is ready to serve, and if not, why.
//!
//! Read-only: readiness tells load balancers where to send clients and changes
//! nothing in the node. The facts are gathered first (`Facts`); the verdict on
//! them is pure.

use std::time::Duration;

use coffee_common::{
    id::{ClusterId, NodeName},
    protocol::LifecyclePhase,
};
use tokio::time::timeout;

use crate::node::{Node, replica::Replica};

/// A node that lags by more committed entries than this responds noticeably late.
const LAG_ENTRIES_MAX: u64 = 10_000;

/// A leader may be down after this many leases, and at least this time, without contact.
const LEASES: u32 = 4;
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// How long to wait for an answer from consensus.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A readiness check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadinessCheck {
    /// There is a leader with a quorum, and this node has contact with it.
    Quorum,
    /// The committed entries are applied on this node.
    CaughtUp,
    /// The disk has free space.
    Disk,
    /// The node's certificate is valid, so clients accept it.
    Certificate,
}

impl ReadinessCheck {
    /// All checks.
    pub const ALL: [Self; 4] = [Self::Quorum, Self::CaughtUp, Self::Disk, Self::Certificate];

    /// The check's name in output and in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::CaughtUp => "caught-up",
            Self::Disk => "disk",
            Self::Certificate => "certificate",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessResult {
    /// The check.
    pub check: ReadinessCheck,
    /// Whether it passed.
    pub ok: bool,
    /// The reason, in one line.
    pub reason: String,
}

/// Runs all checks.
pub async fn readiness(node: &Node) -> Vec<ReadinessResult> {
    let facts = Facts::gather(node).await;
    ReadinessCheck::ALL.map(|check| facts.judge(check)).into()
}

/// The facts that the checks judge.
#[derive(Debug, Clone)]
struct Facts {
    name: NodeName,
    phase: LifecyclePhase,
    silence_max: Duration,
    replica: Option<ReplicaFacts>,
    /// Free bytes, or why they are unknown.
    disk_free: Result<u64, String>,
    disk_free_min: u64,
    certificate_days_left: i64,
}

#[derive(Debug, Clone)]
struct ReplicaFacts {
    leads: bool,
    leader: Option<NodeName>,
    /// The time since the last contact with the leader or, if this node leads,
    /// with the quorum. An error: consensus itself did not answer.
    heard: Result<Option<Duration>, &'static str>,
    /// Whether this node alone is a quorum.
    alone: bool,
    applied: u64,
    committed: u64,
    recovered: bool,
    /// The cluster of its peers, if it was left out of a restore or a recovery.
    left_out: Option<ClusterId>,
}

impl Facts {
    async fn gather(node: &Node) -> Self {
        let replica = match node.replica() {
            Some(replica) => Some(ReplicaFacts::gather(&replica).await),
            None => None,
        };
        let disk_free = node.space().look().await;
        Self {
            name: node.name().clone(),
            phase: node.phase(),
            silence_max: SILENCE_MIN.max(LEASES * node.lease()),
            replica,
            disk_free: disk_free.map(|space| space.free_bytes).map_err(|error| error.to_string()),
            disk_free_min: node.settings().disk_free_bytes_min,
            certificate_days_left: node.certificate_days_left(),
        }
    }

    fn judge(&self, check: ReadinessCheck) -> ReadinessResult {
        let verdict = match check {
            ReadinessCheck::Quorum => self.quorum(),
            ReadinessCheck::CaughtUp => self.caught_up(),
            ReadinessCheck::Disk => self.disk(),
            ReadinessCheck::Certificate => self.certificate(),
        };
        let ok = verdict.is_ok();
        ReadinessResult { check, ok, reason: verdict.unwrap_or_else(|reason| reason) }
    }

    /// The facts of the replica, or why the node does not serve.
    fn serving(&self) -> Result<&ReplicaFacts, String> {
        if self.phase == LifecyclePhase::Stopping {
            return Err("this node is stopping".to_owned());
        }
        let waits = match self.phase {
            LifecyclePhase::Opening => "it is opening its data".to_owned(),
            LifecyclePhase::Waiting => format!(
                "it belongs to no cluster: coffeectl boot {0}, or for a new one: coffeectl init {0}",
                self.name
            ),
            _ => "it waits to join a cluster".to_owned(),
        };
        self.replica.as_ref().ok_or(waits)
    }

    fn quorum(&self) -> Result<String, String> {
        let replica = self.serving()?;
        if let Some(theirs) = replica.left_out {
            return Err(format!(
                "its peers are in another cluster, {theirs}: it was left out of a restore or a recovery"
            ));
        }
        let heard = replica.heard?;
        let ago = heard.map(|heard| format!("{} ms ago", heard.as_millis())).unwrap_or("never".to_owned());
        let late = heard.is_none_or(|heard| heard > self.silence_max);
        match &replica.leader {
            _ if replica.leads && replica.alone => Ok("it leads and is the only voter".to_owned()),
            _ if replica.leads && late => Err(format!("it leads; last contact with a quorum: {ago}")),
            _ if replica.leads => Ok(format!("it leads; last contact with a quorum: {ago}")),
            Some(leader) if late => Err(format!("it follows {leader}; last contact: {ago}")),
            Some(leader) => Ok(format!("it follows {leader}; last contact: {ago}")),
            None => Err("there is no leader: too few voters are up, or an election is under way".to_owned()),
        }
    }

    fn caught_up(&self) -> Result<String, String> {
        let replica = self.serving()?;
        let ReplicaFacts { applied, committed, .. } = *replica;
        let lag = committed.saturating_sub(applied);
        if self.phase == LifecyclePhase::Joining {
            Err(format!("it catches up before it becomes a voter: entry {applied} of {committed}"))
        } else if !replica.recovered {
            Err(format!("it has not recovered its state since the restart: entry {applied} of {committed}"))
        } else if lag > LAG_ENTRIES_MAX {
            Err(format!("it lags by {lag} entries: entry {applied} of {committed}"))
        } else {
            Ok(format!("entry {applied} of {committed} is applied"))
        }
    }

    fn disk(&self) -> Result<String, String> {
        let free = *self.disk_free.as_ref().map_err(|why| format!("the free space is unknown: {why}"))?;
        let mebibytes = free >> 20;
        if free < self.disk_free_min {
            return Err(format!(
                "{mebibytes} MiB are free; at least {} MiB are needed",
                self.disk_free_min >> 20
            ));
        }
        Ok(format!("{mebibytes} MiB are free"))
    }

    fn certificate(&self) -> Result<String, String> {
        match self.certificate_days_left {
            ..0 => Err("its certificate has expired: new connections reject it".to_owned()),
            days => Ok(format!("its certificate is valid for {days} days")),
        }
    }
}

impl ReplicaFacts {
    async fn gather(replica: &Replica) -> Self {
        let metrics = replica.metrics();
        let leads = metrics.state.is_leader();
        let heard = match leads {
            true => Ok(replica.quorum_silence(&metrics)),
            false => timeout(ANSWER_WITHIN, replica.silence()).await.map_err(|_| "consensus does not answer"),
        };
        let id = replica.id();
        let committed = metrics.cluster_committed.max(metrics.local_committed);
        Self {
            leads,
            leader: replica.leader().map(|lead| lead.member.name),
            heard,
            alone: metrics.membership_config.voter_ids().all(|voter| voter == id),
            applied: replica.state().applied().0,
            committed: committed.map_or(0, |committed| committed.index),
            recovered: replica.is_recovered(),
            left_out: replica.left_out().map(|left_out| left_out.cluster),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).expect("legal")
    }

    fn follower() -> Facts {
        Facts {
            name: name("hong"),
            phase: LifecyclePhase::Running,
            silence_max: Duration::from_millis(1200),
            replica: Some(ReplicaFacts {
                leads: false,
                leader: Some(name("ming")),
                heard: Ok(Some(Duration::from_millis(40))),
                alone: false,
                applied: 90,
                committed: 100,
                recovered: true,
                left_out: None,
            }),
            disk_free: Ok(1 << 30),
            disk_free_min: 1 << 20,
            certificate_days_left: 364,
        }
    }

    fn with(change: impl FnOnce(&mut ReplicaFacts)) -> Facts {
        let mut facts = follower();
        change(facts.replica.as_mut().expect("it has a replica"));
        facts
    }

    #[track_caller]
    fn assert_judged(facts: &Facts, check: ReadinessCheck, ok: bool, reason: &str) {
        assert_eq!(facts.judge(check), ReadinessResult { check, ok, reason: reason.to_owned() });
    }

    #[test]
    fn a_node_whose_peers_are_in_another_cluster_is_not_ready() {
        let facts = with(|replica| replica.left_out = Some(ClusterId(8)));
        let reason = format!(
            "its peers are in another cluster, {}: it was left out of a restore or a recovery",
            ClusterId(8)
        );
        assert_judged(&facts, ReadinessCheck::Quorum, false, &reason);
    }

    #[test]
    fn a_follower_of_a_live_leader_is_ready() {
        let facts = follower();
        assert_judged(&facts, ReadinessCheck::Quorum, true, "it follows ming; last contact: 40 ms ago");
        assert_judged(&facts, ReadinessCheck::CaughtUp, true, "entry 90 of 100 is applied");
        assert_judged(&facts, ReadinessCheck::Disk, true, "1024 MiB are free");
        assert_judged(&facts, ReadinessCheck::Certificate, true, "its certificate is valid for 364 days");
    }

    #[test]
    fn without_a_quorum_no_node_is_ready() {
        let quorum = |facts: &Facts, reason| assert_judged(facts, ReadinessCheck::Quorum, false, reason);
        quorum(
            &with(|replica| replica.leader = None),
            "there is no leader: too few voters are up, or an election is under way",
        );
        let silent = Ok(Some(Duration::from_millis(1201)));
        quorum(&with(|replica| replica.heard = silent), "it follows ming; last contact: 1201 ms ago");
        quorum(&with(|replica| replica.heard = Ok(None)), "it follows ming; last contact: never");
        quorum(
            &with(|replica| replica.heard = Err("consensus does not answer")),
            "consensus does not answer",
        );
        let leads = |heard| {
            with(|replica| {
                replica.leads = true;
                replica.heard = heard;
            })
        };
        quorum(&leads(silent), "it leads; last contact with a quorum: 1201 ms ago");
        let just_now = Ok(Some(Duration::from_millis(3)));
        assert_judged(
            &leads(just_now),
            ReadinessCheck::Quorum,
            true,
            "it leads; last contact with a quorum: 3 ms ago",
        );
    }

    #[test]
    fn the_only_voter_is_ready_alone() {
        let alone = with(|replica| (replica.leads, replica.alone, replica.heard) = (true, true, Ok(None)));
        assert_judged(&alone, ReadinessCheck::Quorum, true, "it leads and is the only voter");
    }

    #[test]
    fn a_node_that_lags_is_not_caught_up() {
        let lags = |facts: &Facts, reason| assert_judged(facts, ReadinessCheck::CaughtUp, false, reason);
        lags(
            &with(|replica| replica.committed = 90 + LAG_ENTRIES_MAX + 1),
            "it lags by 10001 entries: entry 90 of 10091",
        );
        lags(
            &with(|replica| replica.recovered = false),
            "it has not recovered its state since the restart: entry 90 of 100",
        );
        let joining = Facts { phase: LifecyclePhase::Joining, ..follower() };
        lags(&joining, "it catches up before it becomes a voter: entry 90 of 100");
    }

    #[test]
    fn a_node_without_a_part_is_not_ready() {
        for (phase, reason) in [
            (LifecyclePhase::Opening, "it is opening its data"),
            (
                LifecyclePhase::Waiting,
                "it belongs to no cluster: coffeectl boot hong, or for a new one: coffeectl init hong",
            ),
            (LifecyclePhase::Joining, "it waits to join a cluster"),
            (LifecyclePhase::Stopping, "this node is stopping"),
        ] {
            let facts = Facts { phase, replica: None, ..follower() };
            assert_judged(&facts, ReadinessCheck::Quorum, false, reason);
            assert_judged(&facts, ReadinessCheck::CaughtUp, false, reason);
        }
        let stopping = Facts { phase: LifecyclePhase::Stopping, ..follower() };
        assert_judged(&stopping, ReadinessCheck::Quorum, false, "this node is stopping");
    }

    #[test]
    fn a_full_disk_is_not_ready() {
        let full = Facts { disk_free: Ok((1 << 20) - 1), ..follower() };
        assert_judged(&full, ReadinessCheck::Disk, false, "0 MiB are free; at least 1 MiB are needed");
        let hangs = Facts { disk_free: Err("the disk does not answer".to_owned()), ..follower() };
        assert_judged(
            &hangs,
            ReadinessCheck::Disk,
            false,
            "the free space is unknown: the disk does not answer",
        );
    }

    #[test]
    fn an_expired_certificate_is_not_ready() {
        let last_day = Facts { certificate_days_left: 0, ..follower() };
        assert_judged(&last_day, ReadinessCheck::Certificate, true, "its certificate is valid for 0 days");
        let expired = Facts { certificate_days_left: -1, ..follower() };
        let reason = "its certificate has expired: new connections reject it";
        assert_judged(&expired, ReadinessCheck::Certificate, false, reason);
    }
}
