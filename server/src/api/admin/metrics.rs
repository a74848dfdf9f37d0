//! The metrics of a node: names, help and sources.
//!
//! Names follow Prometheus' conventions: the prefix `coffeed_`, then the subject; base units
//! (seconds, bytes) last; `_total` at the end of counters. A metric without a value is left out,
//! such as those of consensus on a node outside a cluster.

mod quic;

use coffee_common::protocol::ElectionTimers;

use super::exposition::{MetricKind, Text};
use crate::{
    metrics::{
        ClientLimit, ClientLimitMetrics, ElectionReason, HttpMetrics, HttpRejection, LeadershipMetrics,
        LossReason, NodeMetrics, PERCENTILE_SECONDS, RECENT_SECONDS, RequestKind, RequestMetrics,
        RequestOutcome, TransactionMetrics, TransactionResult, WatchMetrics,
    },
    node::{
        Node, VERSION,
        replica::{Metrics, Replica},
    },
    ops::{room, status::ready::ReadinessResult},
    storage::disk::Space,
};

pub(super) fn write(text: &mut Text, node: &Node, findings: &[ReadinessResult], space: Option<Space>) {
    identity(text, node);
    let mut family = text.family("coffeed_ready", MetricKind::Gauge, "Whether a check of /readyz passes.");
    for ReadinessResult { check, ok, .. } in findings {
        family.sample(&[("check", check.name())], *ok);
    }
    text.counter(
        "coffeed_raft_leader_changes_seen_total",
        "Leader changes that this node has observed. A term has at most one leader.",
        leader_changes(node),
    );
    leadership(text, &node.metrics().leadership);
    if let Some(replica) = node.replica() {
        raft(text, &replica);
        log(text, &replica);
        request_memory(text, &replica);
        state(text, &replica);
    }
    text.histogram(
        "coffeed_raft_commit_duration_seconds",
        "Duration from the proposal of a client's write until it is applied, on the leader.",
        &node.metrics().commits.read(),
    );
    if let Some(p99) = node.metrics().commits.recent().quantile(0.99, PERCENTILE_SECONDS) {
        let help = "The 99th percentile of the commits of the last 10 s; absent if there were none.";
        text.gauge("coffeed_raft_commit_p99_seconds", help, p99.as_secs_f64());
    }
    text.gauge(
        "coffeed_raft_round_trip_max_seconds",
        "The longest round trip that the election timers bear.",
        ElectionTimers::from(node.timers()).round_trip_max_us() as f64 / 1e6,
    );
    stalls(text, node.metrics());
    room(text, node);
    if let Some(space) = space {
        disk(text, space);
    }
    requests(text, &node.metrics().requests);
    client_limits(text, &node.metrics().client_limits);
    transactions(text, &node.metrics().transactions);
    watches(text, &node.metrics().watches);
    quic::write(text, node);
    http(text, &node.metrics().http);
}

fn identity(text: &mut Text, node: &Node) {
    text.family("coffeed_build_info", MetricKind::Gauge, "The version of coffeed; always 1.")
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
    text.family("coffeed_node_info", MetricKind::Gauge, "Identity of the node; always 1.")
        .sample(&labels, true);
    text.gauge("coffeed_uptime_seconds", "Time since the node started.", node.uptime().as_secs_f64());
    text.gauge(
        "coffeed_certificate_expiry_timestamp_seconds",
        "Expiry of the node's certificate, in seconds since 1970.",
        node.certificate().valid_until_s,
    );
    let phases = [
        ("opening", coffee_common::protocol::LifecyclePhase::Opening),
        ("waiting", coffee_common::protocol::LifecyclePhase::Waiting),
        ("joining", coffee_common::protocol::LifecyclePhase::Joining),
        ("running", coffee_common::protocol::LifecyclePhase::Running),
        ("stopping", coffee_common::protocol::LifecyclePhase::Stopping),
    ];
    let mut family =
        text.family("coffeed_phase", MetricKind::Gauge, "1 for the current lifecycle phase of the node.");
    for (name, phase) in phases {
        family.sample(&[("phase", name)], node.phase() == phase);
    }
}

/// Also records the current leader, which may not have been counted yet.
fn leader_changes(node: &Node) -> u64 {
    let leaders = &node.metrics().leaders;
    if let Some(lead) = node.replica().and_then(|replica| replica.leader()) {
        leaders.note(lead.term, Some(lead.id));
    }
    leaders.get()
}

fn stalls(text: &mut Text, metrics: &NodeMetrics) {
    let help = "Times that the process was not scheduled for 100 ms or longer, or all its threads were busy.";
    text.counter("coffeed_scheduling_stalls_total", help, metrics.stalls.get());
    if let Some(longest) = metrics.delays.quantile(1.0, RECENT_SECONDS) {
        let help = "The longest time in the last minute that the process was not scheduled.";
        text.gauge("coffeed_scheduling_stall_max_seconds", help, longest.as_secs_f64());
    }
}

