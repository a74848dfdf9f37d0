//! Which data directories are accepted, and which are rejected and left
//! unchanged.

mod strangers;

use std::os::unix::fs::PermissionsExt;

use coffee_common::{
    feature_level::{FeatureLevel, LEVEL_MAX, LEVEL_MIN},
    id::{Address, ClusterId, NodeId},
};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn identity(id: u64) -> NodeIdentity {
    NodeIdentity {
        cluster: ClusterId(0xc0ffee),
        id: NodeId(id),
        name: name("hong"),
        standing: MemberState::Joining,
        rejoin: Vec::new(),
        level: LEVEL_MIN,
    }
}

fn open(path: &Path) -> Result<DataDir, DataDirError> {
    DataDir::open(path, &name("hong"))
}

fn adopted(path: &Path) -> DataDir {
    let mut data = open(path).expect("opens");
    data.adopt(identity(7)).expect("is adopted");
    data
}

/// Makes the directory of a member, with something in its databases.
fn member(path: &Path) {
    let mut data = adopted(path);
    fs::write(data.log_path(), b"log").expect("writes");
    fs::write(data.state_path(), b"state").expect("writes");
    data.set_standing(MemberState::Member).expect("is noted");
}

/// The files of a directory, and their content.
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(path).expect("is there").map(|file| file.expect("reads").path());
    let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).expect("reads"))).collect();
    files.sort();
    files
}

#[test]
fn what_was_adopted_is_found_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("new/data");
    assert!(open(&path).expect("is made").identity().is_none());
    drop(adopted(&path));
    let mut data = open(&path).expect("opens");
    assert_eq!(data.identity(), Some(identity(7)));
    data.set_standing(MemberState::Shutdown).expect("is noted");
    drop(data);
    let data = open(&path).expect("opens");
    assert_eq!(data.identity().map(|identity| identity.standing), Some(MemberState::Shutdown));
}

#[test]
fn only_the_owner_may_look_into_a_new_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("new/data");
    drop(open(&path).expect("is made"));
    for path in [&path, &dir.path().join("new")] {
        assert_eq!(fs::metadata(path).expect("is there").permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn two_processes_cannot_share_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).expect("opens");
    let error = open(dir.path()).expect_err("is in use");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert!(error.hint().contains("stop the other coffeed"));
    drop(first);
    open(dir.path()).expect("is free again");
}

#[test]
fn a_directory_that_is_not_ours_is_rejected_and_left_unchanged() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let file = dir.path().join(IDENTITY);
    let good = fs::read_to_string(&file).expect("is there");
    let before = contents(dir.path());
    let error = DataDir::open(dir.path(), &name("ming")).expect_err("is another's");
    assert!(matches!(error, DataDirError::OtherNode { .. }), "{error}");
    assert_eq!(contents(dir.path()), before);

    let newer = good.replace("format = 3", "format = 9") + "[what]\nno = \"build of today knows\"\n";
    let damaged = [good.replace("id = 7", "id = 8"), good[..good.len() / 2].to_owned(), String::new()];
    for bad in damaged.iter().chain([&newer]) {
        fs::write(&file, bad).expect("writes");
        let before = contents(dir.path());
        let error = open(dir.path()).expect_err("is rejected");
        assert_eq!(matches!(error, DataDirError::Newer { .. }), *bad == newer, "{error}");
        assert_eq!(matches!(error, DataDirError::Damaged { .. }), *bad != newer, "{error}");
        assert!(error.to_string().contains(IDENTITY), "{error}");
        assert_eq!(contents(dir.path()), before);
    }
}

