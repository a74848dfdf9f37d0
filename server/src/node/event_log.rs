//! The events of this node since it started, in memory: leaders, members, reloads, a slow disk.
//!
//! Recorded where the log lines for the same things are written. Guards that a flood of one kind,
//! which a hostile peer may cause, leaves the other kinds their share: a repeated event is counted,
//! and the kind with the most events makes room for a new one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use coffee_common::{
    clock,
    limits::{EVENT_TEXT_BYTES_MAX, EVENTS_MAX},
    protocol::{NodeEvent, NodeEventKind},
    text::{WORD_BYTES_MAX, harmless},
};

/// An event that happens again within this time, in milliseconds, is counted instead of added.
const REPEATED_WITHIN_MS: u64 = 60_000;

/// The events of a node. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct EventLog(Arc<Mutex<EventRing>>);

impl EventLog {
    /// Records an event about `subject`: a node, or a setting; empty for this node itself.
    pub fn record(&self, kind: NodeEventKind, subject: impl AsRef<str>, text: impl AsRef<str>) {
        self.note(kind, subject.as_ref(), None, text.as_ref());
    }

    /// Records an event of a term. One of another term is another event.
    pub fn record_in_term(
        &self,
        kind: NodeEventKind,
        subject: impl AsRef<str>,
        term: u64,
        text: impl AsRef<str>,
    ) {
        self.note(kind, subject.as_ref(), Some(term), text.as_ref());
    }

    /// Returns the latest events with a number above `after`, at most `limit`, in the order of their
    /// numbers; 0 for all. Some kinds are for admins alone.
    pub fn read(&self, after: u64, limit: usize, for_admin: bool) -> Vec<NodeEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(after, limit, for_admin)
    }

    fn note(&self, kind: NodeEventKind, subject: &str, term: Option<u64>, text: &str) {
        let subject = harmless(subject, WORD_BYTES_MAX);
        let text = harmless(text, EVENT_TEXT_BYTES_MAX);
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.note(clock::now_ms(), kind, &subject, term, &text);
    }
}

/// The events in the order of their numbers.
#[derive(Debug, Default)]
struct EventRing {
    events: VecDeque<(NodeEventKind, NodeEvent)>,
    /// The number of the last event.
    last: u64,
}

impl EventRing {
    fn note(&mut self, at_ms: u64, kind: NodeEventKind, subject: &str, term: Option<u64>, text: &str) {
        self.last += 1;
        let repeats = |(known, event): &(NodeEventKind, NodeEvent)| {
            let is_same_text = event.text == text;
            *known == kind
                && (is_same_text || !kind.differs_by_text())
                && event.subject == subject
                && event.term == term
                && at_ms.saturating_sub(event.at_ms) < REPEATED_WITHIN_MS
        };
        let repeated = self.events.iter().rposition(repeats).and_then(|place| self.events.remove(place));
        let (count, first_ms) = match repeated {
            Some((_, before)) => (before.count.saturating_add(1), before.first_ms.min(at_ms)),
            None => (1, at_ms),
        };
        self.make_room();
        let event = NodeEvent {
            number: self.last,
            at_ms,
            kind: kind.as_str().to_owned(),
            subject: subject.to_owned(),
            term,
            text: text.to_owned(),
            count,
            first_ms,
        };
        self.events.push_back((kind, event));
    }

    /// Forgets the oldest event of the kind with the most events, if there is no room for another one.
    fn make_room(&mut self) {
        if self.events.len() < EVENTS_MAX {
            return;
        }
        let count = |kind: NodeEventKind| self.events.iter().filter(|(other, _)| *other == kind).count();
        let most = NodeEventKind::ALL.iter().copied().max_by_key(|kind| count(*kind));
        let oldest = self.events.iter().position(|(kind, _)| Some(*kind) == most);
        oldest.and_then(|place| self.events.remove(place));
    }

