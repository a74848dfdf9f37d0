//! Settings of the cluster: replicated values that hold at every node, and that an operator may
//! change while it runs.
//!
//! Guards that a value is judged once, by the leader before it is proposed, and that every replica
//! then applies it: what is in bounds may differ between versions. The names and texts are for
//! people and scripts, which see settings that only newer nodes know; the replicated form has types.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    feature_level::{FeatureLevel, HISTORY, LEVEL_MIN},
    limits::DISK_FREE_BYTES_MIN,
};

/// Bounds of [`Setting::DataBytesMax`].
const DATA_BYTES: (u64, u64) = (0, 1 << 50);

/// Bounds of [`Setting::DiskFreeBytesMin`]. The lower one has room for the largest write.
const DISK_FREE_BYTES: (u64, u64) = (8 << 20, 1 << 40);

/// Bounds of [`Setting::HistoryBytesMax`] and [`Setting::HistoryChangesMax`].
const HISTORY_BYTES: (u64, u64) = (0, 1 << 50);
const HISTORY_CHANGES: (u64, u64) = (0, 1 << 40);

/// Units of bytes, and the power of two that each stands for.
const UNITS: [(&str, u32); 5] = [("", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// A setting of the cluster and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Setting {
    /// Maximum number of bytes of keys and values, with some 20 bytes per key; 0 for none. The leader
    /// rejects writes that add data beyond it.
    DataBytesMax(u64),
    /// The free space of a data directory's disk, in bytes, below which a node has no room for more
    /// data. While too few voters have room, the leader rejects writes that add data.
    DiskFreeBytesMin(u64),
    /// How the feature level rises after an upgrade.
    UpgradeFinish(UpgradeFinish),
    /// Maximum number of bytes of the history: changes, and earlier values that are kept for them. The
    /// oldest part is dropped beyond it.
    HistoryBytesMax(u64),
    /// Maximum number of changes in the history.
    HistoryChangesMax(u64),
    /// A number without a meaning.
    #[cfg(coffee_future)]
    FutureNumber(u64),
}

/// The name of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum SettingName {
    /// See [`Setting::DataBytesMax`].
    DataBytesMax,
    /// See [`Setting::DiskFreeBytesMin`].
    DiskFreeBytesMin,
    /// See [`Setting::UpgradeFinish`].
    UpgradeFinish,
    /// See [`Setting::HistoryBytesMax`].
    HistoryBytesMax,
    /// See [`Setting::HistoryChangesMax`].
    HistoryChangesMax,
    /// See [`Setting::FutureNumber`].
    #[cfg(coffee_future)]
    FutureNumber,
}

/// How the feature level of the cluster rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UpgradeFinish {
    /// An operator raises it; until then each node can return to the version before.
    #[default]
    ByHand,
    /// The leader raises it as soon as all members know the next level.
    Automatic,
}

/// A change of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum SettingChange {
    /// Gives a setting a value.
    Set(Setting),
    /// Gives a setting its default again.
    Unset(SettingName),
}

crate::enveloped!(Setting, SettingName, SettingChange);

/// All settings in force: the defaults for those that are not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterSettings {
    /// See [`Setting::DataBytesMax`].
    pub data_bytes_max: u64,
    /// See [`Setting::DiskFreeBytesMin`].
    pub disk_free_bytes_min: u64,
    /// See [`Setting::UpgradeFinish`].
    pub upgrade_finish: UpgradeFinish,
    /// See [`Setting::HistoryBytesMax`].
    pub history_bytes_max: u64,
    /// See [`Setting::HistoryChangesMax`].
    pub history_changes_max: u64,
    /// See [`Setting::FutureNumber`].
    #[cfg(coffee_future)]
    pub future_number: u64,
}

