//! Every metric of a node: its name, what it means, where it comes from.
//!
//! Names follow Prometheus' conventions: `coffeed_` first, then what it is of;
//! base units (seconds, bytes) last; `_total` behind what only grows. A metric
//! that has nothing to say (a node without a part in a cluster) is left out.

mod quic;

use openraft::Instant;

use super::exposition::{Kind, Text};
use crate::{
    metrics::{RequestKind, RequestMetrics, RequestOutcome},
    node::{
        Node, VERSION,
        replica::{Metrics, Replica},
    },
    ops::status::ready::ReadinessResult,
    storage::disk::Space,
};

pub(super) fn write(text: &mut Text, node: &Node, findings: &[ReadinessResult], space: Option<Space>) {
    identity(text, node);
    let mut family = text.family("coffeed_ready", Kind::Gauge, "Whether a check of /readyz passes.");
    for ReadinessResult { check, ok, .. } in findings {
        family.sample(&[("check", check.name())], *ok);
    }
    text.counter(
        "coffeed_raft_leader_changes_seen_total",
        "Leaders that came, each in a term of its own, as far as this node has seen.",
        leader_changes(node),
    );
    if let Some(replica) = node.replica() {
        raft(text, &replica);
        log(text, &replica);
        request_memory(text, &replica);
    }
    text.histogram(
        "coffeed_raft_commit_duration_seconds",
        "From the proposal of a client's write to its being applied, where this node leads.",
        &node.metrics().commits.read(),
    );
    if let Some(space) = space {
        disk(text, space);
    }
    requests(text, &node.metrics().requests);
    quic::write(text, node);
}

fn identity(text: &mut Text, node: &Node) {
    text.family("coffeed_build_info", Kind::Gauge, "The version of coffeed; always 1.")
        .sample(&[("version", VERSION)], true);
    let replica = node.replica();
    let cluster = replica.as_ref().map(|replica| replica.cluster().to_string()).unwrap_or_default();
    let id = replica.as_ref().map(|replica| replica.id().to_string()).unwrap_or_default();
    let labels = [
        ("node", node.name().as_str()),
        ("address", node.address().as_str()),
        ("cluster", &cluster),
        ("id", &id),
    ];
    text.family("coffeed_node_info", Kind::Gauge, "Which node this is; always 1.").sample(&labels, true);
    text.gauge("coffeed_uptime_seconds", "For how long the node has been up.", node.uptime().as_secs_f64());
    text.gauge(
        "coffeed_certificate_expiry_timestamp_seconds",
        "Until when the certificate that the node shows is valid, since 1970.",
        node.certificate().valid_until_s,
    );
    let phases = [
        ("waiting", coffee_common::protocol::LifecyclePhase::Waiting),
        ("joining", coffee_common::protocol::LifecyclePhase::Joining),
        ("running", coffee_common::protocol::LifecyclePhase::Running),
        ("stopping", coffee_common::protocol::LifecyclePhase::Stopping),
    ];
    let mut family = text.family("coffeed_phase", Kind::Gauge, "1 for what the node does at present.");
    for (name, phase) in phases {
        family.sample(&[("phase", name)], node.phase() == phase);
    }
}

/// Also counts a leader that nobody has taken note of yet.
fn leader_changes(node: &Node) -> u64 {
    let leaders = &node.metrics().leaders;
    if let Some(lead) = node.replica().and_then(|replica| replica.leader()) {
        leaders.note(lead.term, Some(lead.id));
    }
    leaders.get()
}

fn raft(text: &mut Text, replica: &Replica) {
    let metrics = replica.metrics();
    text.gauge("coffeed_raft_term", "The term of the node.", metrics.current_term);
    let role = crate::ops::status::role(&metrics);
    let mut family = text.family("coffeed_raft_role", Kind::Gauge, "1 for the role that the node has.");
    for (name, this) in crate::ops::status::ROLES {
        family.sample(&[("role", name)], role == this);
    }
    text.gauge("coffeed_raft_is_leader", "Whether the node leads.", metrics.state.is_leader());
    text.gauge(
        "coffeed_raft_has_leader",
        "Whether the node knows a leader.",
        metrics.current_leader.is_some(),
    );
    indexes(text, replica, &metrics);
    let membership = metrics.membership_config.membership();
    text.gauge("coffeed_raft_voters", "Nodes that vote.", membership.voter_ids().count() as u64);
    text.gauge("coffeed_raft_learners", "Nodes without a vote.", membership.learner_ids().count() as u64);
    text.gauge(
        "coffeed_raft_joint",
        "Whether a change of membership is under way (joint consensus).",
        membership.get_joint_config().len() > 1,
    );
    if let Some(acked) = metrics.last_quorum_acked {
        let help = "How long ago a quorum was heard, where this node leads.";
        text.gauge("coffeed_raft_quorum_silence_seconds", help, acked.elapsed().as_secs_f64());
    }
    lags(text, replica, &metrics);
}

