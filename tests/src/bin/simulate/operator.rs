//! Operators that move the leader, remove nodes and bring them back during everything else, and
//! that write down what they were told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_client::{Client, Credentials, Error, OutcomeKind};
use coffee_common::setting::{Setting, SettingName};
use coffee_tests::sim::checks::operators::{OperatorAnswer, OperatorCall, OperatorVerb};
use tokio::time::Instant;

use crate::{
    entropy::SimRng,
    node::SimNode,
    setting_record::{CallFailure, SettingRecord},
    trace::Trace,
    world::client,
};

/// Why a node of an older version is not admitted.
const KNOWS_LESS: &str = "the cluster is at feature level";

/// Every call of every operator, in order of time.
#[derive(Clone, Default)]
pub(crate) struct OperatorRecord(Arc<Mutex<Vec<OperatorCall>>>);

impl OperatorRecord {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<OperatorCall>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All calls.
    pub(crate) fn calls(&self) -> Vec<OperatorCall> {
        self.with(|calls| calls.clone())
    }

    /// The call that follows the first `known` ones, if there is one.
    pub(crate) fn after(&self, known: usize) -> Option<OperatorCall> {
        self.with(|calls| calls.get(known).cloned())
    }

    /// The node of a call in progress.
    fn in_progress(&self) -> Option<String> {
        self.with(|calls| {
            let mut open = calls.iter().filter(|call| call.answer.is_none() && !call.node.is_empty());
            open.next().map(|call| call.node.clone())
        })
    }

    /// Numbers of calls that were done, that are in doubt, and of which nothing was done.
    pub(crate) fn counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for (_, answer) in self.calls().into_iter().filter_map(|call| call.answer) {
            counts[match answer {
                OperatorAnswer::InDoubt(_) => 1,
                OperatorAnswer::NothingDone(_) => 2,
                _ => 0,
            }] += 1;
        }
        counts
    }

    /// Carries a call out and writes down what it was told.
    pub(crate) async fn call(
        &self,
        client: &Client,
        verb: OperatorVerb,
        shop: Option<&SimNode>,
        trace: &Trace,
    ) {
        let node = shop.map_or("", |shop| shop.name.as_str());
        let called = trace.now();
        let call = OperatorCall { verb, node: node.to_owned(), called, answer: None };
        let place = self.with(|calls| {
            calls.push(call);
            calls.len() - 1
        });
        let answer = match carry_out(client, verb, shop).await {
            Ok(answer) => answer,
            Err(error) if error.outcome() == OutcomeKind::NotApplied => {
                OperatorAnswer::NothingDone(error.to_string())
            }
            Err(error) => OperatorAnswer::InDoubt(error.to_string()),
        };
        let returned = trace.now();
        trace.note("operator", (called << 32) ^ returned);
        if matches!(&answer, OperatorAnswer::NothingDone(why) if why.contains(KNOWS_LESS)) {
            trace.note("admission refused", returned);
        }
        self.with(|calls| calls[place].answer = Some((returned, answer)));
    }
}

async fn carry_out(
    client: &Client,
    verb: OperatorVerb,
    shop: Option<&SimNode>,
) -> Result<OperatorAnswer, Error> {
    let name = shop.map(|shop| shop.name.clone());
    match (verb, name) {
        (OperatorVerb::Transfer, to) => {
            let transferred = client.transfer(to).await?;
            Ok(OperatorAnswer::Leads(transferred.to.to_string(), transferred.term))
        }
        (OperatorVerb::Down, node) => client.down(node, false).await.map(|_| OperatorAnswer::Gone),
        (OperatorVerb::Remove, Some(node)) => client.remove(node, false).await.map(|_| OperatorAnswer::Gone),
        (OperatorVerb::Boot, Some(name)) => {
            let booted = client.boot(name, shop.map(SimNode::address)).await?;
            Ok(booted.id.map_or(OperatorAnswer::Announced, |id| OperatorAnswer::Voter(id.0)))
        }
        (OperatorVerb::Remove | OperatorVerb::Boot, None) => Err(Error::Setup("it needs a node".to_owned())),
    }
}

pub(crate) struct Operator {
    pub(crate) number: u64,
    pub(crate) shops: Vec<SimNode>,
    pub(crate) credentials: Credentials,
    pub(crate) rng: SimRng,
    pub(crate) seed: u64,
    pub(crate) record: OperatorRecord,
    pub(crate) trace: Trace,
}

impl Operator {
    /// The name of its machine.
    pub(crate) fn host(number: u64) -> String {
        format!("operator-{number}")
    }