/// Why a change of the settings is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("there is no setting '{0}'; the settings are: {known}", known = names())]
    Name(String),
    /// The value is malformed or out of bounds.
    #[error("{name} cannot be '{value}': {allowed}")]
    Value {
        /// The setting.
        name: SettingName,
        /// The value.
        value: String,
        /// The values that it may have.
        allowed: String,
    },
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            data_bytes_max: 0,
            disk_free_bytes_min: DISK_FREE_BYTES_MIN,
            upgrade_finish: UpgradeFinish::default(),
            history_bytes_max: 256 << 20,
            history_changes_max: 1_000_000,
            #[cfg(coffee_future)]
            future_number: 0,
        }
    }
}

impl ClusterSettings {
    /// Returns the settings in force if these are set.
    pub fn of(set: impl IntoIterator<Item = Setting>) -> Self {
        let mut settings = Self::default();
        for setting in set {
            match setting {
                Setting::DataBytesMax(bytes) => settings.data_bytes_max = bytes,
                Setting::DiskFreeBytesMin(bytes) => settings.disk_free_bytes_min = bytes,
                Setting::UpgradeFinish(how) => settings.upgrade_finish = how,
                Setting::HistoryBytesMax(bytes) => settings.history_bytes_max = bytes,
                Setting::HistoryChangesMax(changes) => settings.history_changes_max = changes,
                #[cfg(coffee_future)]
                Setting::FutureNumber(number) => settings.future_number = number,
            }
        }
        settings
    }

    /// Returns one of them.
    pub fn get(&self, name: SettingName) -> Setting {
        match name {
            SettingName::DataBytesMax => Setting::DataBytesMax(self.data_bytes_max),
            SettingName::DiskFreeBytesMin => Setting::DiskFreeBytesMin(self.disk_free_bytes_min),
            SettingName::UpgradeFinish => Setting::UpgradeFinish(self.upgrade_finish),
            SettingName::HistoryBytesMax => Setting::HistoryBytesMax(self.history_bytes_max),
            SettingName::HistoryChangesMax => Setting::HistoryChangesMax(self.history_changes_max),
            #[cfg(coffee_future)]
            SettingName::FutureNumber => Setting::FutureNumber(self.future_number),
        }
    }
}

impl Setting {
    /// Returns its name.
    pub fn name(&self) -> SettingName {
        match self {
            Self::DataBytesMax(_) => SettingName::DataBytesMax,
            Self::DiskFreeBytesMin(_) => SettingName::DiskFreeBytesMin,
            Self::UpgradeFinish(_) => SettingName::UpgradeFinish,
            Self::HistoryBytesMax(_) => SettingName::HistoryBytesMax,
            Self::HistoryChangesMax(_) => SettingName::HistoryChangesMax,
            #[cfg(coffee_future)]
            Self::FutureNumber(_) => SettingName::FutureNumber,
        }
    }

    /// Returns its value as text: bytes as a plain number.
    pub fn value(&self) -> String {
        match self {
            Self::DataBytesMax(number)
            | Self::DiskFreeBytesMin(number)
            | Self::HistoryBytesMax(number)
            | Self::HistoryChangesMax(number) => number.to_string(),
            Self::UpgradeFinish(how) => how.as_str().to_owned(),
            #[cfg(coffee_future)]
            Self::FutureNumber(number) => number.to_string(),
        }
    }
}

impl SettingName {
    /// All settings that this build knows.
    pub const ALL: &[Self] = &[
        Self::DataBytesMax,
        Self::DiskFreeBytesMin,
        Self::UpgradeFinish,
        Self::HistoryBytesMax,
        Self::HistoryChangesMax,
        #[cfg(coffee_future)]
        Self::FutureNumber,
    ];

