//! The feature level of the cluster, a row among the values that describe the whole state.
//!
//! Guards that the level rises by one at a time and never falls, and that no build applies what it
//! does not know: it would come to another state than those that do.

use coffee_common::{
    command::Outcome,
    feature_level::{FeatureLevel, HISTORY, LEVEL_MIN},
    id::Revision,
};

use super::{
    error::KvError,
    row::format::{open, seal},
    store::Store,
    table::{MetaKey, Table},
    tables::Tables,
};

const KEY: MetaKey = MetaKey::Level;

impl Store {
    /// Reads the feature level of the cluster: the lowest one before its first membership.
    ///
    /// # Errors
    /// The row is damaged, or the database failed.
    pub fn level(&self) -> Result<FeatureLevel, KvError> {
        Ok(self.recorded_level()?.unwrap_or(LEVEL_MIN))
    }

    fn recorded_level(&self) -> Result<Option<FeatureLevel>, KvError> {
        self.row(Table::Meta, KEY.as_bytes())?.map(|row| decode(row.get())).transpose()
    }
}

/// Records the level of a cluster that is founded. Does nothing in any other one.
///
/// # Errors
/// A row is damaged, or the database failed.
pub fn begin_level(tables: &mut Tables<'_>) -> Result<(), KvError> {
    match tables.store().recorded_level()? {
        None => put(tables, LEVEL_MIN),
        Some(_) => Ok(()),
    }
}

/// Raises the level by one, on a build that knows the levels up to `known`.
pub(super) fn raise(
    tables: &mut Tables<'_>,
    at: Revision,
    to: FeatureLevel,
    known: FeatureLevel,
) -> Result<Outcome, KvError> {
    let level = tables.store().level()?;
    if to != level.next() {
        return Ok(Outcome::LevelRaised { level, changed: false });
    }
    if to > known {
        return Err(KvError::Level(to));
    }
    put(tables, to)?;
    if to == HISTORY {
        tables.begin_history(at);
    }
    Ok(Outcome::LevelRaised { level: to, changed: true })
}

fn put(tables: &mut Tables<'_>, level: FeatureLevel) -> Result<(), KvError> {
    tables.put(Table::Meta, KEY.as_bytes(), |_, row| {
        *row = seal(Table::Meta, KEY.as_bytes(), &level.0.to_le_bytes());
        Ok(())
    })
}

fn decode(row: &[u8]) -> Result<FeatureLevel, KvError> {
    let payload = open(Table::Meta, KEY.as_bytes(), row)?;
    let payload =
        payload.try_into().map_err(|_| KvError::damaged(Table::Meta, "the level has a wrong length"))?;
    Ok(FeatureLevel(u32::from_le_bytes(payload)))
}
