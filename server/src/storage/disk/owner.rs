//! Who may use a data directory, and who else could.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::{DataDirError, LOG, STATE};

/// Permissions of users other than the owner.
const OTHERS: u32 = 0o077;

/// Permission of every user to create and rename files.
const WRITABLE_BY_ALL: u32 = 0o002;

/// Rejects the directory of another user if this process is root's: the files that it made would be
/// root's, and it would do with root's rights whatever that user has prepared.
pub(super) fn check_owner(folder: &Path) -> Result<(), DataDirError> {
    let owner = fs::metadata(folder).map_err(DataDirError::io(folder))?.uid();
    match rustix::process::geteuid().is_root() && owner != 0 {
        true => Err(DataDirError::OtherOwner { path: folder.to_owned(), user: user_name(owner) }),
        false => Ok(()),
    }
}

/// Rejects a directory in which every user can replace the files. Warns if others can read it: an
/// operator may have given a group this right, and the files of this build are the owner's alone.
pub(super) fn check_permissions(folder: &Path) -> Result<(), DataDirError> {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if mode(folder) & WRITABLE_BY_ALL != 0 {
        return Err(DataDirError::WritableByAll { path: folder.to_owned() });
    }
    if mode(folder) & OTHERS == 0 {
        return Ok(());
    }
    let readable =
        [LOG, STATE].map(|name| folder.join(name)).into_iter().find(|path| mode(path) & OTHERS != 0);
    let path = readable.as_deref().unwrap_or(folder);
    tracing::warn!(
        path = %path.display(),
        mode = format!("{:04o}", mode(path) & 0o7777),
        "data directory open to other users; hint: chmod -R go= {}",
        folder.display()
    );
    Ok(())
}

/// Returns the name of a user for `runuser`, its number if the system's list has none.
fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, uid).map_or_else(|| uid.to_string(), str::to_owned)
}

/// Finds a user's name in lines of `name:password:uid:...`.
fn name_in(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        let users = "root:x:0:0::/root:/bin/sh\nbroken\ncoffeed:x:990:990::/var/lib/coffeed:/bin/false\n";
        assert_eq!(name_in(users, 990), Some("coffeed"));
        assert_eq!(name_in(users, 0), Some("root"));
        assert_eq!(name_in(users, 99), None);
    }
}