    /// Works until `end`. Rejections and failures are expected: a fault may prevent an
    /// operation.
    pub(crate) async fn work(mut self, end: Duration) -> Result<(), Box<dyn std::error::Error>> {
        let end = Instant::now() + end;
        let shops = self.shops.clone();
        let names: Vec<&str> = shops.iter().map(|shop| shop.name.as_str()).collect();
        let (host, number) = (Self::host(self.number), 50 + self.number);
        let any = client(&host, number, &names, &self.credentials, self.seed, &self.trace).await?;
        // One who has met the cluster does not take for it what a node founds later.
        while Instant::now() < end && !any.cluster().await.is_ok_and(|view| view.cluster.is_some()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // All but the founder ask for it.
        for shop in shops.iter().skip(1).filter(|_| self.number == 0) {
            self.record.call(&any, OperatorVerb::Boot, Some(shop), &self.trace).await;
        }
        let mut quota = SettingRecord::default();
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(500 + self.rng.below(4000))).await;
            if self.number == 0 && self.rng.below(4) == 0 {
                change_quota(&mut quota, &any, &mut self.rng).await;
                continue;
            }
            let client = match self.rng.below(3) {
                0 => self.leader().map(|leader| any.at(leader.address())).transpose()?,
                1 => Some(any.at(shops[self.rng.below(shops.len() as u64) as usize].address())?),
                _ => None,
            };
            let (verb, node) = self.choose(&names);
            // Shorter than many cuts, so that some calls end before the cluster is whole again.
            let patience = Duration::from_millis(self.rng.of(&[1000, 2000, 4000]));
            let client = client.as_ref().unwrap_or(&any).with_timeout(patience);
            self.record.call(&client, verb, self.shop(&node), &self.trace).await;
        }
        for _ in 0..shops.len() {
            let Some(node) = self.absent().filter(|_| self.number == 0) else { break };
            self.record.call(&any, OperatorVerb::Boot, self.shop(&node), &self.trace).await;
        }
        if self.number == 0 {
            check_quota(&quota, &any).await?;
        }
        Ok(())
    }

    fn shop(&self, name: &str) -> Option<&SimNode> {
        self.shops.iter().find(|shop| shop.name.as_str() == name)
    }

    /// A node that claims to lead: of several, any.
    fn leader(&mut self) -> Option<&SimNode> {
        let leaders: Vec<usize> = (0..self.shops.len()).filter(|node| self.shops[*node].leads()).collect();
        if leaders.is_empty() {
            return None;
        }
        let node = self.rng.of(&leaders);
        Some(&self.shops[node])
    }

    fn choose(&mut self, names: &[&str]) -> (OperatorVerb, String) {
        let name = match self.record.in_progress().filter(|_| self.rng.below(2) == 0) {
            // Another operator is busy with it.
            Some(name) => name,
            None => self.rng.of(names).to_owned(),
        };
        match self.rng.below(12) {
            0 | 1 => (OperatorVerb::Transfer, String::new()),
            2 => (OperatorVerb::Transfer, name),
            3 | 4 => (OperatorVerb::Down, name),
            5 => (OperatorVerb::Down, self.leader().map_or(name, |leader| leader.name.to_string())),
            6 => (OperatorVerb::Remove, name),
            7 => (OperatorVerb::Boot, name),
            _ => (OperatorVerb::Boot, self.absent().unwrap_or(name)),
        }
    }

    /// A node that is not a voter.
    fn absent(&self) -> Option<String> {
        let votes = |shop: &SimNode| {
            let raft = shop.status()?.raft?;
            raft.voters.iter().any(|voters| voters.contains(&raft.id)).then_some(())
        };
        let absent = self.shops.iter().find(|shop| votes(shop).is_none());
        absent.map(|shop| shop.name.to_string())
    }
}

/// Sets another quota: one that the data, which are up to 12 KB, exceed, or one that they never reach.
async fn change_quota(quota: &mut SettingRecord, client: &Client, rng: &mut SimRng) {
    let value = rng.of(&[8000, 1 << 20, 1 << 20]) + quota.changes();
    let client = client.with_timeout(Duration::from_millis(rng.of(&[1000, 2000, 4000])));
    let answer = client.set_setting(Setting::DataBytesMax(value)).await;
    let failure = |error: Error| CallFailure {
        is_nothing_done: error.outcome() == OutcomeKind::NotApplied,
        why: error.to_string(),
    };
    quota.note(value, &answer.map(drop).map_err(failure));
}

/// Checks the quota, unless a fault prevents the answer.
async fn check_quota(quota: &SettingRecord, client: &Client) -> Result<(), String> {
    let Ok(settings) = client.settings().await else { return Ok(()) };
    let name = SettingName::DataBytesMax.as_str();
    quota.check(settings.iter().find(|setting| setting.name == name).map(|setting| &*setting.value))
}
