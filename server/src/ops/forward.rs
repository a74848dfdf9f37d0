//! Runs a request on the leader: locally if this node leads, otherwise by
//! forwarding it.
//!
//! Waits while there is no leader, and retries as long as the request was
//! certainly not applied. Guards that a forwarded request is not forwarded
//! again: two nodes that each take the other for the leader would send it back
//! and forth.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use coffee_client::{Channel, ChannelError, Envelope, Health};
use coffee_common::{
    backoff,
    id::NodeName,
    protocol::{Identity, Rejection, Request, Response, ResponseFrame, SentFrom},
    quic::Expect,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::progress::OperationProgress;
use crate::node::{
    Node,
    propose::ProposeError,
    replica::{CurrentLeader, Replica},
};

/// Bounds of the pause between two attempts at the same leader. A new leader is
/// tried at once.
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(100);

/// How long to wait for the response of a leader that was replaced: one that has
/// just handed over is alive and about to respond.
const GRACE: Duration = Duration::from_secs(3);

/// The same for a write, which the client can retry at the new leader under its
/// request id. A leader that was silent for its lease, or is unresponsive, gets no grace.
const WRITE_GRACE: Duration = Duration::from_millis(300);

/// The shortest time in which an answer of the leader may arrive: a round trip, and the
/// fsyncs of a quorum.
const ANSWER_MIN: Duration = Duration::from_millis(50);

/// The same for other operations, which wait for nodes.
const OPERATION_MIN: Duration = Duration::from_millis(300);

/// The client or node that sent a request first.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its identity, whose role counts.
    pub identity: &'a Identity,
    /// Its connection, for the audit log.
    pub sent_from: Option<&'a SentFrom>,
}

impl<'a> From<&'a Identity> for Caller<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { identity, sent_from: None }
    }
}

/// A request that only the leader can carry out.
pub struct LeaderRequest<'a> {
    /// The request itself.
    pub body: &'a Request,
    /// The client or node that sent it first.
    pub caller: Caller<'a>,
    /// Whether another node forwarded it to this one.
    pub forwarded: bool,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Whether it is idempotent: it can be retried even if it may have been applied.
    pub repeatable: bool,
    /// Whether another node has answered the last attempt.
    pub answered_elsewhere: AtomicBool,
}

