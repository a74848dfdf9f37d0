//! Keeps what the members said about a node for a while.
//!
//! Guards that one question about a name is asked at a time, and that a name for which no member
//! answers delays no other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{
    id::{NodeId, NodeName},
    limits::NODES_MAX,
};
use tokio::time::Instant;

/// The least time between two questions about a name.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a node is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// A member says that it is one.
    Member,
    /// No member can tell, and its name is a member's under an older id.
    Assumed,
    /// A member says that it is none.
    NotMember,
    /// No member can tell.
    Unknown,
}

/// The latest answers about each name, at most [`NODES_MAX`].
#[derive(Default)]
pub(super) struct MemberAnswers(Mutex<BTreeMap<NodeName, AnswerSlot>>);

/// Locked during a question.
type AnswerSlot = Arc<tokio::sync::Mutex<Option<LatestAnswer>>>;

#[derive(Clone, Copy)]
struct LatestAnswer {
    id: NodeId,
    confirmation: Confirmation,
    at: Instant,
}

impl LatestAnswer {
    /// Whether it still counts.
    fn is_fresh(&self) -> bool {
        let counts_for = match self.confirmation {
            Confirmation::Member => Duration::from_secs(5),
            // Each question takes a while, since no member answers.
            Confirmation::Assumed => Duration::from_secs(30),
            Confirmation::NotMember | Confirmation::Unknown => ASK_INTERVAL,
        };
        self.at.elapsed() < counts_for
    }
}

impl MemberAnswers {
    /// Returns the latest answer, or asks. [`Confirmation::Unknown`] if it is too early for another
    /// question about the name.
    pub(super) async fn get_or_ask<F: Future<Output = Confirmation>>(
        &self,
        id: NodeId,
        name: &NodeName,
        ask: impl FnOnce() -> F,
    ) -> Confirmation {
        let Some(slot) = self.slot(name) else { return Confirmation::Unknown };
        let mut latest = slot.lock().await;
        match *latest {
            Some(answer) if answer.id == id && answer.is_fresh() => return answer.confirmation,
            Some(answer) if answer.id != id && answer.at.elapsed() < ASK_INTERVAL => {
                return Confirmation::Unknown;
            }
            _ => {}
        }
        let confirmation = ask().await;
        *latest = Some(LatestAnswer { id, confirmation, at: Instant::now() });
        confirmation
    }

    /// Returns the slot of a name; `None` if there are too many names.
    fn slot(&self, name: &NodeName) -> Option<AnswerSlot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= NODES_MAX && !slots.contains_key(name) {
            // One that is locked has a question in progress.
            slots.retain(|_, slot| {
                slot.try_lock().map_or(true, |answer| answer.is_some_and(|answer| answer.is_fresh()))
            });
        }
        match slots.get(name) {
            Some(slot) => Some(Arc::clone(slot)),
            None if slots.len() >= NODES_MAX => None,
            None => Some(Arc::clone(slots.entry(name.clone()).or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn name(name: &str) -> NodeName {
        name.parse().expect("legal")
    }

    /// No member answers about peng.
    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_asked_about_in_vain_delays_no_other() {
        let (cache, began) = (MemberAnswers::default(), Instant::now());
        let (peng, long) = (name("peng"), name("long"));
        let silence = async || {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Confirmation::Unknown
        };
        let answer = async || Confirmation::Member;
        let slow = async { (cache.get_or_ask(NodeId(57), &peng, silence).await, began.elapsed().as_secs()) };
        let quick = async { (cache.get_or_ask(NodeId(60), &long, answer).await, began.elapsed().as_secs()) };
        let (slow, quick) = tokio::join!(slow, quick);
        assert_eq!((slow, quick), ((Confirmation::Unknown, 20), (Confirmation::Member, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_for_a_while() {
        let (cache, asked, peng) = (MemberAnswers::default(), Cell::new(0), name("peng"));
        let get = async |id, confirmation| {
            let ask = || {
                asked.set(asked.get() + 1);
                std::future::ready(confirmation)
            };
            (cache.get_or_ask(NodeId(id), &peng, ask).await, asked.get())
        };
        use Confirmation::{Assumed, Member, NotMember, Unknown};
        for (confirmation, seconds) in [(Member, 5), (Assumed, 30), (NotMember, 1), (Unknown, 1)] {
            asked.set(0);
            assert_eq!(get(57, confirmation).await, (confirmation, 1));
            tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert_eq!(get(57, NotMember).await, (confirmation, 1), "{confirmation:?} still counts");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(get(57, confirmation).await, (confirmation, 2), "{confirmation:?} is over");
            assert_eq!(get(58, Member).await, (Unknown, 2), "too early for another id");
            tokio::time::advance(ASK_INTERVAL).await;
            assert_eq!(get(58, Member).await, (Member, 3));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_bounded() {
        let cache = MemberAnswers::default();
        let ask = async |n: usize| {
            cache.get_or_ask(NodeId(1), &name(&format!("node-{n}")), async || Confirmation::Member).await
        };
        for n in 0..NODES_MAX {
            assert_eq!(ask(n).await, Confirmation::Member);
        }
        assert_eq!(ask(NODES_MAX).await, Confirmation::Unknown);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(ask(NODES_MAX).await, Confirmation::Member, "old answers make room");
    }
}
