//! Gives the cluster a revocation list.
//!
//! Guards that only a list which a trusted CA has signed is proposed, that it is newer than the
//! cluster's, and that it does not cut off a quorum.

use coffee_common::{
    command::{Command, Outcome},
    id::NodeName,
    protocol::{Rejection, Response, Role},
    revocation_list::RevocationList,
};

use super::{Leading, decide::refused};
use crate::node::propose::{ProposeError, propose};

impl Leading {
    /// Records a list (DER), which every node then puts to use. Idempotent.
    pub(super) async fn revoke(&self, der: &[u8]) -> Result<Response, ProposeError> {
        let list = self.node.credentials().check_list(der).map_err(|problem| {
            refused(
                format!("the revocation list cannot be used: {problem}"),
                "send the list of a CA that the nodes trust: 'coffeectl revoke NAME', where the CA's key is"
                    .to_owned(),
            )
        })?;
        let number = list.number;
        let known = self.lists()?;
        if let Some(known) = known.iter().find(|known| known.issuer == list.issuer) {
            if *known == list {
                return Ok(Response::Revoked { number, changed: false });
            }
            if known.number >= number {
                return Err(older(number, known.number).into());
            }
        }
        self.keeps_a_quorum(known, &list)?;
        let command = Command::SetRevocationList(list);
        let outcome = propose(&self.replica, None, command, self.deadline).await;
        match self.progress.step(outcome)? {
            Outcome::RevocationListSet { number, changed: true } => {
                Ok(Response::Revoked { number, changed: true })
            }
            Outcome::RevocationListSet { number: newer, changed: false } => Err(older(number, newer).into()),
            other => Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into()),
        }
    }

    fn lists(&self) -> Result<Vec<RevocationList>, ProposeError> {
        let lists = self.replica.state().revocation_lists();
        lists.map_err(|error| ProposeError::NotApplied(format!("the state cannot be read: {error}")))
    }

    /// Refuses a list that revokes the certificates of so many voters in reach that no quorum is left.
    fn keeps_a_quorum(&self, known: Vec<RevocationList>, list: &RevocationList) -> Result<(), Rejection> {
        let others = known.into_iter().filter(|known| known.issuer != list.issuer);
        let lists: Vec<RevocationList> = others.chain([list.clone()]).collect();
        let credentials = self.node.credentials().with_cluster_lists(&lists);
        let endpoint = self.node.pool().endpoint();
        let (rejected, in_reach) = (endpoint.rejected_by(&credentials), endpoint.peer_round_trips());
        let is_rejected = |name: &NodeName| match name == self.node.name() {
            true => credentials.is_revoked(),
            false => rejected.iter().any(|peer| peer.role == Role::Node && peer.name == *name),
        };
        let membership = self.replica.membership();
        let voters: Vec<&NodeName> = membership
            .voter_ids()
            .filter_map(|id| membership.get_node(&id))
            .map(|voter| &voter.name)
            .collect();
        let (lost, left): (Vec<&NodeName>, Vec<&NodeName>) = voters
            .iter()
            .filter(|name| **name == self.node.name() || in_reach.contains_key(**name))
            .partition(|name| is_rejected(name));
        if lost.is_empty() || left.len() > voters.len() / 2 {
            return Ok(());
        }
        let lost: Vec<&str> = lost.iter().map(|name| name.as_str()).collect();
        Err(refused(
            format!("the list revokes the certificates of voters without which there is no quorum: {}", lost.join(", ")),
            "issue them new certificates first ('coffeectl cert node NODE --replace', copy it there, 'coffeectl \
             reload NODE'), or remove them ('coffeectl node remove NODE')"
                .to_owned(),
        ))
    }
}

fn older(number: u64, known: u64) -> Rejection {
    refused(
        format!("the cluster has revocation list {known} of this CA, and this is list {number}"),
        "the newest list is where the CA's key is: 'coffeectl revoke NAME' there makes a newer one"
            .to_owned(),
    )
}
