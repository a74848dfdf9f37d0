//! Sets a node's data aside, so the node gets all of it from the others.
//!
//! Guards that a crash at any point leaves a node that does not start empty under
//! its old id. First the databases are moved away, and a member without databases
//! does not start. Then the identity says that the node must be admitted again,
//! under another id. Moved files are never deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeName},
};

use super::{DataDir, DataDirError, IDENTITY, LOG, NodeIdentity, STATE, files, unfinished};

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
    let _lock = files::lock(path)?;
    // Unlike at a start, a member whose databases are missing is accepted here.
    let Some(identity) = DataDir::read_identity(path, name)? else {
        return Err(DataDirError::Empty { path: path.to_owned() });
    };
    let aside = move_away(path)?;
    let cluster = cluster.unwrap_or(identity.cluster);
    let identity = NodeIdentity { cluster, standing: MemberState::Shutdown, rejoin: members, ..identity };
    files::replace(path, IDENTITY, identity.to_text().as_bytes())?;
    // Interrupted work is set aside with the rest.
    unfinished::remove_note(path)?;
    Ok(aside)
}

fn move_away(path: &Path) -> Result<Option<PathBuf>, DataDirError> {
    let there: Vec<&str> = [LOG, STATE].into_iter().filter(|name| path.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(None);
    }
    let free = (1..).map(|number: u32| path.join(format!("damaged-{number}"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.join("damaged"));
    files::create_folder(&aside)?;
    for name in there {
        fs::rename(path.join(name), aside.join(name)).map_err(DataDirError::io(&aside))?;
    }
    files::sync_folder(&aside)?;
    files::sync_folder(path)?;
    Ok(Some(aside))
}
