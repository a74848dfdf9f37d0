//! Crash-safe replacement of files: a crash leaves the old file or the new one.
//!
//! A file is written under another name, synced, renamed, and its folder is
//! synced. Half of a database would be rejected at each start from then on, and
//! nothing would tell it from a damaged one that held data.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, DatabaseError, StorageError, backends::FileBackend};

use super::private_file;

/// Opens the database at `path`; creates an empty one if there is no file. Never
/// replaces an existing file, even an empty one.
pub(super) fn open_or_create_database(path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
    match private_file::open(path) {
        // It would be filled.
        Ok(file) if file.metadata().map_err(StorageError::Io)?.len() == 0 => {
            Err(StorageError::Io(io::Error::new(ErrorKind::InvalidData, "the file is empty")).into())
        }
        Ok(file) => on(file, builder),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(path, |aside| create_database(aside, builder))
        }
        Err(error) => Err(StorageError::Io(error).into()),
    }
}

/// Creates an empty database in a new file.
pub(super) fn create_database(path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
    on(private_file::create(path).map_err(StorageError::Io)?, builder)
}

fn on(file: File, builder: &Builder) -> Result<Database, DatabaseError> {
    builder.create_with_backend(FileBackend::new(file)?)
}

/// Creates the file at `path`: `fill` writes and syncs it under another name. If
/// that fails, there is no file afterwards. Removes what an earlier attempt has
/// left.
pub(super) fn create<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let aside = aside(path);
    remove_if_exists(&aside)?;
    let filled = fill(&aside).inspect_err(|_| {
        // The disk may be full, so half a file must not stay. Only the cause is reported.
        let _ = remove_if_exists(&aside);
    })?;
    rename(&aside, path)?;
    Ok(filled)
}

/// Replaces the content of a small file.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    remove_if_exists(&aside)?;
    let mut file = private_file::create(&aside)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&aside, path)
}

/// Renames a synced file, durably. Open handles stay valid.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(parent(to))
}

/// Removes a file if it exists. Durable after [`sync_folder`].
pub(super) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn aside(path: &Path) -> PathBuf {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".new");
    aside.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |file: io::Result<fs::DirEntry>| file.expect("a file").file_name();
        let names = fs::read_dir(folder).expect("a folder").map(name);
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn half_a_file_of_a_crash_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        fs::write(folder.path().join("state.redb.new"), [0; 4096]).expect("writes");
        drop(open_or_create_database(&path, &Builder::new()).expect("creates it"));
        assert_eq!(names(folder.path()), ["state.redb"]);
        drop(open_or_create_database(&path, &Builder::new()).expect("opens it"));
    }

    #[test]
    fn a_database_that_could_not_be_created_leaves_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let full = create(&path, |aside| -> Result<(), DatabaseError> {
            fs::write(aside, [0; 4096]).map_err(StorageError::Io)?;
            Err(StorageError::Io(ErrorKind::StorageFull.into()).into())
        });
        assert!(full.is_err_and(|error| error.to_string().contains("no storage space")));
        assert_eq!(names(folder.path()), [""; 0], "the next start would take it for damaged data");
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        for content in [&[][..], &[0; 4096]] {
            fs::write(&path, content).expect("writes");
            assert!(open_or_create_database(&path, &Builder::new()).is_err());
            assert_eq!(fs::read(&path).expect("reads"), content, "it is unchanged");
        }
    }

    #[test]
    fn a_replaced_file_leaves_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("identity.toml");
        for content in ["one", "other"] {
            replace(&path, content.as_bytes()).expect("replaces");
            assert_eq!(fs::read_to_string(&path).expect("reads"), content);
        }
        assert_eq!(names(folder.path()), ["identity.toml"]);
    }
}
