//! Decides which events a change of leadership is.
//!
//! Pure: it sees a node's state at one moment after another, and remembers what it has reported.
//! Guards that each change is reported once, with a reason that this node knows, and that a leader
//! that is on record but was never heard is not reported as followed.

use std::time::Duration;

use coffee_common::id::{NodeId, NodeName};
use openraft::ServerState;
use tokio::time::Instant;

use super::event::LeadershipEvent;
use crate::metrics::{ElectionReason, LossReason};

/// No leader was heard for long after this many leases, and at least this time.
const LEASES_UNTIL_SILENT: u32 = 4;
const SILENT_MIN: Duration = Duration::from_secs(1);

/// A node's leadership at one moment.
#[derive(Debug, Clone)]
pub(super) struct LeadershipLook {
    pub(super) at: Instant,
    pub(super) state: ServerState,
    pub(super) term: u64,
    /// The leader on record, this node included.
    pub(super) leader: Option<(NodeId, NodeName)>,
    /// The time since the last contact with the last two leaders, the latest first.
    pub(super) silences: [Option<(NodeId, Duration)>; 2],
    /// Whether this node leads other voters.
    pub(super) leads_others: bool,
    /// On a leader, the time since a quorum answered; `None` if it never did.
    pub(super) quorum_heard: Option<Duration>,
    /// The term in which this node, as the leader, last began to hand over; 0 for none.
    pub(super) transfer_term: u64,
}

/// The changes reported so far.
#[derive(Debug)]
pub(super) struct LeadershipObserver {
    own: NodeId,
    lease: Duration,
    /// The last election in which this node stood, by its term.
    stood_in: u64,
    /// The term that this node leads.
    leads: Option<u64>,
    /// When this node last led.
    led_at: Option<Instant>,
    /// The last leader other than this node, and its term.
    followed: Option<(u64, NodeId, NodeName)>,
    /// When a leader was last known to be there: heard, or this node itself.
    leader_at: Instant,
    /// Whether the silence was above the limit at the last look. A node that did not run for a
    /// while has yet to read the messages that wait for it, so the second look counts.
    was_silent: bool,
    /// Whether the absence of a leader was reported.
    no_leader: bool,
    /// The term in which this node leads other voters, and since when.
    leads_others: Option<(u64, Instant)>,
    /// The time without a quorum, at the last look: since one was heard, or since this node leads.
    quorum_silence: Option<Duration>,
    /// When a quorum was last heard by this leader.
    quorum_at: Option<Instant>,
    /// Whether the silence of the quorum was reported.
    quorum_silent: bool,
}

impl LeadershipObserver {
    pub(super) fn new(own: NodeId, lease: Duration, now: Instant) -> Self {
        Self {
            own,
            lease,
            stood_in: 0,
            leads: None,
            led_at: None,
            followed: None,
            leader_at: now,
            was_silent: false,
            no_leader: false,
            leads_others: None,
            quorum_silence: None,
            quorum_at: None,
            quorum_silent: false,
        }
    }

    /// Whether this node leads and has heard no quorum for longer than the lease.
    pub(super) fn is_quorum_lost(&self) -> bool {
        self.quorum_silence.is_some_and(|silence| silence > self.lease)
    }

    /// The time without a quorum, on a leader of other voters.
    pub(super) fn quorum_silence(&self) -> Option<Duration> {
        self.quorum_silence
    }

    /// When this node began to lead other voters, if it does.
    pub(super) fn leads_others_since(&self) -> Option<Instant> {
        self.leads_others.map(|(_, since)| since)
    }

    /// Returns the events since the last look.
    pub(super) fn note(&mut self, look: LeadershipLook) -> Vec<LeadershipEvent> {
        let mut events = Vec::new();
        let leads = look.state.is_leader();
        if let Some(term) = self.leads.filter(|term| !leads || look.term != *term) {
            events.push(self.leads_no_longer(term, &look));
        }
        self.note_quorum(&look);
        let stands = look.state == ServerState::Candidate || (leads && self.leads.is_none());
        if stands && look.term != self.stood_in {
            self.stood_in = look.term;
            events.push(self.stands(&look));
        }
        if leads {
            self.note_leading(&look, &mut events);
        } else {
            self.note_following(&look, &mut events);
        }
        events
    }

    /// The time since this node heard a leader other than `except`, or led itself.
    fn leaderless(&self, look: &LeadershipLook, except: NodeId) -> Option<Duration> {
        let heard = look.silences.iter().flatten().filter(|(leader, _)| *leader != except);
        let led = self.led_at.map(|at| look.at.saturating_duration_since(at));
        heard.map(|(_, silence)| *silence).chain(led).min()
    }

