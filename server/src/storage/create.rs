//! Making a database's file: a crash leaves none or a whole one.
//!
//! A database is not one write. Half of one would be refused at each start
//! from then on, and nothing would tell it from a damaged one that held data.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
};

use redb::{Builder, Database, DatabaseError, StorageError};

/// Opens the database at `path`; makes an empty one if there is no file. A file
/// that is there is never made anew, even if it is empty.
pub(super) fn open_or_create(path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
    if path.try_exists().map_err(StorageError::Io)? {
        return builder.open(path);
    }
    let mut database = None;
    let made = whole(path, |aside| {
        database = Some(builder.create(aside));
        Ok(())
    });
    let database = database.transpose()?;
    made.map_err(StorageError::Io)?;
    Ok(database.ok_or_else(|| StorageError::Io(ErrorKind::NotFound.into()))?)
}

/// Makes a file: `fill` makes it under another name, durably, and then it gets
/// its own. What an earlier try has left is removed.
pub(super) fn whole(path: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".new");
    let aside = Path::new(&aside);
    remove_if_there(aside)?;
    fill(aside)?;
    rename(aside, path)
}

/// Gives a durable file another name, durably. Whoever has it open keeps it.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Removes a file, if it is there.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(folder: &Path) -> Vec<String> {
        let name = |file: io::Result<fs::DirEntry>| file.expect("a file").file_name();
        let names = fs::read_dir(folder).expect("a folder").map(name);
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn half_a_file_of_a_crash_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        fs::write(folder.path().join("state.redb.new"), [0; 4096]).expect("writes");
        drop(open_or_create(&path, &Builder::new()).expect("makes it anew"));
        assert_eq!(there(folder.path()), ["state.redb"]);
        drop(open_or_create(&path, &Builder::new()).expect("opens it"));
    }

    #[test]
    fn what_is_there_is_never_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        for content in [&[][..], &[0; 4096]] {
            fs::write(&path, content).expect("writes");
            assert!(open_or_create(&path, &Builder::new()).is_err());
            assert_eq!(fs::read(&path).expect("reads"), content, "it is left as it is");
        }
    }
}