/// Runs a request on the leader: with `here` if this node leads, otherwise remotely.
pub async fn on_leader<F, D>(node: &Node, request: &LeaderRequest<'_>, here: F) -> Result<Response, Rejection>
where
    F: Fn(Arc<Replica>) -> D,
    D: Future<Output = Result<Response, ProposeError>>,
{
    let mut attempt = 0;
    let progress = OperationProgress::default();
    loop {
        let replica = node.serving().map_err(|rejection| progress.reject(rejection))?;
        let lead = replica.leader();
        request.answered_elsewhere.store(false, Ordering::Relaxed);
        let result = match &lead {
            Some(lead) if lead.id == replica.id() => here(Arc::clone(&replica)).await,
            Some(lead) if !request.forwarded => there(node, &replica, lead, request).await,
            _ => Err(ProposeError::NotApplied(not_leader(node, lead.as_ref()))),
        };
        let why = match result {
            Ok(response) => return Ok(response),
            Err(ProposeError::Rejected(Rejection::Unknown(why)))
                if request.repeatable && !request.forwarded =>
            {
                // A plan changes nothing, whatever became of it.
                if !matches!(request.body, Request::CanStop { .. } | Request::Down { dry_run: true, .. }) {
                    progress.begin();
                }
                why
            }
            Err(ProposeError::Rejected(rejection)) => {
                return Err(progress.reject(explained(&replica, rejection)));
            }
            Err(ProposeError::NotApplied(why)) if request.forwarded => {
                return Err(explained(&replica, Rejection::Unavailable(why)));
            }
            Err(ProposeError::NotApplied(why)) => why,
        };
        if let Some(no_quorum) = replica.no_quorum() {
            return Err(progress.reject(no_quorum));
        }
        let pause = backoff::delay(&PAUSE, attempt);
        if Instant::now() + pause >= request.deadline {
            return Err(progress.reject(Rejection::Unavailable(why)));
        }
        attempt = if wait(&replica, lead.as_ref(), pause).await { 0 } else { attempt + 1 };
    }
}

/// Says instead of *unavailable* that there is no quorum, if this node knows that.
pub fn explained(replica: &Replica, rejection: Rejection) -> Rejection {
    match rejection {
        Rejection::Unavailable(_) => replica.no_quorum().unwrap_or(rejection),
        rejection => rejection,
    }
}

/// Waits up to `pause` for another leader. Returns whether there is one.
async fn wait(replica: &Replica, lead: Option<&CurrentLeader>, pause: Duration) -> bool {
    let again = Instant::now() + pause;
    let _ = timeout_at(again, replica.leader_changed(lead)).await;
    let now = replica.leader();
    if now.is_some() && now.as_ref() != lead {
        return true;
    }
    // Not sooner: if consensus has stopped, the wait above returns at once.
    sleep_until(again).await;
    false
}

/// Forwards a request to the leader, another node.
async fn there(
    node: &Node,
    replica: &Replica,
    lead: &CurrentLeader,
    request: &LeaderRequest<'_>,
) -> Result<Response, ProposeError> {
    let (name, expect) = (&lead.member.name, Expect::Node(lead.member.name.clone()));
    let another_leads = || ProposeError::NotApplied(format!("{name} is no longer the leader"));
    let channel = tokio::select! {
        channel = timeout_at(request.deadline, node.pool().channel(&lead.member.address, &expect)) => channel,
        () = replica.leader_changed(Some(lead)) => return Err(another_leads()),
        () = replica.loses_quorum() => return Err(ProposeError::NotApplied(format!("{name} is lost"))),
    };
    // Nothing has been sent so far.
    let channel = match channel {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => {
            return Err(ProposeError::NotApplied(format!("the leader, {name}, cannot be reached: {error}")));
        }
        Err(_) => return Err(ProposeError::NotApplied(format!("the leader, {name}, cannot be reached"))),
    };
    let timeout = request.deadline.saturating_duration_since(Instant::now());
    let least = answer_time(channel.rtt());
    // The leader gives up a little earlier, so that its answer arrives in time.
    let is_write = matches!(request.body, Request::Write { .. } | Request::Transact { .. });
    let least = if is_write { least } else { least.max(OPERATION_MIN) };
    if (is_write || !request.repeatable) && timeout < least {
        return Err(ProposeError::NotApplied(format!("too little time is left to ask the leader, {name}")));
    }
    let envelope = Envelope {
        on_behalf_of: Some(request.caller.identity),
        sent_from: request.caller.sent_from,
        cluster: Some(replica.cluster()),
    };
    let mut ask = std::pin::pin!(channel.ask(request.body, envelope, timeout));
    let reply = tokio::select! {
        reply = &mut ask => reply,
        // The old leader may be down, or about to respond that it has handed over.
        () = replica.leader_changed(Some(lead)) => {
            let was_there = replica.last_contact().within(node.lease(), lead.id);
            tokio::select! {
                biased;
                reply = &mut ask => reply,
                () = tokio::time::sleep(grace(request.repeatable, is_write, was_there)) => Err(another_leads_now()),
                () = silence(&channel), if is_write => Err(another_leads_now()),
            }
        }
    };
    request.answered_elsewhere.store(reply.is_ok(), Ordering::Relaxed);
    judge(name, request, reply)
}

/// The time that an answer takes at least. A request that is sent with less time left
/// would turn the certainty that nothing was done into doubt.
fn answer_time(rtt: Duration) -> Duration {
    (rtt * 3 / 2).max(ANSWER_MIN)
}

/// How long to wait for the response of a leader that was replaced. `was_there`:
/// there was contact with it within its lease.
fn grace(repeatable: bool, is_write: bool, was_there: bool) -> Duration {
    match (repeatable, is_write) {
        (true, _) => Duration::ZERO,
        (false, true) if !was_there => Duration::ZERO,
        (false, true) => WRITE_GRACE,
        (false, false) => GRACE,
    }
}

fn another_leads_now() -> ChannelError {
    ChannelError::Lost("another node is the leader now".to_owned())
}

/// Waits until the node at the other end is unresponsive.
async fn silence(channel: &Channel) {
    // An error means that the channel is gone: unresponsive as well.
    let _ = channel.health().wait_for(|health| *health != Health::Well).await;
}

fn judge(
    leader: &NodeName,
    request: &LeaderRequest<'_>,
    reply: Result<ResponseFrame, ChannelError>,
) -> Result<Response, ProposeError> {
    match reply.map(|reply| reply.result) {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(
            rejection @ (Rejection::NoCluster { .. }
            | Rejection::OtherCluster { .. }
            | Rejection::LeftOut { .. }
            | Rejection::NoQuorum { .. }),
        )) => Err(ProposeError::NotApplied(rejection.to_string())),
        Ok(Err(Rejection::Unavailable(why))) => Err(ProposeError::NotApplied(why)),
        Ok(Err(Rejection::Unknown(why))) if changes_nothing(request.body) => {
            Err(ProposeError::NotApplied(why))
        }
        // This node is being removed, and does not know it yet. A client can read elsewhere.
        Ok(Err(Rejection::Denied(why))) if matches!(request.body, Request::ReadIndex) => {
            Err(ProposeError::NotApplied(why))
        }
        Ok(Err(rejection)) => Err(rejection.into()),
        Err(error) if error.is_not_sent() || changes_nothing(request.body) => {
            Err(ProposeError::NotApplied(format!("the leader, {leader}, did not answer: {error}")))
        }
        Err(error) => Err(Rejection::Unknown(format!("it was forwarded to {leader}: {error}")).into()),
    }
}