    fn read(&self, after: u64, limit: usize, for_admin: bool) -> Vec<NodeEvent> {
        let new = self.events.partition_point(|(_, event)| event.number <= after);
        let wanted = self.events.range(new..).filter(|(kind, _)| for_admin || !kind.is_for_admins());
        let most = if limit == 0 { usize::MAX } else { limit };
        let mut latest: Vec<_> = wanted.rev().take(most).map(|(_, event)| event.clone()).collect();
        latest.reverse();
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn counts(ring: &EventRing) -> Vec<(String, String, u64, u64)> {
        let shown = |event: &NodeEvent| {
            (event.kind.clone(), event.subject.clone(), event.count, event.at_ms - event.first_ms)
        };
        ring.read(0, 0, true).iter().map(shown).collect()
    }

    #[test]
    fn numbers_go_on_and_a_reader_continues_after_the_last() {
        let mut ring = EventRing::default();
        for n in 1..=5 {
            ring.note(n, NodeEventKind::Follows, "ming", Some(n), "follows ming");
        }
        let numbers =
            |after, limit| ring.read(after, limit, true).iter().map(|event| event.number).collect::<Vec<_>>();
        assert_eq!(numbers(0, 0), [1, 2, 3, 4, 5]);
        assert_eq!(numbers(3, 0), [4, 5]);
        assert_eq!(numbers(1, 2), [4, 5], "the latest ones");
        assert_eq!(numbers(5, 0), [0; 0]);
        assert_eq!(numbers(u64::MAX, 3), [0; 0]);
    }

    #[test]
    fn a_repeated_event_is_counted_for_a_minute() {
        let mut ring = EventRing::default();
        let mut lost = |at_ms, peer| ring.note(at_ms, NodeEventKind::PeerLost, peer, None, "no answer");
        lost(0, "hong");
        lost(1, "peng");
        lost(MINUTE_MS - 1, "hong");
        lost(2 * MINUTE_MS - 1, "hong");
        lost(2 * MINUTE_MS, "hong");
        let event = |subject: &str, count, took| ("peer-lost".to_owned(), subject.to_owned(), count, took);
        assert_eq!(
            counts(&ring),
            [event("peng", 1, 0), event("hong", 2, MINUTE_MS - 1), event("hong", 2, 1),]
        );
        assert_eq!(ring.read(4, 0, true).len(), 1, "one that is repeated is new to a reader");
        ring.note(0, NodeEventKind::PeerLost, "hong", None, "the clock was set back");
        assert_eq!(counts(&ring).len(), 3);
    }

    #[test]
    fn some_kinds_are_for_admins_alone() {
        let mut ring = EventRing::default();
        for n in 1..=3 {
            ring.note(n, NodeEventKind::Follows, "", Some(n), "follows ming");
            ring.note(n, NodeEventKind::Denied, "till", Some(n), "may not set order/1");
            ring.note(n, NodeEventKind::Act, "revoke", Some(n), "admin desk revoke till: done");
        }
        let numbers =
            |limit, all| ring.read(0, limit, all).iter().map(|event| event.number).collect::<Vec<_>>();
        assert_eq!(numbers(0, false), [1, 4, 7]);
        assert_eq!(numbers(2, false), [4, 7], "the limit counts those that are told");
        assert_eq!(numbers(2, true), [8, 9]);
    }

    #[test]
    fn acts_of_different_admins_are_different_events() {
        let mut ring = EventRing::default();
        for text in ["admin ann transfer hong: refused", "admin bob transfer hong: done"] {
            ring.note(0, NodeEventKind::Act, "transfer hong", None, text);
        }
        assert_eq!(ring.read(0, 0, true).len(), 2);
        ring.note(1, NodeEventKind::Act, "transfer hong", None, "admin bob transfer hong: done");
        assert_eq!(ring.read(0, 0, true).last().map(|event| event.count), Some(2));
    }

    #[test]
    fn elections_of_different_terms_are_different_events() {
        let mut ring = EventRing::default();
        (1..=3).for_each(|term| ring.note(0, NodeEventKind::Election, "", Some(term), "stands"));
        assert_eq!(ring.read(0, 0, true).len(), 3);
    }

    #[test]
    fn a_flood_of_one_kind_pushes_out_only_itself() {
        let mut ring = EventRing::default();
        ring.note(0, NodeEventKind::Start, "", None, "coffeed 0.1.0 starts");
        for n in 0..200 {
            ring.note(n, NodeEventKind::Leads, "", Some(n), "leads now");
        }
        for n in 0..10_000 {
            ring.note(n, NodeEventKind::Denied, &format!("till-{n}"), None, "may not");
        }
        let kept = ring.read(0, 0, true);
        assert_eq!(kept.len(), EVENTS_MAX);
        let of = |kind: NodeEventKind| kept.iter().filter(|event| event.kind == kind.as_str()).count();
        assert_eq!((of(NodeEventKind::Start), of(NodeEventKind::Leads)), (1, 200));
        assert_eq!(kept.last().map(|event| event.number), Some(10_201));
        let denied = kept.iter().find(|event| event.kind == NodeEventKind::Denied.as_str());
        assert_eq!(
            denied.map(|event| event.subject.as_str()),
            Some("till-9689"),
            "the oldest ones are forgotten"
        );
    }

    #[test]
    fn text_is_bounded_and_controls_no_terminal() {
        let log = EventLog::default();
        log.record(NodeEventKind::PeerLost, "x".repeat(10_000), format!("\u{1b}[2J{}", "y".repeat(10_000)));
        let [event] = &log.read(0, 0, true)[..] else { panic!("one event") };
        assert_eq!((event.subject.len(), event.text.len()), (WORD_BYTES_MAX, EVENT_TEXT_BYTES_MAX));
        assert!(event.text.starts_with("\u{fffd}[2J"), "{}", event.text);
    }
}
