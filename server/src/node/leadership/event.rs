//! The events of leadership, and their log lines.

use std::time::Duration;

use coffee_common::{id::NodeName, protocol::NodeEventKind};

use crate::{
    metrics::{ElectionReason, LossReason, if_any},
    node::event_log::EventLog,
};

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
        let sentence = self.sentence();
        match self {
            Self::Stands { term, reason: ElectionReason::LeaderSilent, .. } => {
                tracing::warn!(term, suppressed, "{sentence}");
            }
            Self::Stands { term, .. } | Self::LeadsNoLonger { term, reason: LossReason::Transfer, .. } => {
                tracing::info!(term, suppressed, "{sentence}");
            }
            Self::LeadsNoLonger { term, .. } => tracing::warn!(term, suppressed, "{sentence}"),
            Self::Leads { term, after } | Self::Follows { term, after, .. } => {
                tracing::info!(term, after_ms = after.map(millis), suppressed, "{sentence}");
            }
            Self::NoLeader { last, .. } => {
                let last = last.as_ref().map(tracing::field::display);
                tracing::warn!(
                    last,
                    suppressed,
                    "{sentence}; hint: `coffeectl list` shows which voters are in reach"
                );
            }
            Self::LeaderBack { after, .. } | Self::QuorumBack { after } => {
                tracing::info!(after_ms = millis(*after), suppressed, "{sentence}");
            }
            Self::QuorumSilent { .. } => tracing::warn!(
                suppressed,
                "{sentence}; hint: `coffeectl list` shows which voters are in reach"
            ),
        }
    }

    /// Adds it to the events of this node.
    pub(super) fn record(&self, events: &EventLog) {
        let (kind, subject, term, after) = match self {
            Self::Stands { term, .. } => (NodeEventKind::Election, None, Some(*term), None),
            Self::Leads { term, after } => (NodeEventKind::Leads, None, Some(*term), *after),
            Self::LeadsNoLonger { term, .. } => (NodeEventKind::LeadsNoLonger, None, Some(*term), None),
            Self::Follows { term, leader, after } => {
                (NodeEventKind::Follows, Some(leader), Some(*term), *after)
            }
            Self::NoLeader { last, .. } => (NodeEventKind::NoLeader, last.as_ref(), None, None),
            Self::LeaderBack { leader, after } => {
                (NodeEventKind::LeaderBack, Some(leader), None, Some(*after))
            }
            Self::QuorumSilent { .. } => (NodeEventKind::QuorumLost, None, None, None),
            Self::QuorumBack { after } => (NodeEventKind::QuorumBack, None, None, Some(*after)),
        };
        let sentence = self.sentence();
        let text = match after.map(millis) {
            Some(after_ms) => format!("{sentence}, after {after_ms} ms"),
            None => sentence,
        };
        let subject = subject.map_or("", NodeName::as_str);
        match term {
            Some(term) => events.record_in_term(kind, subject, term, text),
            None => events.record(kind, subject, text),
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Stands { reason, last, .. } => match (reason, last) {
                (ElectionReason::LeaderSilent, Some((leader, silence))) => {
                    format!("stands for election: {leader} was not heard for {} ms", millis(*silence))
                }
                (ElectionReason::Transfer, Some((leader, _))) => {
                    format!("stands for election: {leader} hands over")
                }
                _ => "stands for election: it knows no leader".to_owned(),
            },
            Self::Leads { .. } => "leads now".to_owned(),
            Self::LeadsNoLonger { reason, quorum_silence, .. } => {
                let heard = quorum_silence.map_or("no quorum was ever heard".to_owned(), |ago| {
                    format!("a quorum was last heard {} ms ago", millis(ago))
                });
                match reason {
                    LossReason::Transfer => "leads no longer: it handed over".to_owned(),
                    LossReason::QuorumSilent => format!("leads no longer: {heard}"),
                    LossReason::HigherTerm => {
                        format!("leads no longer: another node stood for election, although {heard}")
                    }
                }
            }
            Self::Follows { leader, .. } => format!("follows {leader}"),
            Self::NoLeader { silence, .. } => format!("no leader was heard for {} ms", millis(*silence)),
            Self::LeaderBack { leader, .. } => format!("{leader} is heard again"),
            Self::QuorumSilent { silence } => format!(
                "this leader heard no quorum for {} ms, so it serves no reads and writes",
                millis(*silence)
            ),
            Self::QuorumBack { .. } => "this leader hears a quorum again".to_owned(),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
