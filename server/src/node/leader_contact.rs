//! When this node last heard the leaders that it followed.
//!
//! Tells a leader that has just handed over, and is about to answer what it was asked, from
//! one that was lost: by then nothing has come from that one for its lease.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::id::NodeId;
use tokio::time::Instant;

/// The last words of the leader and of the one before it. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<[Option<Word>; 2]>>);

#[derive(Debug, Clone, Copy)]
struct Word {
    leader: NodeId,
    at: Instant,
}

impl Heard {
    /// Something came from this leader.
    pub fn note(&self, leader: NodeId) {
        let word = Some(Word { leader, at: Instant::now() });
        let [last, before] = &mut *self.words();
        let earlier = std::mem::replace(last, word);
        if earlier.is_some_and(|earlier| earlier.leader != leader) {
            *before = earlier;
        }
    }

    /// Whether this leader was heard not longer than `span` ago.
    pub fn within(&self, span: Duration, leader: NodeId) -> bool {
        self.words().iter().flatten().any(|word| word.leader == leader && word.at.elapsed() <= span)
    }

    fn words(&self) -> MutexGuard<'_, [Option<Word>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_leader_counts_as_heard_for_a_while_though_another_followed() {
        let (heard, lease) = (Heard::default(), Duration::from_millis(300));
        let [ming, hong, peng] = [1, 2, 3].map(NodeId);
        assert!(!heard.within(lease, ming));
        heard.clone().note(ming);
        tokio::time::advance(Duration::from_millis(200)).await;
        heard.note(hong);
        heard.note(hong);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(heard.within(lease, ming) && heard.within(lease, hong) && !heard.within(lease, peng));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!heard.within(lease, ming) && heard.within(lease, hong));
    }
}