    fn stands(&self, look: &LeadershipLook) -> LeadershipEvent {
        let last = self.followed.as_ref().and_then(|(_, id, name)| {
            let silence = look.silences.iter().flatten().find(|(leader, _)| leader == id)?.1;
            Some((name.clone(), silence))
        });
        // It led after that leader.
        let last = last.filter(|(_, silence)| {
            self.led_at.is_none_or(|led_at| look.at.saturating_duration_since(led_at) > *silence)
        });
        let reason = match &last {
            None => ElectionReason::NoLeader,
            // openraft starts no election within the lease, except on request of the leader.
            Some((_, silence)) if *silence <= self.lease => ElectionReason::Transfer,
            Some(_) => ElectionReason::LeaderSilent,
        };
        LeadershipEvent::Stands { term: look.term, reason, last }
    }

    fn leads_no_longer(&mut self, term: u64, look: &LeadershipLook) -> LeadershipEvent {
        let since = |at: Instant| look.at.saturating_duration_since(at);
        let quorum_silence = self.quorum_at.take().map(since);
        let reason = match quorum_silence.or(self.leads_others_since().map(since)) {
            _ if look.transfer_term == term => LossReason::Transfer,
            // The last look may be a lease old.
            Some(silence) if silence > self.lease * 5 / 4 => LossReason::QuorumSilent,
            _ => LossReason::HigherTerm,
        };
        (self.leads, self.quorum_silent) = (None, false);
        LeadershipEvent::LeadsNoLonger { term, reason, quorum_silence }
    }

    /// A leader that was never acknowledged counts from when it began to lead: if it is cut off right
    /// after its election, it must not count as one that hears its quorum.
    fn note_quorum(&mut self, look: &LeadershipLook) {
        let before = self.leads_others.filter(|(term, _)| *term == look.term);
        self.leads_others = look.leads_others.then(|| before.unwrap_or((look.term, look.at)));
        let leading = self.leads_others_since().map(|since| look.at.saturating_duration_since(since));
        self.quorum_silence = leading.map(|leading| look.quorum_heard.unwrap_or(leading));
    }

    fn note_leading(&mut self, look: &LeadershipLook, events: &mut Vec<LeadershipEvent>) {
        if self.leads.is_none() {
            let after = self.leaderless(look, self.own);
            events.push(LeadershipEvent::Leads { term: look.term, after });
            self.leads = Some(look.term);
        }
        self.led_at = Some(look.at);
        self.leader_there(look.at);
        let Some(silence) = self.quorum_silence else { return };
        match (self.quorum_silent, silence > self.lease) {
            (false, true) => events.push(LeadershipEvent::QuorumSilent { silence }),
            (true, false) => {
                let after = self.quorum_at.map_or(silence, |at| look.at.saturating_duration_since(at));
                events.push(LeadershipEvent::QuorumBack { after });
            }
            _ => {}
        }
        self.quorum_silent = silence > self.lease;
        self.quorum_at = look.quorum_heard.and_then(|heard| look.at.checked_sub(heard));
    }

    fn note_following(&mut self, look: &LeadershipLook, events: &mut Vec<LeadershipEvent>) {
        let leader = look.leader.as_ref().filter(|(id, _)| *id != self.own);
        let heard = leader.and_then(|(id, name)| {
            let found = look.silences.iter().flatten().find(|(leader, _)| leader == id)?;
            Some((*id, name, found.1))
        });
        let limit = SILENT_MIN.max(LEASES_UNTIL_SILENT * self.lease);
        if let Some((id, name, silence)) = heard.filter(|(_, _, silence)| *silence <= limit) {
            let known = self.followed.as_ref().map(|(term, id, _)| (*term, *id));
            if known != Some((look.term, id)) {
                let after = self.leaderless(look, id);
                events.push(LeadershipEvent::Follows { term: look.term, leader: name.clone(), after });
                self.followed = Some((look.term, id, name.clone()));
            } else if self.no_leader {
                let after = look.at.saturating_duration_since(self.leader_at);
                events.push(LeadershipEvent::LeaderBack { leader: name.clone(), after });
            }
            self.leader_there(look.at.checked_sub(silence).unwrap_or(look.at));
            return;
        }
        let silence = look.at.saturating_duration_since(self.leader_at);
        let is_silent = silence > limit;
        if is_silent && self.was_silent && !self.no_leader {
            self.no_leader = true;
            let last = self.followed.as_ref().map(|(_, _, name)| name.clone());
            events.push(LeadershipEvent::NoLeader { last, silence });
        }
        self.was_silent = is_silent;
    }

    fn leader_there(&mut self, at: Instant) {
        (self.leader_at, self.no_leader, self.was_silent) = (at, false, false);
    }
}
