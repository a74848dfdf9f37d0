//! The events of leadership, and their log lines.

use std::time::Duration;

use coffee_common::id::NodeName;

use crate::metrics::{ElectionReason, LossReason, if_any};

/// An event that an operator can act on, or wants to find afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeadershipEvent {
    /// This node stands for election.
    Stands {
        term: u64,
        reason: ElectionReason,
        /// The last leader other than this node, and how long ago it was heard.
        last: Option<(NodeName, Duration)>,
    },
    /// This node leads.
    Leads {
        term: u64,
        /// The time since the contact with the leader before, or since this node led.
        after: Option<Duration>,
    },
    /// This node leads no longer.
    LeadsNoLonger {
        term: u64,
        reason: LossReason,
        /// The time since the last contact with a quorum; `None` if there was none.
        quorum_silence: Option<Duration>,
    },
    /// This node has heard a new leader, or the same one in a new term.
    Follows {
        term: u64,
        leader: NodeName,
        /// The time between the contacts with the two leaders; `None` if there was no other.
        after: Option<Duration>,
    },
    /// No leader was heard for long.
    NoLeader { last: Option<NodeName>, silence: Duration },
    /// The leader is heard again, in the same term.
    LeaderBack { leader: NodeName, after: Duration },
    /// This leader has heard no quorum for longer than the lease.
    QuorumSilent { silence: Duration },
    /// This leader hears a quorum again.
    QuorumBack { after: Duration },
}

impl LeadershipEvent {
    /// Logs the event. `suppressed` lines were left out before it.
    pub(super) fn log(&self, suppressed: u64) {
        let suppressed = if_any(suppressed);
        match self {
            Self::Stands { term, reason, last } => match (reason, last) {
                (ElectionReason::LeaderSilent, Some((leader, silence))) => tracing::warn!(
                    term,
                    suppressed,
                    "stands for election: {leader} was not heard for {} ms",
                    silence.as_millis()
                ),
                (ElectionReason::Transfer, Some((leader, _))) => {
                    tracing::info!(term, suppressed, "stands for election: {leader} hands over");
                }
                _ => tracing::info!(term, suppressed, "stands for election: it knows no leader"),
            },
            Self::Leads { term, after } => {
                tracing::info!(term, after_ms = after.map(millis), suppressed, "leads now");
            }
            Self::LeadsNoLonger { term, reason, quorum_silence } => {
                let heard = quorum_silence.map_or("no quorum was ever heard".to_owned(), |ago| {
                    format!("a quorum was last heard {} ms ago", millis(ago))
                });
                match reason {
                    LossReason::Transfer => {
                        tracing::info!(term, suppressed, "leads no longer: it handed over")
                    }
                    LossReason::QuorumSilent => {
                        tracing::warn!(term, suppressed, "leads no longer: {heard}");
                    }
                    LossReason::HigherTerm => tracing::warn!(
                        term,
                        suppressed,
                        "leads no longer: another node stood for election, although {heard}"
                    ),
                }
            }
            Self::Follows { term, leader, after } => {
                tracing::info!(term, after_ms = after.map(millis), suppressed, "follows {leader}");
            }
            Self::NoLeader { last, silence } => {
                let last = last.as_ref().map(tracing::field::display);
                tracing::warn!(
                    last,
                    suppressed,
                    "no leader was heard for {} ms; hint: `coffeectl list` shows which voters are in reach",
                    silence.as_millis()
                );
            }
            Self::LeaderBack { leader, after } => {
                tracing::info!(after_ms = millis(*after), suppressed, "{leader} is heard again");
            }
            Self::QuorumSilent { silence } => tracing::warn!(
                suppressed,
                "this leader heard no quorum for {} ms, so it serves no reads and writes; hint: `coffeectl list` \
                 shows which voters are in reach",
                silence.as_millis()
            ),
            Self::QuorumBack { after } => {
                tracing::info!(after_ms = millis(*after), suppressed, "this leader hears a quorum again");
            }
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