/// An older version must not take what it cannot read for damage, nor set it aside.
#[test]
fn data_of_a_higher_level_is_refused_in_every_way_and_left_unchanged() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let file = dir.path().join(IDENTITY);
    let good = fs::read_to_string(&file).expect("is there");
    let level = LEVEL_MAX.next();
    let newer = good.replace("level = 1", &format!("level = {level}")) + "field = \"of that level\"\n";
    fs::write(&file, newer).expect("writes");
    let before = contents(dir.path());
    for opened in [
        open(dir.path()).map(drop),
        DataDir::open_to_recover(dir.path(), &name("hong")).map(drop),
        DataDir::open_to_inspect(dir.path(), &name("hong")).map(drop),
        rebuild(dir.path(), &name("hong"), Vec::new(), None).map(drop),
    ] {
        let error = opened.expect_err("is refused");
        assert!(matches!(error, DataDirError::NewerLevel { .. }) && error.is_newer(), "{error}");
        let told =
            format!("written by a newer version of coffeed (level {level}; this build knows {LEVEL_MAX})");
        assert!(error.to_string().ends_with(&told), "{error}");
        assert!(error.hint().contains("install the version of coffeed that wrote it"));
        assert_eq!(contents(dir.path()), before);
    }
}

#[test]
fn data_of_a_version_before_the_first_release_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let file = dir.path().join(IDENTITY);
    let old = fs::read_to_string(&file).expect("is there").replace("format = 3", "format = 1");
    fs::write(&file, old.replace("level = 1\n", "")).expect("writes");
    let error = open(dir.path()).expect_err("is refused");
    assert!(matches!(error, DataDirError::Older { format: 1, .. }), "{error}");
}

#[test]
fn a_level_is_noted_at_once_and_never_falls() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut data = adopted(dir.path());
    let mark = data.level_mark();
    for (raised, noted) in [(1, 1), (3, 3), (2, 3)] {
        mark.raise(FeatureLevel(raised)).expect("is noted");
        assert_eq!(data.identity(), Some(NodeIdentity { level: FeatureLevel(noted), ..identity(7) }));
        let text = fs::read_to_string(dir.path().join(IDENTITY)).expect("is there");
        assert!(text.contains(&format!("level = {noted}\n")), "{text}");
    }
    // The owner of the directory keeps what was noted meanwhile.
    data.set_standing(MemberState::Shutdown).expect("is noted");
    assert_eq!(data.identity().map(|identity| identity.level), Some(FeatureLevel(3)));
}

#[test]
fn data_without_an_identity_is_rejected() {
    for data in [LOG, STATE] {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(data), b"x").expect("writes");
        let error = open(dir.path()).expect_err("is rejected");
        assert!(matches!(error, DataDirError::NoIdentity { .. }), "{error}");
        assert!(error.hint().contains("move the directory away"));
    }
}

/// A certificate of a node is enough to pretend to admit it.
#[test]
fn adopting_loses_no_data_until_the_node_is_a_member_of_the_same_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let aside = dir.path().join(format!("set-aside-1-{}", identity(7).cluster));
    let mut data = open(dir.path()).expect("opens");
    data.set_standing(MemberState::Shutdown).expect("is noted");
    let other = NodeIdentity { cluster: ClusterId(0xbad), ..identity(12) };
    assert_eq!(data.adopt(other).expect("is adopted").as_ref(), Some(&aside));
    fs::write(data.log_path(), b"of the other").expect("writes");
    data.set_standing(MemberState::Member).expect("is noted");
    assert_eq!(fs::read(aside.join(STATE)).expect("is kept"), b"state");
    assert_eq!(fs::read(aside.join(LOG)).expect("is kept"), b"log");
    data.set_standing(MemberState::Shutdown).expect("is noted");
    let second = data.adopt(identity(13)).expect("is adopted").expect("there was data");
    data.set_standing(MemberState::Member).expect("is noted");
    assert!(second.exists() && !aside.exists(), "only of the cluster in which it is a member");
}

