//! The settings of the cluster: one row for each that is set.
//!
//! Guards that every replica applies the same value: the leader has judged it, and it is not judged
//! again here.

use coffee_common::{
    command::Outcome,
    setting::{Setting, SettingChange},
};

use super::{
    error::KvError,
    row::settings::{decode, encode, key},
    store::Store,
    table::Table,
    tables::Tables,
};

impl Store {
    /// Reads the settings that are set.
    ///
    /// # Errors
    /// A row is damaged, or the database failed.
    pub fn settings(&self) -> Result<Vec<Setting>, KvError> {
        let rows = self.rows(Table::Settings)?;
        rows.map(|row| row.and_then(|(key, row)| decode(key.get(), row.get()))).collect()
    }
}

/// Sets or unsets a setting.
pub(super) fn change(tables: &mut Tables<'_>, change: &SettingChange) -> Result<Outcome, KvError> {
    let changed = match change {
        SettingChange::Set(setting) => set(tables, setting)?,
        SettingChange::Unset(name) => {
            let key = key(*name);
            tables.take(Table::Settings, key, |row| decode(key, row))?.is_some()
        }
    };
    Ok(Outcome::SettingChanged(changed))
}

/// Returns whether the setting was not set to this value before.
fn set(tables: &mut Tables<'_>, setting: &Setting) -> Result<bool, KvError> {
    let key = key(setting.name());
    let row = tables.store().row(Table::Settings, key)?;
    let known = row.map(|row| decode(key, row.get())).transpose()?;
    if known.as_ref() == Some(setting) {
        return Ok(false);
    }
    tables.put(Table::Settings, key, |_, row| {
        *row = encode(setting)?;
        Ok(())
    })?;
    Ok(true)
}
