//! Setting a node's data aside, so that it gets all of it from the others.
//!
//! Guards that a crash at any point leaves a node that starts from nothing it
//! should not: first the databases are moved away, and a member without its
//! databases does not start; then the identity says that the node is to be let
//! in anew, under another id. What was moved away is never deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeName},
};

use super::{DataDir, DataDirError, IDENTITY, LOG, NodeIdentity, STATE, files, unfinished};

/// Sets the data of the node `name` aside. When it starts again it asks
/// `members` of its cluster, or of `cluster`, if that is another one, to be let
/// in, whatever its configuration says.
/// Gives the folder in which the data is now; `None` if none was left.
///
/// # Errors
/// The directory holds no data of this node, or is in use, or cannot be changed.
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
    // Not as at a start: that it is a member whose databases are gone is no obstacle here.
    let Some(identity) = DataDir::read_identity(path, name)? else {
        return Err(DataDirError::Empty { path: path.to_owned() });
    };
    let aside = move_away(path)?;
    let cluster = cluster.unwrap_or(identity.cluster);
    let identity = NodeIdentity { cluster, standing: MemberState::Shutdown, rejoin: members, ..identity };
    files::replace(path, IDENTITY, identity.to_text().as_bytes())?;
    // What was half done is set aside with the rest.
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
