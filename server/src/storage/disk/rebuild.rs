//! Sets a node's data aside, so the node gets all of it from the others.
//!
//! Guards that a crash at any point leaves a node that does not start empty under
//! its old id. First the databases are moved away, and a member without databases
//! does not start. Then the identity says that the node must be admitted again,
//! under another id. Files that an operator has moved are never deleted, and a copy of the
//! identity is kept with them: put back together, they are the data directory as it was.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeName},
};

use super::{
    DataDir, DataDirError, IDENTITY, LOG, NodeIdentity, STATE, UNFINISHED, files, owner, unfinished,
};
use crate::storage::private_file;

/// The names of folders with data that was set aside: then a number and the cluster's id.
const SET_ASIDE: &str = "set-aside-";

/// The file in a folder of data that are deleted again.
const REPLACED: &str = "replaced";

/// The content of that file.
const EXPLANATION: &str = "coffeed deletes this folder when the node votes in the same cluster again.\n";

/// How long data that was set aside is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AsideKept {
    /// Until the node is a member of the same cluster again.
    UntilMember,
    /// Until an operator deletes it.
    Always,
}

/// Sets the data of the node `name` aside. At its next start it asks `members`
/// for admission, whatever its configuration says: to its own cluster, or to
/// `cluster` if that is given. Returns the folder that holds the data now, `None`
/// if there was none.
///
/// # Errors
/// The directory holds no data of this node, is in use, or cannot be changed.
pub fn rebuild(
    path: &Path,
    name: &NodeName,
    members: Vec<Address>,
    cluster: Option<ClusterId>,
) -> Result<Option<PathBuf>, DataDirError> {
    if !path.join(IDENTITY).exists() {
        return Err(DataDirError::Empty { path: path.to_owned() });
    }
    owner::check_owner(path)?;
    let _lock = files::lock(path)?;
    // Unlike at a start, a member whose databases are missing is accepted here.
    let Some(identity) = DataDir::read_identity(path, name)? else {
        return Err(DataDirError::Empty { path: path.to_owned() });
    };
    let aside = move_away(path, identity.cluster, AsideKept::Always)?;
    let cluster = cluster.unwrap_or(identity.cluster);
    let identity = NodeIdentity { cluster, standing: MemberState::Shutdown, rejoin: members, ..identity };
    files::replace(path, IDENTITY, identity.to_text().as_bytes())?;
    // Interrupted work is set aside with the rest.
    unfinished::remove_note(path)?;
    Ok(aside)
}

/// Moves the databases in a data directory to a new folder there, with a copy of the identity, which
/// is of this cluster. Returns the folder; `None` if there are none.
pub(super) fn move_away(
    path: &Path,
    cluster: ClusterId,
    kept: AsideKept,
) -> Result<Option<PathBuf>, DataDirError> {
    let there: Vec<&str> = [LOG, STATE].into_iter().filter(|name| path.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(None);
    }
    let aside = path.join(format!("{SET_ASIDE}{}-{cluster}", next_number(path)?));
    files::create_folder(&aside)?;
    // First: the databases are of no use without it. A note says that they are incomplete.
    for name in [IDENTITY, UNFINISHED] {
        match private_file::read_to_string(&path.join(name)) {
            Ok(content) => files::replace(&aside, name, content.as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(DataDirError::io(&path.join(name))(error)),
        }
    }
    if kept == AsideKept::UntilMember {
        files::replace(&aside, REPLACED, EXPLANATION.as_bytes())?;
    }
    for name in there {
        fs::rename(path.join(name), aside.join(name)).map_err(DataDirError::io(&aside))?;
    }
    files::sync_folder(&aside)?;
    files::sync_folder(path)?;
    Ok(Some(aside))
}

/// Deletes the data of a cluster that was set aside for an admission, as far as possible.
pub(super) fn delete_replaced(path: &Path, cluster: ClusterId) {
    let Ok(entries) = fs::read_dir(path) else { return };
    let of_cluster = format!("-{cluster}");
    for folder in entries.filter_map(Result::ok) {
        let name = folder.file_name();
        let is_aside =
            name.to_str().is_some_and(|name| name.starts_with(SET_ASIDE) && name.ends_with(&of_cluster));
        let folder = folder.path();
        let is_folder = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_aside && is_folder && folder.join(REPLACED).exists() {
            // The mark is the last of them: what is left after a crash is deleted at the next start.
            for name in [STATE, LOG, IDENTITY, UNFINISHED, REPLACED] {
                let _ = fs::remove_file(folder.join(name));
            }
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Returns the number after the highest one in use.
fn next_number(path: &Path) -> Result<u32, DataDirError> {
    let mut last: u32 = 0;
    for entry in fs::read_dir(path).map_err(DataDirError::io(path))? {
        let name = entry.map_err(DataDirError::io(path))?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(SET_ASIDE)?.split('-').next()?.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last.saturating_add(1))
}