/// Whether a request only reads, so that a lost answer leaves nothing in doubt.
fn changes_nothing(request: &Request) -> bool {
    matches!(
        request,
        Request::ReadIndex
            | Request::CanStop { .. }
            | Request::Down { dry_run: true, .. }
            | Request::Remove { dry_run: true, .. }
    )
}

fn not_leader(node: &Node, lead: Option<&CurrentLeader>) -> String {
    match lead {
        Some(lead) => format!("{} is not the leader; {} is", node.name(), lead.member.name),
        None => "there is no leader: too few voters are up, or an election is under way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges the reply to a request of the leader's own node that can be repeated.
    fn judged(
        leader: &NodeName,
        body: &Request,
        reply: Result<ResponseFrame, ChannelError>,
    ) -> Result<Response, ProposeError> {
        let caller = Identity::new(coffee_common::protocol::Role::Node, leader.clone());
        let request = LeaderRequest {
            body,
            caller: Caller::from(&caller),
            forwarded: false,
            deadline: Instant::now(),
            repeatable: true,
            answered_elsewhere: AtomicBool::default(),
        };
        judge(leader, &request, reply)
    }

    #[test]
    fn a_lost_answer_to_a_change_leaves_it_in_doubt_even_if_it_can_be_repeated() {
        let leader: NodeName = "ming".parse().expect("legal");
        let lost = |body: &Request| judged(&leader, body, Err(another_leads_now()));
        assert!(matches!(lost(&Request::ReadIndex), Err(ProposeError::NotApplied(_))));
        let id = coffee_common::id::NodeId(3);
        let removal = Request::RemoveVoter { node: leader.clone(), id, standing: None };
        assert!(matches!(lost(&removal), Err(ProposeError::Rejected(Rejection::Unknown(_)))));
    }

    #[test]
    fn a_node_that_may_not_read_any_more_says_that_it_is_unavailable() {
        let leader: NodeName = "ming".parse().expect("legal");
        let denied = |body: &Request| {
            let reply =
                ResponseFrame { id: 1, leader: None, result: Err(Rejection::Denied("why".to_owned())) };
            judged(&leader, body, Ok(reply))
        };
        assert!(matches!(denied(&Request::ReadIndex), Err(ProposeError::NotApplied(_))));
        let transfer = denied(&Request::Transfer { to: None });
        assert!(matches!(transfer, Err(ProposeError::Rejected(Rejection::Denied(_)))), "{transfer:?}");
    }

    #[test]
    fn the_leader_is_not_asked_when_its_answer_would_come_too_late() {
        for (rtt_ms, least_ms) in [(0, 50), (33, 50), (40, 60), (200, 300)] {
            assert_eq!(answer_time(Duration::from_millis(rtt_ms)), Duration::from_millis(least_ms));
        }
    }

    #[test]
    fn a_leader_that_was_replaced_is_waited_for_where_it_may_just_have_handed_over() {
        for (repeatable, is_write, was_there, expected) in [
            (true, false, true, Duration::ZERO),
            (true, true, true, Duration::ZERO),
            // It is down: the client retries under the same request id.
            (false, true, false, Duration::ZERO),
            (false, true, true, WRITE_GRACE),
            // It must not be sent twice.
            (false, false, true, GRACE),
            (false, false, false, GRACE),
        ] {
            assert_eq!(
                grace(repeatable, is_write, was_there),
                expected,
                "{repeatable} {is_write} {was_there}"
            );
        }
    }
}