/// Wherever the process ends after it has set the data aside: a node that was taken down needs the space.
#[test]
fn what_an_admission_set_aside_is_deleted_after_a_crash_too() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let by_hand =
        rebuild(dir.path(), &name("hong"), members(), None).expect("is set aside").expect("had data");
    let mut data = open(dir.path()).expect("opens");
    data.adopt(identity(12)).expect("is adopted");
    for (id, crashes) in [(13, false), (14, true)] {
        fs::write(data.log_path(), b"log").expect("writes");
        fs::write(data.state_path(), b"state").expect("writes");
        data.set_standing(MemberState::Shutdown).expect("is noted");
        let aside = data.adopt(identity(id)).expect("is adopted").expect("there was data");
        fs::write(data.log_path(), b"log").expect("writes");
        fs::write(data.state_path(), b"state").expect("writes");
        drop(data);
        data = open(dir.path()).expect("opens");
        assert!(aside.exists(), "not before it votes again");
        if crashes {
            // Between the two steps of becoming a member.
            let member = NodeIdentity { standing: MemberState::Member, ..identity(id) };
            fs::write(dir.path().join(IDENTITY), member.to_text()).expect("writes");
            drop(data);
            data = open(dir.path()).expect("opens");
        } else {
            data.set_standing(MemberState::Member).expect("is noted");
        }
        assert!(!aside.exists(), "{id}");
    }
    assert!(by_hand.exists(), "what an operator has set aside is kept");
}

#[test]
fn adopting_starts_empty() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let mut data = open(dir.path()).expect("opens");
    data.set_standing(MemberState::Shutdown).expect("is noted");
    assert!(data.log_path().exists(), "its data is kept until it is admitted again");
    data.adopt(identity(12)).expect("is adopted");
    assert!(!data.log_path().exists() && !data.state_path().exists());
    drop(data);
    assert_eq!(open(dir.path()).expect("opens").identity(), Some(identity(12)));
}

/// It would have forgotten its vote.
#[test]
fn an_id_never_starts_from_nothing_again() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let mut data = open(dir.path()).expect("opens");
    data.set_standing(MemberState::Shutdown).expect("is noted");
    let error = data.adopt(identity(7)).expect_err("is rejected");
    assert!(matches!(error, DataDirError::SameIdAgain { .. }), "{error}");
    assert!(data.log_path().exists());
}

/// The last step of adopting fails, as if it had never happened.
#[test]
fn a_crash_while_adopting_leaves_a_node_that_waits() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let mut data = open(dir.path()).expect("opens");
    data.set_standing(MemberState::Shutdown).expect("is noted");
    let aside = dir.path().join(format!("{IDENTITY}.new"));
    fs::create_dir(&aside).expect("makes");
    data.adopt(identity(12)).expect_err("cannot be written");
    drop(data);
    fs::remove_dir(&aside).expect("removes");
    let mut data = open(dir.path()).expect("opens");
    assert_eq!(data.identity(), Some(NodeIdentity { standing: MemberState::Shutdown, ..identity(7) }));
    data.adopt(identity(13)).expect("is adopted");
}

#[test]
fn a_member_without_its_databases_does_not_start() {
    for file in [LOG, STATE] {
        let dir = tempfile::tempdir().expect("a folder");
        member(dir.path());
        fs::write(dir.path().join(file), b"").expect("writes");
        let error = open(dir.path()).expect_err("is rejected").to_string();
        assert!(error.contains(file) && error.contains("it is empty"), "{error}");
        fs::remove_file(dir.path().join(file)).expect("removes");
        let error = open(dir.path()).expect_err("is rejected").to_string();
        assert!(error.contains(file) && error.contains("it is missing"), "{error}");
    }
}

#[test]
fn a_file_in_its_place_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("data");
    fs::write(&file, b"").expect("writes");
    for path in [file.clone(), file.join("below")] {
        let error = open(&path).expect_err("is rejected");
        assert!(error.to_string().ends_with("data is not a directory"), "{error}");
    }
}

#[test]
fn the_identity_is_pinned() {
    crate::golden_test::check("identity", identity(7).to_text().as_bytes());
}

proptest! {
    #[test]
    fn a_changed_identity_is_never_believed(at in 0usize..400, bit in 0u8..7) {
        let mut bytes = identity(7).to_text().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let text = String::from_utf8(bytes).expect("is still ASCII");
        if let Ok(found) = NodeIdentity::parse(&text, Path::new(IDENTITY)) {
            prop_assert_eq!(found, identity(7));
        }
    }

    #[test]
    fn hostile_text_never_panics(text in ".{0,200}") {
        let _ = NodeIdentity::parse(&text, Path::new(IDENTITY));
        let _ = NodeIdentity::parse(&format!("format = 3\n{text}"), Path::new(IDENTITY));
    }
}