    /// Returns it as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataBytesMax => "data_bytes_max",
            Self::DiskFreeBytesMin => "disk_free_bytes_min",
            Self::UpgradeFinish => "upgrade_finish",
            Self::HistoryBytesMax => "history_bytes_max",
            Self::HistoryChangesMax => "history_changes_max",
            #[cfg(coffee_future)]
            Self::FutureNumber => "future_number",
        }
    }

    /// Returns the meaning of the setting, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::DataBytesMax => "maximum bytes of keys and values, with some 20 per key; 0 for none",
            Self::DiskFreeBytesMin => "free disk space below which a node takes no more data",
            Self::UpgradeFinish => "how the feature level rises after an upgrade",
            Self::HistoryBytesMax => "maximum bytes of changes and earlier values in the history",
            Self::HistoryChangesMax => "maximum changes in the history",
            #[cfg(coffee_future)]
            Self::FutureNumber => "a number without a meaning",
        }
    }

    /// Returns the lowest feature level at which it may be changed.
    pub fn level(self) -> FeatureLevel {
        match self {
            Self::DataBytesMax | Self::DiskFreeBytesMin | Self::UpgradeFinish => LEVEL_MIN,
            Self::HistoryBytesMax | Self::HistoryChangesMax => HISTORY,
            #[cfg(coffee_future)]
            Self::FutureNumber => crate::feature_level::FUTURE.level,
        }
    }

    /// Reads a value: a number of bytes may have a unit, such as `64MiB`.
    ///
    /// # Errors
    /// [`SettingError::Value`] if it is malformed or out of bounds.
    pub fn parse(self, value: &str) -> Result<Setting, SettingError> {
        let error = |allowed| SettingError::Value { name: self, value: value.to_owned(), allowed };
        let count = |(min, max)| match value.parse::<u64>() {
            Ok(count) if (min..=max).contains(&count) => Ok(count),
            _ => Err(error(format!("set it to a number from {min} to {max}"))),
        };
        let bytes = |(min, max)| match bytes(value) {
            Some(bytes) if (min..=max).contains(&bytes) => Ok(bytes),
            _ => Err(error(format!("set it to {min} to {max} bytes, such as {max} or 64MiB"))),
        };
        match self {
            Self::DataBytesMax => bytes(DATA_BYTES).map(Setting::DataBytesMax),
            Self::DiskFreeBytesMin => bytes(DISK_FREE_BYTES).map(Setting::DiskFreeBytesMin),
            Self::UpgradeFinish => match UpgradeFinish::ALL.into_iter().find(|how| how.as_str() == value) {
                Some(how) => Ok(Setting::UpgradeFinish(how)),
                None => Err(error(format!(
                    "set it to {}",
                    UpgradeFinish::ALL.map(|how| how.as_str()).join(" or ")
                ))),
            },
            Self::HistoryBytesMax => bytes(HISTORY_BYTES).map(Setting::HistoryBytesMax),
            Self::HistoryChangesMax => count(HISTORY_CHANGES).map(Setting::HistoryChangesMax),
            #[cfg(coffee_future)]
            Self::FutureNumber => bytes((0, u64::MAX)).map(Setting::FutureNumber),
        }
    }
}

impl UpgradeFinish {
    const ALL: [Self; 2] = [Self::ByHand, Self::Automatic];

    /// Returns it as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByHand => "by-hand",
            Self::Automatic => "automatic",
        }
    }
}

impl SettingChange {
    /// Reads a change; `None` for a value gives the setting its default again.
    ///
    /// # Errors
    /// There is no such setting, or it cannot have this value.
    pub fn parse(name: &str, value: Option<&str>) -> Result<Self, SettingError> {
        let name = name.parse::<SettingName>()?;
        match value {
            Some(value) => name.parse(value).map(Self::Set),
            None => Ok(Self::Unset(name)),
        }
    }

    /// Returns the setting that it changes.
    pub fn name(&self) -> SettingName {
        match self {
            Self::Set(setting) => setting.name(),
            Self::Unset(name) => *name,
        }
    }
}

impl FromStr for SettingName {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let known = Self::ALL.iter().find(|name| name.as_str() == text);
        known.copied().ok_or_else(|| SettingError::Name(text.to_owned()))
    }
}

impl fmt::Display for SettingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(setting) => write!(f, "{} = {}", setting.name(), setting.value()),
            Self::Unset(name) => write!(f, "{name} = default"),
        }
    }
}

fn names() -> String {
    SettingName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Reads a number of bytes with a unit, if it has one.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, power) = UNITS.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << power)
}

#[cfg(test)]
mod tests;
