//! Tells the cluster this node's address if the cluster has another one.
//!
//! A node may start under another address: its host was renumbered, or its configuration changed.
//! The leader cannot reach it then, but it reaches the others. It asks all of them, since it may
//! know no leader; the leader changes the membership, the others remember the address until then
//! (see [`crate::node::heard_addresses`]). The `join` setting counts too: the others may have
//! moved as well.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc, time::Duration};

use coffee_common::{
    backoff,
    id::Address,
    protocol::{Rejection, Request},
    quic::Expect,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep, timeout};

use super::{MembershipManager, removal_watch::misses_its_leader};
use crate::{
    node::replica::{Replica, ServerMetrics},
    ops::forward::LeaderRequest,
    raft_types::Member,
};

/// How long one attempt may take, at least.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(2);

/// The same in leases. An attempt takes about ten round trips: it is forwarded to the leader, which
/// asks a quorum whether it leads, dials the new address and commits two entries. A lease is four.
const ATTEMPT_LEASES: u32 = 4;

/// Bounds of the pause between two attempts.
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

impl MembershipManager {
    /// Announces this node's address whenever the membership has another one, and once if the
    /// node has no membership that names it, or as long as no leader finds it: those who would elect
    /// one may have started again since they were told. Runs as long as the replica.
    /// `join` is the setting.
    pub async fn announce_address(self, replica: Arc<Replica>, join: Vec<Address>) {
        // A joining node has only its record, which it cannot see.
        let mut unsure = replica.membership().get_node(&replica.id()).is_none();
        // One that has moved to and fro and lags knows an address that it has had before.
        let found_within = sleep(self.attempt_within());
        tokio::pin!(found_within);
        let (mut attempt, mut failures) = (0, 0_u32);
        let mut is_lost = false;
        loop {
            // Whether the membership has this node's address; `None` if it does not name the node.
            let is_known = |metrics: &ServerMetrics| {
                let own = metrics.membership_config.get_node(&replica.id());
                own.map(|member| member.address == *self.node.address())
            };
            tokio::select! {
                runs = replica.until(|metrics| is_lost || !is_known(metrics).unwrap_or(!unsure)) => if !runs { return },
                () = &mut found_within => {
                    is_lost = !replica.leads() && misses_its_leader(&replica, self.attempt_within()).await;
                    found_within.as_mut().reset(Instant::now() + self.attempt_within());
                    continue;
                }
            }
            match self.announce(&replica, &join).await {
                Ok(()) => {
                    (unsure, is_lost, attempt) = (false, false, 0);
                    // The membership with the address arrives soon, unless this node lags.
                    let settled = replica.until(|metrics| is_known(metrics) == Some(true));
                    let _ = timeout(*PAUSE.end(), settled).await;
                    continue;
                }
                // An operator has removed it.
                Err(Rejection::NotFound(_)) if unsure || is_lost => (unsure, is_lost) = (false, false),
                Err(why) => {
                    (attempt, failures) = (attempt + 1, failures + 1);
                    // Without a quorum, which others report, a node is lost as well.
                    if failures.is_power_of_two() && !is_lost {
                        let address = self.node.address();
                        tracing::warn!(%address, %why, tries = failures, "the cluster does not know this address yet");
                    }
                }
            }
            sleep(backoff::delay(&PAUSE, attempt)).await;
        }
    }

    /// Asks the leader, or else all others, to record this node's address.
    async fn announce(&self, replica: &Replica, join: &[Address]) -> Result<(), Rejection> {
        let (node, address) = (self.node.name().clone(), self.node.address().clone());
        let request = Request::Move { node, address };
        if replica.leads() {
            let request = LeaderRequest {
                body: &request,
                caller: self.node.identity().into(),
                forwarded: false,
                deadline: Instant::now() + self.attempt_within(),
                repeatable: true,
                answered_elsewhere: Default::default(),
            };
            return self.on_leader(&request).await.map(drop);
        }
        let others = self.others(replica, join);
        let mut answers: FuturesUnordered<_> =
            others.iter().map(|other| self.tell(replica, other, &request)).collect();
        // All of them are told, even if the first one has an answer. A founder has none to ask.
        let (mut told, mut failure) = (answers.is_empty(), None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(()) => told = true,
                // A refusal says more than silence.
                Err(_) if matches!(failure, Some(Rejection::Refused { .. })) => {}
                Err(why) => failure = Some(why),
            }
        }
        failure.filter(|_| !told).map_or(Ok(()), Err)
    }

    fn attempt_within(&self) -> Duration {
        ATTEMPT_WITHIN.max(ATTEMPT_LEASES * self.node.lease())
    }

    /// Every address at which another member may be.
    fn others(&self, replica: &Replica, join: &[Address]) -> BTreeSet<Address> {
        let membership = replica.membership();
        let of_member = |member: &Member| {
            let heard = self.node.heard_addresses().of(member);
            std::iter::once(member.address.clone()).chain(heard)
        };
        let all = membership.nodes().flat_map(|(_, member)| of_member(member)).chain(join.iter().cloned());
        all.filter(|other| other != self.node.address()).collect()
    }

    async fn tell(&self, replica: &Replica, other: &Address, request: &Request) -> Result<(), Rejection> {
        let cluster = Some(replica.cluster());
        let within = self.attempt_within();
        let reply = self.node.pool().ask(other, &Expect::AnyNode, request, cluster.into(), within);
        match reply.await {
            Ok(reply) => reply.result.map(drop),
            Err(error) => Err(Rejection::Unavailable(error.to_string())),
        }
    }
}