fn leadership(text: &mut Text, metrics: &LeadershipMetrics) {
    let help = "Elections in which this node stood, by reason.";
    let mut family = text.family("coffeed_raft_elections_started_total", MetricKind::Counter, help);
    for reason in ElectionReason::ALL {
        family.sample(&[("reason", reason.name())], metrics.elections(reason).get());
    }
    let help = "Leaderships that this node lost, by reason.";
    let mut family = text.family("coffeed_raft_leaderships_lost_total", MetricKind::Counter, help);
    for reason in LossReason::ALL {
        family.sample(&[("reason", reason.name())], metrics.losses(reason).get());
    }
}

fn raft(text: &mut Text, replica: &Replica) {
    let metrics = replica.metrics();
    text.gauge("coffeed_raft_term", "Current term.", metrics.current_term);
    let role = crate::ops::status::role(&metrics);
    let mut family =
        text.family("coffeed_raft_role", MetricKind::Gauge, "1 for the current Raft role of the node.");
    for (name, this) in crate::ops::status::ROLES {
        family.sample(&[("role", name)], role == this);
    }
    text.gauge("coffeed_raft_is_leader", "Whether the node is the leader.", metrics.state.is_leader());
    text.gauge(
        "coffeed_raft_has_leader",
        "Whether the node knows the leader.",
        metrics.current_leader.is_some(),
    );
    indexes(text, replica, &metrics);
    let membership = metrics.membership_config.membership();
    text.gauge("coffeed_raft_voters", "Number of voters.", membership.voter_ids().count() as u64);
    text.gauge("coffeed_raft_learners", "Number of learners.", membership.learner_ids().count() as u64);
    text.gauge(
        "coffeed_raft_joint",
        "Whether a membership change is in progress (joint consensus).",
        membership.get_joint_config().len() > 1,
    );
    if let Some(silence) = replica.quorum_silence(&metrics) {
        let help = "Time since the leader last heard from a quorum, on the leader.";
        text.gauge("coffeed_raft_quorum_silence_seconds", help, silence.as_secs_f64());
    }
    lags(text, replica, &metrics);
}

fn indexes(text: &mut Text, replica: &Replica, metrics: &Metrics) {
    let index = |id: Option<crate::raft_types::LogId>| id.map_or(0, |id| id.index);
    for (name, help, value) in [
        ("coffeed_raft_last_log_index", "Index of the last log entry.", metrics.last_log_index.unwrap_or(0)),
        (
            "coffeed_raft_committed_index",
            "Index of the last entry that the node knows to be committed.",
            index(metrics.local_committed),
        ),
        ("coffeed_raft_applied_index", "Index of the last applied entry.", replica.state().applied().0),
        (
            "coffeed_raft_snapshot_index",
            "Index of the last entry in the latest snapshot.",
            index(metrics.snapshot),
        ),
        ("coffeed_raft_purged_index", "Index of the last entry purged from the log.", index(metrics.purged)),
    ] {
        text.gauge(name, help, value);
    }
}

fn lags(text: &mut Text, replica: &Replica, metrics: &Metrics) {
    let Some(replication) = &metrics.replication else { return };
    let help = "Log entries that a peer does not have yet, on the leader.";
    let mut family = text.family("coffeed_raft_peer_lag_entries", MetricKind::Gauge, help);
    let last = metrics.last_log_index.unwrap_or(0);
    let others = replication.iter().filter(|(id, _)| **id != replica.id());
    for (id, matched) in others {
        let Some(member) = metrics.membership_config.get_node(id) else { continue };
        let lag = last.saturating_sub(matched.map_or(0, |matched| matched.index));
        family.sample(&[("peer", member.name.as_str())], lag);
    }
}

fn log(text: &mut Text, replica: &Replica) {
    let help = "Bytes of log entries that are not purged; storage.log_keep_bytes bounds them.";
    text.gauge("coffeed_log_entry_bytes", help, replica.log().entry_bytes());
    replica.log().metrics(|log| {
        text.histogram(
            "coffeed_log_sync_duration_seconds",
            "Duration of a sync of the log (fdatasync).",
            &log.syncs.read(),
        );
        let help = "Syncs of the log that took 100 ms or longer.";
        text.counter("coffeed_log_slow_syncs_total", help, log.slow_syncs.get());
        if let Some(p99) = log.syncs.recent().quantile(0.99, PERCENTILE_SECONDS) {
            let help = "The 99th percentile of the syncs of the last 10 s; absent if there were none.";
            text.gauge("coffeed_log_sync_p99_seconds", help, p99.as_secs_f64());
        }
        text.histogram("coffeed_log_batch_changes", "Log changes per write.", &log.batch_changes.read());
        text.histogram("coffeed_log_batch_bytes", "Bytes of log entries per write.", &log.batch_bytes.read());
    });
}

fn request_memory(text: &mut Text, replica: &Replica) {
    let memory = replica.state().request_memory();
    text.gauge(
        "coffeed_request_memory_entries",
        "Applied requests remembered so that a retry is not applied again.",
        memory.entries.get(),
    );
    text.gauge(
        "coffeed_request_memory_bytes",
        "Memory of the index of remembered requests.",
        memory.bytes.get(),
    );
}

