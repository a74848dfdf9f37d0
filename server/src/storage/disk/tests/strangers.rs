//! Directories and files that another user has prepared, or could read.

use std::os::unix::fs::{MetadataExt, chown, symlink};

use super::*;

/// A user without a name.
const OTHER: u32 = 54_321;

fn modes(path: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(path).expect("is there").map(|file| file.expect("reads"));
    let mode = |file: &fs::DirEntry| file.metadata().expect("is there").permissions().mode() & 0o777;
    let mut modes: Vec<_> =
        files.map(|file| (file.file_name().to_string_lossy().into_owned(), mode(&file))).collect();
    modes.sort();
    modes
}

/// Opens a data directory in each of the ways that there are.
fn every_opening(dir: &Path) -> [Result<(), DataDirError>; 5] {
    [
        open(dir).map(drop),
        DataDir::open_to_recover(dir, &name("hong")).map(drop),
        DataDir::open_to_inspect(dir, &name("hong")).map(drop),
        DataDir::open_to_restore(dir).map(drop),
        rebuild(dir, &name("hong"), Vec::new(), None).map(drop),
    ]
}

/// A process with more rights must not write to, or read, a file of the link's maker's choice.
#[test]
fn no_link_is_followed() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "of root").expect("writes");
    for file in ["LOCK", IDENTITY, LOG, STATE, RESERVE, REVOCATIONS, UNFINISHED] {
        let dir = tempfile::tempdir().expect("a folder");
        member(dir.path());
        let link = dir.path().join(file);
        let _ = fs::remove_file(&link);
        symlink(&victim, &link).expect("a link");
        for error in every_opening(dir.path()).map(|result| result.expect_err("a link")) {
            assert!(matches!(&error, DataDirError::Link { path } if *path == link), "{file}: {error}");
        }
        assert_eq!(fs::read_to_string(&victim).expect("reads"), "of root", "{file}");
    }
    // One that a crash could have left is removed, and the file made in its place.
    let dir = tempfile::tempdir().expect("a folder");
    let aside = dir.path().join("identity.toml.new");
    symlink(&victim, &aside).expect("a link");
    adopted(dir.path());
    assert_eq!(fs::read_to_string(&victim).expect("reads"), "of root");
    assert!(fs::symlink_metadata(dir.path().join(IDENTITY)).expect("is there").is_file());
}

#[test]
fn every_file_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("changes");
    let data = adopted(dir.path());
    keep_reserve(dir.path(), 4096).expect("allocated");
    let files = crate::storage::state::StateDir::new(data.state_path());
    let files: &dyn crate::storage::state::StateFiles = &files;
    drop(files.open(&redb::Builder::new()).expect("is made"));
    drop(files.create_scratch(1, &redb::Builder::new()).expect("is made"));
    let modes = modes(dir.path());
    assert_eq!(modes.len(), 5, "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn a_directory_that_every_user_can_change_is_rejected() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("changes");
    let error = open(dir.path()).expect_err("is open to all");
    assert!(matches!(error, DataDirError::WritableByAll { .. }), "{error}");
    assert!(error.hint().contains("chmod 700"), "{}", error.hint());
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn root_does_not_use_the_directory_of_another_user() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    if fs::metadata(dir.path()).expect("is there").uid() != 0 || chown(dir.path(), Some(OTHER), None).is_err()
    {
        println!("skipped: the directory of another user: needs root");
        return;
    }
    fs::remove_file(dir.path().join("LOCK")).expect("removes");
    let before = contents(dir.path());
    for error in every_opening(dir.path()).map(|result| result.expect_err("is another's")) {
        assert!(matches!(error, DataDirError::OtherOwner { .. }), "{error}");
        assert_eq!(error.hint(), "run it as that user: runuser -u 54321 -- coffeed ...");
    }
    assert_eq!(contents(dir.path()), before);
}

#[test]
fn an_inspection_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    fs::remove_file(dir.path().join("LOCK")).expect("removes");
    let before = contents(dir.path());
    drop(DataDir::open_to_inspect(dir.path(), &name("hong")).expect("opens"));
    assert_eq!(contents(dir.path()), before);
    let running = open(dir.path()).expect("opens");
    let error = DataDir::open_to_inspect(dir.path(), &name("hong")).expect_err("is in use");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(running);
}
