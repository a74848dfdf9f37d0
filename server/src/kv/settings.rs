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
    let set = tables.store().settings()?;
    let known = set.into_iter().find(|setting| setting.name() == change.name());
    let key = key(change.name());
    let wanted = match change {
        SettingChange::Set(setting) => Some(*setting),
        SettingChange::Unset(_) => None,
    };
    if wanted == known {
        return Ok(Outcome::SettingChanged(false));
    }
    match &wanted {
        Some(setting) => tables.put(Table::Settings, key, |_, row| {
            *row = encode(setting)?;
            Ok(())
        })?,
        None => {
            tables.take(Table::Settings, key, |row| decode(key, row))?;
        }
    }
    Ok(Outcome::SettingChanged(true))
}
