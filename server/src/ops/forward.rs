//! Has something done by the leader, whoever that is: here, or at the node
//! that this one follows.
//!
//! Waits for a leader where there is none, and tries again while it is certain
//! that nothing was done. Guards that a request which was passed on is not
//! passed on again: two nodes that each believe the other to lead would send
//! it back and forth.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use coffee_client::{Channel, ChannelError, Health};
use coffee_common::{
    backoff,
    id::NodeName,
    protocol::{Identity, Rejection, Request, Response, ResponseFrame},
    quic::Expect,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::node::{
    Node,
    propose::ProposeError,
    replica::{CurrentLeader, Replica},
};

/// Bounds of the pause between two tries at the same leader. A new leader is
/// noticed at once, without a pause.
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(100);

/// For so long a leader that was replaced is still waited for: one that has
/// just handed over is alive, and about to say so.
const GRACE: Duration = Duration::from_secs(3);

/// The same for a write: whoever asked can try it again at the new leader, under its id.
/// So a leader that shows no signs of life, or showed none for its lease, gets none of it.
const GRACE_OF_WRITES: Duration = Duration::from_millis(300);

/// Something that the leader has to do.
pub struct LeaderRequest<'a> {
    /// What is asked.
    pub body: &'a Request,
    /// Who asked first.
    pub caller: &'a Identity,
    /// It was passed on to this node already.
    pub forwarded: bool,
    /// When it has to be done.
    pub deadline: Instant,
    /// Whether doing it twice does no harm, so that it can be tried again
    /// even where it may have been done.
    pub repeatable: bool,
}

/// Does an request: with `here` where this node leads, else at the leader.
pub async fn on_leader<F, D>(node: &Node, request: &LeaderRequest<'_>, here: F) -> Result<Response, Rejection>
where
    F: Fn(Arc<Replica>) -> D,
    D: Future<Output = Result<Response, ProposeError>>,
{
    let mut attempt = 0;
    loop {
        let replica = node.serving()?;
        let lead = replica.leader();
        let result = match &lead {
            Some(lead) if lead.id == replica.id() => here(Arc::clone(&replica)).await,
            Some(lead) if !request.forwarded => there(node, &replica, lead, request).await,
            _ => Err(ProposeError::NotApplied(not_leader(node, lead.as_ref()))),
        };
        let why = match result {
            Ok(response) => return Ok(response),
            Err(ProposeError::Rejected(rejection)) => return Err(rejection),
            Err(ProposeError::NotApplied(why)) if request.forwarded => {
                return Err(Rejection::Unavailable(why));
            }
            Err(ProposeError::NotApplied(why)) => why,
        };
        let pause = backoff::delay(&PAUSE, attempt);
        if Instant::now() + pause >= request.deadline {
            return Err(Rejection::Unavailable(why));
        }
        attempt = if wait(&replica, lead.as_ref(), pause).await { 0 } else { attempt + 1 };
    }
}

/// Waits for another leader, at most for `pause`. Returns whether there is one.
async fn wait(replica: &Replica, lead: Option<&CurrentLeader>, pause: Duration) -> bool {
    let again = Instant::now() + pause;
    let _ = timeout_at(again, replica.leader_changed(lead)).await;
    let now = replica.leader();
    if now.is_some() && now.as_ref() != lead {
        return true;
    }
    // Not sooner: where consensus has stopped, nothing is waited for above.
    sleep_until(again).await;
    false
}

/// Has it done by the leader, another node.
async fn there(
    node: &Node,
    replica: &Replica,
    lead: &CurrentLeader,
    request: &LeaderRequest<'_>,
) -> Result<Response, ProposeError> {
    let (name, expect) = (&lead.member.name, Expect::Node(lead.member.name.clone()));
    let another_leads = || ProposeError::NotApplied(format!("{name} leads no more"));
    let channel = tokio::select! {
        channel = timeout_at(request.deadline, node.pool().channel(&lead.member.address, &expect)) => channel,
        () = replica.leader_changed(Some(lead)) => return Err(another_leads()),
    };
    // So far nothing was sent.
    let channel = match channel {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => {
            return Err(ProposeError::NotApplied(format!("the leader, {name}, cannot be reached: {error}")));
        }
        Err(_) => return Err(ProposeError::NotApplied(format!("the leader, {name}, cannot be reached"))),
    };
    let timeout = request.deadline.saturating_duration_since(Instant::now());
    let mut ask = std::pin::pin!(channel.ask(request.body, Some(request.caller), timeout));
    let reply = tokio::select! {
        reply = &mut ask => reply,
        // Maybe it is gone, maybe it is about to say that it has handed over.
        () = replica.leader_changed(Some(lead)) => {
            let is_write = matches!(request.body, Request::Write { .. });
            let was_there = replica.last_contact().within(node.lease(), lead.id);
            tokio::select! {
                biased;
                reply = &mut ask => reply,
                () = tokio::time::sleep(grace(request.repeatable, is_write, was_there)) => Err(another_leads_now()),
                () = silence(&channel), if is_write => Err(another_leads_now()),
            }
        }
    };
    judge(name, request, reply)
}

/// How long to wait for the answer of a leader that leads no more. `was_there`: it was heard
/// within its lease.
fn grace(repeatable: bool, is_write: bool, was_there: bool) -> Duration {
    match (repeatable, is_write) {
        (true, _) => Duration::ZERO,
        (false, true) if !was_there => Duration::ZERO,
        (false, true) => GRACE_OF_WRITES,
        (false, false) => GRACE,
    }
}

fn another_leads_now() -> ChannelError {
    ChannelError::Lost("another node leads now".to_owned())
}

/// Ends when the node at the other end shows no signs of life.
async fn silence(channel: &Channel) {
    // Its sender goes with the channel: no signs of life either.
    let _ = channel.health().wait_for(|health| *health != Health::Well).await;
}

fn judge(
    leader: &NodeName,
    request: &LeaderRequest<'_>,
    reply: Result<ResponseFrame, ChannelError>,
) -> Result<Response, ProposeError> {
    match reply.map(|reply| reply.result) {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(Rejection::Unavailable(why))) => Err(ProposeError::NotApplied(why)),
        Ok(Err(Rejection::Unknown(why))) if request.repeatable => Err(ProposeError::NotApplied(why)),
        Ok(Err(rejection)) => Err(rejection.into()),
        Err(error) if error.is_not_sent() || request.repeatable => {
            Err(ProposeError::NotApplied(format!("the leader, {leader}, did not answer: {error}")))
        }
        Err(error) => Err(Rejection::Unknown(format!("it was passed on to {leader}: {error}")).into()),
    }
}

fn not_leader(node: &Node, lead: Option<&CurrentLeader>) -> String {
    match lead {
        Some(lead) => format!("{} does not lead; {} does", node.name(), lead.member.name),
        None => "there is no leader: too few voters are up, or an election is under way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_was_replaced_is_waited_for_where_it_may_just_have_handed_over() {
        for (repeatable, is_write, was_there, expected) in [
            (true, false, true, Duration::ZERO),
            (true, true, true, Duration::ZERO),
            // It was lost: what it was asked is asked anew, under the same id.
            (false, true, false, Duration::ZERO),
            (false, true, true, GRACE_OF_WRITES),
            // It cannot be asked twice.
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
