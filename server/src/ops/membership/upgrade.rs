//! The feature level of the cluster, on the leader: raises it, and keeps out nodes that know less.
//!
//! Guards that every member knows the level before it is raised, learners and nodes that join
//! included, and that no node is admitted meanwhile. A member that does not answer counts as one
//! that does not know it: its version is not known.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coffee_common::{
    command::{Command, MemberState, Outcome},
    feature_level::{FeatureLevel, LEVEL_MAX, LEVEL_MIN},
    id::{Address, NodeName},
    protocol::{RaisedLevel, Rejection, Response},
    setting::UpgradeFinish,
};
use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{Leading, MembershipManager, decide::refused};
use crate::{
    node::{
        propose::{ProposeError, propose},
        replica::Replica,
    },
    ops::status,
};

/// How often the leader looks whether all members know a higher level, if it may raise it.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl MembershipManager {
    /// Raises the level while this node leads, as soon as all members know the next one, if the
    /// setting `upgrade_finish` says so. Runs as long as the replica.
    pub async fn finish_upgrades(self, replica: Arc<Replica>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let state = replica.state();
            let may_rise = replica.leads() && state.level() < LEVEL_MAX;
            if !may_rise || state.settings().upgrade_finish != UpgradeFinish::Automatic {
                continue;
            }
            let leading = self.unconfirmed(Arc::clone(&replica), Instant::now() + LOOK_EVERY);
            if let Err(error) = leading.finish_upgrade(false).await {
                tracing::debug!(?error, "the feature level is not raised yet");
            }
        }
    }

    /// Raises the level of a cluster that this node has founded to the highest one that it knows.
    pub async fn raise_founded(&self, replica: &Arc<Replica>, within: Duration) {
        if replica.state().level() == LEVEL_MAX {
            return;
        }
        let leading = self.unconfirmed(Arc::clone(replica), Instant::now() + within);
        if let Err(error) = leading.finish_upgrade(false).await {
            let hint = "coffeectl upgrade finish";
            tracing::warn!(?error, hint, "the new cluster stays at a lower feature level");
        }
    }
}

/// A member, and the highest level that it knows; `None` if it does not answer.
type KnownLevel = (NodeName, Option<FeatureLevel>);

impl Leading {
    /// Raises the level to the highest one that all members know; with `dry_run` only reports it.
    /// Idempotent.
    pub(super) async fn finish_upgrade(&self, dry_run: bool) -> Result<Response, ProposeError> {
        // No node is admitted until the level is raised.
        let _guard = self.lock_changes().await?;
        let from = self.replica.state().level();
        let to = may_raise(from, &self.known_levels().await?)?;
        let mut level = from;
        while level < to && !dry_run {
            let command = Command::RaiseLevel(level.next());
            let outcome = propose(&self.replica, None, command, self.deadline).await;
            match self.progress.step(outcome)? {
                Outcome::LevelRaised { level: now, .. } if now > level => level = now,
                other => return Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into()),
            }
            tracing::info!(%level, "the feature level of the cluster is raised");
        }
        Ok(Response::LevelRaised(RaisedLevel { from, to }))
    }

    /// Refuses a node that knows less than the level of the cluster.
    pub(super) fn knows_enough(&self, name: &NodeName, known: FeatureLevel) -> Result<(), Rejection> {
        knows_enough(name, known, self.replica.state().level())
    }

    /// Refuses a node that is to be invited and knows less than the level of the cluster. One that does
    /// not answer is judged when it asks to join.
    pub(super) async fn joins_with_enough(
        &self,
        name: &NodeName,
        address: &Address,
    ) -> Result<(), Rejection> {
        // Every version knows the lowest level.
        if self.replica.state().level() == LEVEL_MIN {
            return Ok(());
        }
        // In time: a caller that is not answered cannot know that nothing was done.
        match timeout_at(self.deadline, status::ask(&self.node, name, address)).await {
            Ok(Some(status)) => self.knows_enough(name, status.level),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Writes the record of a node again.
    #[cfg(coffee_future)]
    pub(super) async fn touch(&self, node: &NodeName) -> Result<Response, ProposeError> {
        let outcome = propose(&self.replica, None, Command::FutureTouch(node.clone()), self.deadline).await;
        match self.progress.step(outcome)? {
            Outcome::NodeStateSet(changed) => Ok(Response::Done { changed }),
            other => Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into()),
        }
    }

    /// Asks every member, and every node that was admitted.
    async fn known_levels(&self) -> Result<Vec<KnownLevel>, ProposeError> {
        let membership = self.replica.membership();
        let admitted = self
            .records()?
            .into_iter()
            .filter(|record| matches!(record.standing, MemberState::Joining | MemberState::Member));
        let mut nodes: BTreeMap<NodeName, Address> =
            admitted.map(|record| (record.name, record.address)).collect();
        nodes.extend(membership.nodes().map(|(_, member)| (member.name.clone(), member.address.clone())));
        let own = self.node.name();
        let asked = nodes.iter().map(async |(name, address)| match name == own {
            true => (name.clone(), Some(LEVEL_MAX)),
            false => (name.clone(), status::ask(&self.node, name, address).await.map(|status| status.level)),
        });
        Ok(join_all(asked).await)
    }
}

