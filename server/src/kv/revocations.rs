//! The revocation lists of the cluster, one per CA.
//!
//! Guards that the list of a CA is only ever replaced by one with a higher number. Signatures are
//! verified before a list is proposed and again before it takes effect, never here: nodes may trust
//! different CAs for a while, and all of them must come to the same state.

use coffee_common::{
    command::Outcome, id::Revision, limits::CLUSTER_LISTS_MAX, revocation_list::RevocationList,
};

use super::{
    error::KvError,
    row::revocations::{RecordedList, decode, encode},
    table::Table,
    tables::Tables,
};

/// Records a list as of the entry `at`. If there are too many, it replaces the one that was recorded
/// longest ago: that of a CA which is not in use any more.
pub(super) fn set(tables: &mut Tables<'_>, at: Revision, list: &RevocationList) -> Result<Outcome, KvError> {
    let recorded = tables.store().recorded_lists()?;
    let known = recorded.iter().find(|known| known.list.issuer == list.issuer);
    if let Some(known) = known.filter(|known| known.list.number >= list.number) {
        return Ok(Outcome::RevocationListSet { number: known.list.number, changed: false });
    }
    if known.is_none()
        && recorded.len() >= CLUSTER_LISTS_MAX
        && let Some(oldest) = recorded.iter().min_by_key(|known| known.since)
    {
        let key = &oldest.list.issuer;
        tables.take(Table::Revocations, key, |row| decode(key, row))?;
    }
    let new = RecordedList { list: list.clone(), since: at };
    tables.put(Table::Revocations, &list.issuer, |_, row| {
        *row = encode(&new)?;
        Ok(())
    })?;
    Ok(Outcome::RevocationListSet { number: list.number, changed: true })
}
