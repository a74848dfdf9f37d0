//! Records of the old cluster that a new one takes over, and those that it drops.

use super::*;
use coffee_common::revocation_list::RevocationList;

/// The history, and then: hong is a member and peng shut down, hu joins, and long is announced.
fn with_records() -> Vec<LogEntry> {
    let name = |text: &str| text.parse::<NodeName>().expect("legal");
    let address = || "elsewhere:7400".parse::<Address>().expect("legal");
    let state = |text, id, standing| Command::SetNodeState {
        name: name(text),
        id: NodeId(id),
        standing: Some(standing),
    };
    let commands = [
        state("hong", 2, MemberState::Member),
        state("peng", 3, MemberState::Shutdown),
        Command::AdmitNode { name: name("hu"), address: address() },
        Command::AnnounceNode { name: name("long"), address: address() },
    ];
    let mut entries = history();
    for command in commands {
        let payload =
            Payload::Normal(Proposal { request: None, proposed_at_ms: 5, command, author: String::new() });
        entries.push(LogEntry::new(id(entries.len() as u64), payload));
    }
    entries
}

/// The records of nodes in a directory.
async fn standings(path: &Path) -> BTreeMap<String, MemberState> {
    let data = DataDir::open(path, &member().name).expect("opens");
    let storage = Storage::open(&data).expect("opens");
    let nodes = storage.state.reader().nodes().expect("reads");
    storage.log.close().await.expect("closes");
    nodes.into_iter().map(|record| (record.name.to_string(), record.standing)).collect()
}

/// The word of an operator or of a leader was for the old cluster.
#[tokio::test]
async fn nodes_that_had_not_joined_are_forgotten() {
    let expected = BTreeMap::from([
        ("hong".to_owned(), MemberState::Member),
        ("ming".to_owned(), MemberState::Member),
        ("peng".to_owned(), MemberState::Shutdown),
    ]);
    let (entries, folder) = (with_records(), tempfile::tempdir().expect("a folder"));
    let old = folder.path().join("old");
    survivor_of(&old, entries.clone(), entries.len(), VOTED).await;
    assert_eq!(standings(&old).await.len(), 5, "of ming, hong, peng, hu and long");
    let last = LogIdRecord { term: TERM, index: entries.len() as u64 - 1 };
    let backup = backup_of(&old, last).await;
    let new = folder.path().join("new");
    restore(&new, &member(), Cursor::new(&backup), &[]).await.expect("restores");
    assert_eq!(standings(&new).await, expected);
    for applied in [1, entries.len()] {
        let path = folder.path().join(applied.to_string());
        survivor_of(&path, entries.clone(), applied, VOTED).await;
        recover(&path, &member()).await.expect("recovers");
        assert_eq!(standings(&path).await, expected, "{applied} were applied");
    }
}

fn list(issuer: &str, number: u64) -> RevocationList {
    RevocationList { issuer: issuer.as_bytes().to_vec(), number, der: vec![0x30, 0] }
}

/// A certificate that was revoked since the backup stays revoked.
#[tokio::test]
async fn of_two_revocation_lists_the_newer_one_is_kept() {
    let (mut entries, folder) = (history(), tempfile::tempdir().expect("a folder"));
    for known in [list("a CA", 3), list("an older CA", 9)] {
        let command = Command::SetRevocationList(known);
        let payload =
            Payload::Normal(Proposal { request: None, proposed_at_ms: 5, command, author: String::new() });
        entries.push(LogEntry::new(id(entries.len() as u64), payload));
    }
    let old = folder.path().join("old");
    survivor_of(&old, entries.clone(), entries.len(), VOTED).await;
    let backup = backup_of(&old, LogIdRecord { term: TERM, index: entries.len() as u64 - 1 }).await;
    for (n, (own, taken, expected)) in [
        (vec![], vec![], [("a CA", 3), ("an older CA", 9)]),
        (vec![("a CA", 2), ("an older CA", 9)], vec![], [("a CA", 3), ("an older CA", 9)]),
        (vec![("a CA", 7)], vec![("a CA", 7)], [("a CA", 7), ("an older CA", 9)]),
        (vec![("a CA", 8), ("a CA", 7)], vec![("a CA", 8), ("a CA", 7)], [("a CA", 8), ("an older CA", 9)]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(n.to_string());
        // The copy that a machine still has does not make the directory another's.
        fs::create_dir(&path).expect("a folder");
        fs::write(path.join("revocations.crl"), b"").expect("writes");
        let of = |all: Vec<(&str, u64)>| all.into_iter().map(|(ca, n)| list(ca, n)).collect::<Vec<_>>();
        let restored = restore(&path, &member(), Cursor::new(&backup), &of(own)).await.expect("restores");
        assert_eq!(restored.lists, of(taken));
        check(&path, restored.founded).await;
        let storage = Storage::open(&DataDir::open(&path, &member().name).expect("opens")).expect("opens");
        assert_eq!(storage.state.reader().revocation_lists().expect("reads"), of(expected.to_vec()));
        storage.log.close().await.expect("closes");
    }
}