fn knows_enough(name: &NodeName, known: FeatureLevel, level: FeatureLevel) -> Result<(), Rejection> {
    if known >= level {
        return Ok(());
    }
    Err(refused(
        format!("the cluster is at feature level {level}, and {name} knows level {known} only"),
        format!("install the version of the other nodes on {name}: 'coffeectl upgrade status' shows it"),
    ))
}

/// Returns the level to which the cluster may be raised: the present one if no member knows more.
fn may_raise(level: FeatureLevel, members: &[KnownLevel]) -> Result<FeatureLevel, Rejection> {
    let highest = members.iter().filter_map(|(_, known)| *known).max().unwrap_or(level);
    if highest <= level {
        return Ok(level);
    }
    let next = level.next();
    let least = members.iter().map(|(_, known)| known.unwrap_or(level)).min().unwrap_or(level);
    if least >= next {
        return Ok(least);
    }
    let named = |missing: &dyn Fn(Option<FeatureLevel>) -> bool| {
        let names = members.iter().filter(|(_, known)| missing(*known)).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (lag, silent) =
        (named(&|known| known.is_some_and(|known| known < next)), named(&|known| known.is_none()));
    let reasons = [
        (!lag.is_empty()).then(|| format!("not known at {lag}")),
        (!silent.is_empty()).then(|| format!("no answer from {silent}")),
    ];
    let reasons: Vec<String> = reasons.into_iter().flatten().collect();
    Err(refused(
        format!("not every member is known to know feature level {next}: {}", reasons.join("; ")),
        "upgrade and start these nodes, or remove those that are lost ('coffeectl node remove NODE'); \
         'coffeectl upgrade status' shows all"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(known: &[(&str, Option<u32>)]) -> Vec<KnownLevel> {
        let member =
            |(name, known): &(&str, Option<u32>)| (name.parse().expect("legal"), known.map(FeatureLevel));
        known.iter().map(member).collect()
    }

    fn judged(level: u32, known: &[(&str, Option<u32>)]) -> Result<u32, String> {
        match may_raise(FeatureLevel(level), &members(known)) {
            Ok(level) => Ok(level.0),
            Err(Rejection::Refused { reason, .. }) => Err(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_level_rises_to_what_all_members_know() {
        assert_eq!(judged(1, &[("ming", Some(2)), ("hong", Some(2))]), Ok(2));
        assert_eq!(judged(1, &[("ming", Some(4)), ("hong", Some(3))]), Ok(3));
        // There is nothing to raise, even if one does not answer.
        assert_eq!(judged(2, &[("ming", Some(2)), ("hong", None)]), Ok(2));
        assert_eq!(judged(2, &[("ming", Some(2)), ("hong", Some(2))]), Ok(2));
    }

    #[test]
    fn a_member_that_knows_less_or_does_not_answer_is_named() {
        let reason =
            judged(1, &[("ming", Some(2)), ("hong", Some(1)), ("peng", None)]).expect_err("is refused");
        assert_eq!(
            reason,
            "not every member is known to know feature level 2: not known at hong; no answer from peng"
        );
        let reason = judged(1, &[("ming", Some(2)), ("hong", Some(1)), ("peng", Some(1))]);
        assert!(reason.expect_err("is refused").ends_with("not known at hong, peng"));
    }

    #[test]
    fn a_node_that_knows_less_than_the_cluster_is_refused() {
        let hong: NodeName = "hong".parse().expect("legal");
        let judge = |known, level| knows_enough(&hong, FeatureLevel(known), FeatureLevel(level));
        assert!(judge(1, 1).is_ok() && judge(3, 2).is_ok());
        let Err(Rejection::Refused { reason, hint }) = judge(1, 2) else { panic!("it is refused") };
        assert_eq!(reason, "the cluster is at feature level 2, and hong knows level 1 only");
        assert!(hint.contains("coffeectl upgrade status"), "{hint}");
    }
}