fn indexes(text: &mut Text, replica: &Replica, metrics: &Metrics) {
    let index = |id: Option<crate::raft_types::LogId>| id.map_or(0, |id| id.index);
    for (name, help, value) in [
        ("coffeed_raft_last_log_index", "The last entry of the log.", metrics.last_log_index.unwrap_or(0)),
        (
            "coffeed_raft_committed_index",
            "The last entry that the node knows to be committed.",
            index(metrics.local_committed),
        ),
        ("coffeed_raft_applied_index", "The last entry that is applied.", replica.state().applied().0),
        ("coffeed_raft_snapshot_index", "The last entry in the latest snapshot.", index(metrics.snapshot)),
        ("coffeed_raft_purged_index", "The last entry that the log no longer holds.", index(metrics.purged)),
    ] {
        text.gauge(name, help, value);
    }
}

fn lags(text: &mut Text, replica: &Replica, metrics: &Metrics) {
    let Some(replication) = &metrics.replication else { return };
    let help = "Entries of the log that a peer does not have yet, where this node leads.";
    let mut family = text.family("coffeed_raft_peer_lag_entries", Kind::Gauge, help);
    let last = metrics.last_log_index.unwrap_or(0);
    let others = replication.iter().filter(|(id, _)| **id != replica.id());
    for (id, matched) in others {
        let Some(member) = metrics.membership_config.get_node(id) else { continue };
        let lag = last.saturating_sub(matched.map_or(0, |matched| matched.index));
        family.sample(&[("peer", member.name.as_str())], lag);
    }
}

fn log(text: &mut Text, replica: &Replica) {
    replica.log().metrics(|log| {
        text.histogram(
            "coffeed_log_sync_duration_seconds",
            "How long the disk took to sync the log (fdatasync).",
            &log.syncs.read(),
        );
        text.histogram(
            "coffeed_log_batch_changes",
            "Changes of the log that were written at once.",
            &log.batch_changes.read(),
        );
        text.histogram(
            "coffeed_log_batch_bytes",
            "Bytes of entries that were written at once.",
            &log.batch_bytes.read(),
        );
    });
}

fn request_memory(text: &mut Text, replica: &Replica) {
    let memory = replica.state().request_memory();
    text.gauge(
        "coffeed_request_memory_entries",
        "Applied requests that are remembered, so that a retry is not applied again.",
        memory.entries.get(),
    );
    text.gauge("coffeed_request_memory_bytes", "What finding these takes in memory.", memory.bytes.get());
}

fn disk(text: &mut Text, space: Space) {
    text.gauge("coffeed_disk_free_bytes", "Room that the node may still take on its disk.", space.free_bytes);
    text.gauge("coffeed_disk_size_bytes", "The size of the file system of the data.", space.total_bytes);
    let mut family =
        text.family("coffeed_storage_file_bytes", Kind::Gauge, "How large the node's files are.");
    for (file, bytes) in [("log", space.log_bytes), ("state", space.state_bytes)] {
        if let Some(bytes) = bytes {
            family.sample(&[("file", file)], bytes);
        }
    }
}

fn requests(text: &mut Text, requests: &RequestMetrics) {
    let mut family = text.family(
        "coffeed_requests_total",
        Kind::Counter,
        "Requests that were answered, by what was asked and how it ended.",
    );
    for verb in RequestKind::ALL {
        for outcome in RequestOutcome::ALL {
            let labels = [("verb", verb.name()), ("outcome", outcome.name())];
            family.sample(&labels, requests.count(*verb, outcome));
        }
    }
    let help = "From a request's arrival to its answer; for verbs that were asked since the start.";
    let mut family = text.family("coffeed_request_duration_seconds", Kind::Histogram, help);
    for verb in RequestKind::ALL {
        let reading = requests.durations(*verb).read();
        if reading.count > 0 {
            family.histogram(&[("verb", verb.name())], &reading);
        }
    }
    text.gauge("coffeed_requests_in_flight", "Requests that are not answered yet.", requests.in_flight.get());
    text.gauge(
        "coffeed_request_write_bytes_in_flight",
        "Bytes of keys and values in writes that are not answered yet.",
        requests.write_bytes_in_flight.get(),
    );
    text.counter(
        "coffeed_requests_turned_away_total",
        "Requests that were not looked at: the connection had too many, or the node stops.",
        requests.rejected_unread.get(),
    );
}
