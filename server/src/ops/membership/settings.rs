//! The settings of the cluster, on the leader.
//!
//! Guards that a value is judged before it is proposed: replicas apply it as it is.

use coffee_common::{
    command::{Command, Outcome},
    protocol::{ChangedSetting, Rejection, Response, SettingView},
    setting::{SettingChange, SettingName},
};

use super::Leading;
use crate::node::propose::{ProposeError, propose};

impl Leading {
    /// Returns all settings that this build knows.
    pub(super) fn settings(&self) -> Response {
        let settings = self.replica.state().settings();
        Response::Settings(SettingName::ALL.iter().map(|name| SettingView::of(&settings, *name)).collect())
    }

    /// Changes a setting; `None` gives it its default. Idempotent.
    pub(super) async fn change_setting(
        &self,
        name: &str,
        value: Option<&str>,
    ) -> Result<Response, ProposeError> {
        let change =
            SettingChange::parse(name, value).map_err(|error| Rejection::Invalid(error.to_string()))?;
        let before = self.replica.state().settings().get(change.name()).value();
        let outcome = propose(&self.replica, None, Command::ChangeSetting(change), self.deadline).await;
        match self.progress.step(outcome)? {
            Outcome::SettingChanged(changed) => {
                if changed {
                    tracing::info!(%change, before, "a setting of the cluster is changed");
                }
                let now = SettingView::of(&self.replica.state().settings(), change.name());
                Ok(Response::SettingChanged(ChangedSetting { now, before, changed }))
            }
            other => Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into()),
        }
    }
}
