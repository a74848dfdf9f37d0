//! The operator of an upgrade, with a command of the next version: it finishes the upgrade once it may,
//! and uses what the next feature level brings, before and after.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use crate::{
    build::{NextClient, SimBuild, SimCredentials},
    entropy::SimRng,
    node::{CLIENT_PORT, SimNode, address},
    setting_record::SettingRecord,
    socket::SimSocket,
    trace::Trace,
    upgrade::UpgradePlan,
    world::SimError,
};

/// Its number among the clients.
const NUMBER: u64 = 60;

pub(crate) struct Upgrader {
    pub(crate) shops: Vec<SimNode>,
    pub(crate) credentials: SimCredentials,
    pub(crate) rng: SimRng,
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
    pub(crate) plan: UpgradePlan,
}

impl Upgrader {
    /// The name of its machine.
    pub(crate) const HOST: &'static str = "upgrader";

    /// Works until `end`. Rejections and failures are expected.
    pub(crate) async fn work(mut self, end: Duration) -> Result<(), SimError> {
        let end = Instant::now() + end;
        let port = CLIENT_PORT + u16::try_from(NUMBER)?;
        let socket = SimSocket::bind(turmoil::lookup(Self::HOST), port, self.trace.clone()).await?;
        let endpoints = self.shops.iter().map(|shop| address(shop.name.as_str()));
        let seed = self.seed ^ (NUMBER << 32);
        let client = NextClient::new(socket, endpoints, &self.credentials, NUMBER, seed)?;
        // One that has met the cluster does not take for it what a node founds later.
        while Instant::now() < end && !client.has_met().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (mut number, mut is_automatic, mut is_finished) = (SettingRecord::default(), false, false);
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(100 + self.rng.below(900))).await;
            if !is_automatic && self.plan.is_automatic.load(Ordering::Acquire) {
                is_automatic = client.let_finish().await.is_ok();
            }
            if !is_finished && self.plan.may_finish.load(Ordering::Acquire) {
                is_finished = self.finish(&client).await?;
            }
            match self.rng.below(3) {
                0 => {
                    let value = 1 + number.changes();
                    let answer = client.set_number(value).await;
                    self.note("number set", answer.is_ok());
                    number.note(value, &answer);
                }
                _ => {
                    let names: Vec<_> = self.shops.iter().map(|shop| &shop.name).collect();
                    let touched = client.touch(self.rng.of(&names)).await;
                    self.note("touch applied", touched.as_ref().is_ok_and(|has_record| *has_record));
                    if touched.is_err_and(|failure| failure.is_below_level()) {
                        self.note("below the level refused", true);
                    }
                }
            }
        }
        // A fault may prevent the answer, and a node of this version does not know the setting.
        match client.number().await {
            Ok(Some(found)) => Ok(number.check(Some(&found))?),
            _ => Ok(()),
        }
    }

    /// Finishes the upgrade. Returns whether it is finished.
    async fn finish(&mut self, client: &NextClient) -> Result<bool, SimError> {
        if self.rng.below(3) == 0 {
            client.finish_upgrade(true).await.ok();
        }
        match client.finish_upgrade(false).await {
            Ok(level) if level == SimBuild::Next.level() => Ok(true),
            Ok(level) => Err(format!("the upgrade is finished at level {level}").into()),
            Err(_) => {
                self.note("finish refused", true);
                Ok(false)
            }
        }
    }

    fn note(&self, what: &'static str, is_so: bool) {
        if is_so {
            self.trace.note(what, self.trace.now());
        }
    }
}
