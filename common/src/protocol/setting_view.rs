//! Settings of the cluster as clients see them: as text, so that an old client shows and changes
//! those that only newer nodes know.

use serde::{Deserialize, Serialize};

use crate::{
    setting::{ClusterSettings, SettingName},
    text,
};

/// The maximum number of settings in a response.
pub const SETTINGS_MAX: usize = 256;

/// A setting of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SettingView {
    /// Its name.
    #[serde(deserialize_with = "text::word")]
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "text::word")]
    pub value: String,
    /// Its value if it is not set.
    #[serde(deserialize_with = "text::word")]
    pub default: String,
    /// Its meaning, for people.
    #[serde(deserialize_with = "text::message")]
    pub description: String,
}

/// A setting after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ChangedSetting {
    /// The setting as it is now.
    pub now: SettingView,
    /// Its value before the change.
    #[serde(deserialize_with = "text::word")]
    pub before: String,
    /// Whether the change gave it another value, or set it to its default.
    pub changed: bool,
}

crate::enveloped!(SettingView, ChangedSetting);

impl SettingView {
    /// Returns a setting as it is among these.
    pub fn of(settings: &ClusterSettings, name: SettingName) -> Self {
        Self {
            name: name.as_str().to_owned(),
            value: settings.get(name).value(),
            default: ClusterSettings::default().get(name).value(),
            description: name.description().to_owned(),
        }
    }
}