fn state(text: &mut Text, replica: &Replica) {
    let metrics = replica.state().metrics();
    text.gauge(
        "coffeed_data_bytes",
        "Keys and values with some 20 bytes per key; the setting data_bytes_max bounds it.",
        metrics.data_bytes.get(),
    );
    text.gauge(
        "coffeed_history_bytes",
        "Bytes of the history: changes and earlier values.",
        metrics.history_bytes.get(),
    );
    text.gauge("coffeed_history_changes", "Changes in the history.", metrics.history_changes.get());
    text.gauge(
        "coffeed_history_floor",
        "Revision up to which there is no history.",
        metrics.history_floor.get(),
    );
    text.gauge(
        "coffeed_memtable_bytes",
        "Memory of the changes that are not flushed yet.",
        metrics.memtable_bytes.get(),
    );
    text.counter("coffeed_flushes_total", "Flushes of a memtable to the database.", metrics.flushes.get());
}

fn room(text: &mut Text, node: &Node) {
    let settings = node.settings();
    text.gauge(
        "coffeed_data_max_bytes",
        "Quota of keys and values (the setting data_bytes_max); 0 for none.",
        settings.data_bytes_max,
    );
    text.gauge(
        "coffeed_disk_free_min_bytes",
        "Free space below which the node has no room for more data (the setting disk_free_bytes_min).",
        settings.disk_free_bytes_min,
    );
    text.gauge(
        "coffeed_writes_rejected_for_space",
        "Whether the leader rejects writes that add data.",
        node.replica().is_some_and(|replica| room::shortage(node, &replica).is_some()),
    );
}

fn disk(text: &mut Text, space: Space) {
    text.gauge("coffeed_disk_free_bytes", "Free space on the node's disk.", space.free_bytes);
    text.gauge(
        "coffeed_disk_size_bytes",
        "Size of the file system of the data directory.",
        space.total_bytes,
    );
    let mut family =
        text.family("coffeed_storage_file_bytes", MetricKind::Gauge, "Size of the node's files.");
    for (file, bytes) in [("log", space.log_bytes), ("state", space.state_bytes)] {
        if let Some(bytes) = bytes {
            family.sample(&[("file", file)], bytes);
        }
    }
}

fn client_limits(text: &mut Text, limits: &ClientLimitMetrics) {
    let help = "Requests, responses and connections given up since a client met a limit of its own.";
    let mut family = text.family("coffeed_client_limits_met_total", MetricKind::Counter, help);
    for limit in ClientLimit::ALL {
        family.sample(&[("limit", limit.name())], limits.of(limit).get());
    }
}

fn transactions(text: &mut Text, transactions: &TransactionMetrics) {
    let help = "Transactions that were applied while this node led, by the branch that was taken; a failed one \
                changed nothing.";
    let mut family = text.family("coffeed_transactions_total", MetricKind::Counter, help);
    for result in TransactionResult::ALL {
        family.sample(&[("result", result.name())], transactions.of(result).get());
    }
}

fn watches(text: &mut Text, watches: &WatchMetrics) {
    text.gauge("coffeed_watches", "Watches that wait for a change at this node.", watches.open.get());
    text.counter(
        "coffeed_watch_events_total",
        "Changes of keys that watches were told.",
        watches.events.get(),
    );
    let help = "Times that watches were told that there was no change.";
    text.counter("coffeed_watch_beats_total", help, watches.beats.get());
    let help = "Pages of the history that were read for watches that lag.";
    text.counter("coffeed_watch_catch_ups_total", help, watches.catch_ups.get());
}

fn http(text: &mut Text, http: &HttpMetrics) {
    text.gauge("coffeed_http_connections", "Open connections over HTTP.", http.connections.get());
    let help = "Connections over HTTP that were rejected, by reason.";
    let mut family = text.family("coffeed_http_connections_rejected_total", MetricKind::Counter, help);
    for reason in HttpRejection::ALL {
        family.sample(&[("reason", reason.name())], http.rejections(reason).get());
    }
}

fn requests(text: &mut Text, requests: &RequestMetrics) {
    let mut family =
        text.family("coffeed_requests_total", MetricKind::Counter, "Answered requests, by kind and outcome.");
    for verb in RequestKind::ALL {
        for outcome in RequestOutcome::ALL {
            let labels = [("verb", verb.name()), ("outcome", outcome.name())];
            family.sample(&labels, requests.count(*verb, outcome));
        }
    }
    let help = "Duration from a request's arrival until its response, for kinds received since the start.";
    let mut family = text.family("coffeed_request_duration_seconds", MetricKind::Histogram, help);
    for verb in RequestKind::ALL {
        let reading = requests.durations(*verb).read();
        if reading.count > 0 {
            family.histogram(&[("verb", verb.name())], &reading);
        }
    }
    text.gauge("coffeed_requests_in_flight", "Requests not answered yet.", requests.in_flight.get());
    text.gauge(
        "coffeed_request_write_bytes_in_flight",
        "Bytes of keys and values in writes not answered yet.",
        requests.write_bytes_in_flight.get(),
    );
    text.counter(
        "coffeed_requests_turned_away_total",
        "Requests rejected unread: too many in flight on the connection, or the node is stopping.",
        requests.rejected_unread.get(),
    );
}