fn members() -> Vec<Address> {
    ["ming:7400", "[::1]:7401"].map(|address| address.parse().expect("legal")).to_vec()
}

#[test]
fn data_that_is_set_aside_is_kept_and_the_node_joins_again() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let held = open(dir.path()).expect("opens");
    let error = rebuild(dir.path(), &name("hong"), members(), None).expect_err("it is in use");
    assert!(matches!(error, DataDirError::InUse { .. }), "{error}");
    drop(held);
    for number in 1..3_u32 {
        let aside = rebuild(dir.path(), &name("hong"), members(), None)
            .expect("is set aside")
            .expect("there was data");
        let before = identity(if number == 1 { 7 } else { 21 });
        assert_eq!(aside, dir.path().join(format!("set-aside-{number}-{}", before.cluster)));
        let kept = fs::read_to_string(aside.join(IDENTITY)).expect("is kept");
        assert_eq!(NodeIdentity::parse(&kept, Path::new(IDENTITY)).expect("is valid").id, before.id);
        assert_eq!(fs::read(aside.join(LOG)).expect("is kept"), b"log");
        assert_eq!(fs::read(aside.join(STATE)).expect("is kept"), b"state");
        let mut data = open(dir.path()).expect("opens");
        let now = data.identity().expect("is known");
        assert_eq!((now.standing, now.rejoin), (MemberState::Shutdown, members()));
        data.adopt(identity(now.id.0)).expect_err("never under its old id");
        // The next membership is like any other.
        data.adopt(identity(20 + u64::from(number))).expect("is adopted");
        fs::write(data.log_path(), b"log").expect("writes");
        fs::write(data.state_path(), b"state").expect("writes");
        data.set_standing(MemberState::Member).expect("is noted");
        assert_eq!(data.identity().expect("is known").rejoin, []);
    }
}

#[test]
fn data_that_was_set_aside_can_be_put_back() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let before = open(dir.path()).expect("opens").identity();
    let aside = rebuild(dir.path(), &name("hong"), members(), None).expect("is set aside").expect("had data");
    for file in [IDENTITY, LOG, STATE] {
        fs::rename(aside.join(file), dir.path().join(file)).expect("moves back");
    }
    fs::remove_dir(&aside).expect("nothing else was in there");
    assert_eq!(open(dir.path()).expect("opens").identity(), before);
}

/// Wherever it is interrupted, the node starts empty only if it joins again.
#[test]
fn an_interrupted_rebuild_is_finished_by_running_it_again() {
    let dir = tempfile::tempdir().expect("a folder");
    member(dir.path());
    let aside = dir.path().join("set-aside-1-c0ffee");
    fs::create_dir(&aside).expect("makes");
    for file in [LOG, STATE] {
        fs::rename(dir.path().join(file), aside.join(file)).expect("moves");
        open(dir.path()).expect_err("a member without its databases does not start");
    }
    assert_eq!(rebuild(dir.path(), &name("hong"), members(), None).expect("is finished"), None);
    assert_eq!(open(dir.path()).expect("opens").identity().expect("is known").rejoin, members());
}

#[test]
fn only_a_nodes_own_data_is_set_aside() {
    let dir = tempfile::tempdir().expect("a folder");
    let error = rebuild(dir.path(), &name("hong"), members(), None).expect_err("there is none");
    assert!(matches!(error, DataDirError::Empty { .. }), "{error}");
    assert!(!dir.path().join("LOCK").exists(), "nothing is left in a folder that is not ours");
    member(dir.path());
    let error = rebuild(dir.path(), &name("peng"), members(), None).expect_err("it is another's");
    assert!(matches!(error, DataDirError::OtherNode { .. }), "{error}");
    assert!(open(dir.path()).expect("opens").log_path().exists());
}
