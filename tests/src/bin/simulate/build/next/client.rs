//! An operator's client of the next version.

use std::{sync::Arc, time::Duration};

use coffee_client_next::{Client, Error, OutcomeKind};
use coffee_common::id::{Address, NodeName};

use super::{
    super::SimCredentials,
    common::{
        id::ClientId,
        setting::{Setting, SettingName, UpgradeFinish},
    },
    endpoint::endpoint,
};
use crate::{setting_record::CallFailure, socket::SimSocket};

/// A client that knows the requests of the next version.
pub(crate) struct NextClient(Client);

impl NextClient {
    /// Creates a client over a socket of the current host.
    pub(crate) fn new(
        socket: Arc<SimSocket>,
        endpoints: impl IntoIterator<Item = Address>,
        credentials: &SimCredentials,
        number: u64,
        seed: u64,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let endpoints: Result<Vec<_>, _> =
            endpoints.into_iter().map(|address| address.as_str().parse()).collect();
        let client = Client::builder()
            .endpoints(endpoints?)
            .credentials(credentials.next.clone())
            .quic(endpoint(socket, &credentials.next, seed)?)
            .client_id(ClientId(u128::from(number) + 1))
            .timeout(Duration::from_secs(3))
            .build()?;
        Ok(Self(client))
    }

    /// Whether it has met the cluster.
    pub(crate) async fn has_met(&self) -> bool {
        self.0.cluster().await.is_ok_and(|view| view.cluster.is_some())
    }

    /// Raises the feature level to the highest one that all members know, and returns it.
    pub(crate) async fn finish_upgrade(&self, dry_run: bool) -> Result<u32, CallFailure> {
        self.0.finish_upgrade(dry_run).await.map(|raised| raised.to.0).map_err(failure)
    }

    /// Lets the leader finish upgrades by itself.
    pub(crate) async fn let_finish(&self) -> Result<(), CallFailure> {
        let setting = Setting::UpgradeFinish(UpgradeFinish::Automatic);
        self.0.set_setting(setting).await.map(drop).map_err(failure)
    }

    /// Writes the record of a node again, with a command of the next level.
    pub(crate) async fn touch(&self, name: &NodeName) -> Result<bool, CallFailure> {
        self.0.future_touch(name.as_str().parse().expect("legal")).await.map_err(failure)
    }

    /// Changes the setting of the next level.
    pub(crate) async fn set_number(&self, number: u64) -> Result<(), CallFailure> {
        self.0.set_setting(Setting::FutureNumber(number)).await.map(drop).map_err(failure)
    }

    /// Reads the setting of the next level: `None` if a node answers that does not know it.
    pub(crate) async fn number(&self) -> Result<Option<String>, CallFailure> {
        let settings = self.0.settings().await.map_err(failure)?;
        let name = SettingName::FutureNumber.as_str();
        Ok(settings.into_iter().find(|setting| setting.name == name).map(|setting| setting.value))
    }
}

fn failure(error: Error) -> CallFailure {
    CallFailure { is_nothing_done: error.outcome() == OutcomeKind::NotApplied, why: error.to_string() }
}
