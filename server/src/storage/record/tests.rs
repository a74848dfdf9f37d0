//! Records survive encoding, their bytes are pinned, and hostile bytes do no
//! harm.

use coffee_common::{
    command::{Batch, Command, Condition, MemberState, Operation},
    envelope::Enveloped,
    feature_level::FeatureLevel,
    history_limit::HistoryLimit,
    id::{Address, ClientId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    revocation_list::RevocationList,
    setting::{Setting, SettingChange, SettingName},
    transaction::{Check, Relation, Step, Transaction},
};
use proptest::prelude::*;

use super::*;

fn member(name: &str) -> Member {
    Member {
        name: NodeName::new(name).expect("legal"),
        address: Address::new(format!("{name}.example.net:7400")).expect("legal"),
    }
}

fn log_id(term: u64, index: u64) -> LogId {
    LogIdRecord { term, index }.into()
}

fn membership() -> Membership {
    let voters = vec![BTreeSet::from([NodeId(1)]), BTreeSet::from([NodeId(1), NodeId(7)])];
    let members = BTreeMap::from([(NodeId(1), member("ming")), (NodeId(7), member("hong"))]);
    Membership::new(voters, members).expect("legal")
}

fn proposal(command: Command) -> Proposal {
    let request = RequestId { client: ClientId(0xc0ffee), sequence: 7, after: Revision(300) };
    Proposal {
        request: Some(request),
        proposed_at_ms: 1_790_000_000_000,
        command,
        author: "writer till".to_owned(),
    }
}

fn commands() -> [Command; 12] {
    let key = Key::new("order/1").expect("legal");
    let batch = Batch {
        conditions: vec![
            Condition::RevisionIs(key.clone(), Revision(9)),
            Condition::Absent(key.clone()),
            Condition::Present(key.clone()),
        ],
        operations: vec![
            Operation::Set(key.clone(), Value::new("latte").expect("legal")),
            Operation::Delete(key),
        ],
    };
    let Member { name, address } = member("hong");
    [
        Command::Batch(batch.into()),
        Command::AdmitNode { name: name.clone(), address: address.clone() },
        Command::SetNodeState { name: name.clone(), id: NodeId(7), standing: Some(MemberState::Member) },
        Command::SetNodeAddress { name: name.clone(), id: NodeId(7), address: address.clone() },
        Command::SetRevocationList(RevocationList {
            issuer: b"a CA".to_vec(),
            number: 7,
            der: vec![0x30, 0x03, 1, 1, 255],
        }),
        Command::AnnounceNode { name, address },
        Command::RaiseLevel(FeatureLevel(2)),
        Command::ChangeSetting(SettingChange::Set(Setting::DataBytesMax(64 << 30))),
        Command::ChangeSetting(SettingChange::Unset(SettingName::UpgradeFinish)),
        Command::CompactHistory(HistoryLimit::Upto(Revision(300))),
        Command::CompactHistory(HistoryLimit::Size { bytes: 256 << 20, changes: 1_000_000 }),
        Command::Transaction(transaction().into()),
    ]
}

fn transaction() -> Transaction {
    let key = || Key::new("order/1").expect("legal");
    Transaction {
        conditions: vec![
            Check::Value(key(), Relation::Equal, Value::new("latte").expect("legal")),
            Check::Empty(KeyRange::prefix("order/2")),
            Check::Deleted(key(), Revision(9)),
        ],
        then: vec![
            Step::Get(key()),
            Step::Set(key(), Value::new("mocha").expect("legal")),
            Step::Add { key: key(), by: -1, min: i64::MIN, max: 9 },
        ],
        otherwise: vec![Step::Delete(key()), Step::DeleteRange { range: KeyRange::all(), limit: 300 }],
    }
}

fn entries() -> Vec<LogEntry> {
    let commands = commands().map(|command| Payload::Normal(proposal(command)));
    let payloads = [Payload::Blank, Payload::Membership(membership())].into_iter().chain(commands);
    (1u64..).zip(payloads).map(|(index, payload)| LogEntry::new(log_id(3, index), payload)).collect()
}

#[test]
fn members_and_memberships_of_a_later_version_are_read() {
    let known = MembershipRecord::from(&membership());
    let of = |id| known.members.get(&NodeId(id)).map(|of: &Member| (&of.name, &of.address, "zone"));
    let (ming, hong) = (of(1).expect("a member"), of(7).expect("a member"));
    let members = BTreeMap::from([(NodeId(1), Enveloped(&ming)), (NodeId(7), Enveloped(&hong))]);
    let later = (&known.voters, members, "later");
    let stored = (None::<LogIdRecord>, Enveloped(&later), "later");
    let bytes = encode(&(None::<LogIdRecord>, Enveloped(&stored), "later")).expect("encodes");
    let membership = StoredMembershipRecord { log_id: None, membership: known };
    assert_eq!(decode(&bytes), Ok(SnapshotMetaRecord { last_log_id: None, membership }));
}

#[test]
fn entries_survive_and_are_pinned() {
    let mut all = Vec::new();
    for entry in entries() {
        let bytes = encode(&EntryRecord::from(&entry)).expect("encodes");
        let back: EntryRecord<'_> = decode(&bytes).expect("decodes");
        assert_eq!(LogEntry::try_from(back), Ok(entry));
        all.extend(bytes);
    }
    crate::golden_test::check("record_entries", &all);
}

#[test]
fn votes_and_snapshot_metas_survive_and_are_pinned() {
    let vote = Vote::from(VoteRecord { leader: LeaderRecord { term: 5, node: NodeId(7) }, committed: true });
    let mut all = encode(&VoteRecord::from(&vote)).expect("encodes");
    assert_eq!(decode::<VoteRecord>(&all).map(Vote::from), Ok(vote));
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(3, 400)),
        last_membership: StoredMembership::new(Some(log_id(2, 9)), membership()),
    };
    let bytes = encode(&SnapshotMetaRecord::from(&meta)).expect("encodes");
    let back: SnapshotMetaRecord = decode(&bytes).expect("decodes");
    assert_eq!(SnapshotMeta::try_from(back), Ok(meta));
    all.extend(bytes);
    crate::golden_test::check("record_vote_meta", &all);
}

#[test]
fn the_membership_before_all_survives() {
    let record = StoredMembershipRecord::from(&StoredMembership::default());
    assert_eq!(StoredMembership::try_from(record), Ok(StoredMembership::default()));
}

#[test]
fn another_version_is_rejected() {
    assert_eq!(decode::<VoteRecord>(&[]), Err(RecordError::Empty));
    assert_eq!(decode::<VoteRecord>(&[9, 1, 1, 1]), Err(RecordError::Version(9)));
    for (version, newer) in [(VERSION - 1, false), (VERSION + 1, true)] {
        assert_eq!(RecordError::Version(version).is_newer(), newer);
    }
}

/// Entries whose body has been changed as another version would have written it: `change` gets the
/// body of the command, and what is after it in the payload.
fn changed(entry: &LogEntry, change: impl Fn(&mut Vec<u8>, &mut Vec<u8>)) -> Vec<u8> {
    let Payload::Normal(proposal) = &entry.payload else { panic!("a command") };
    let bytes = encode(&EntryRecord::from(entry)).expect("encodes");
    let (id, enveloped) = decode_first::<LogIdRecord>(&bytes).expect("its own");
    let (payload, _): (&[u8], _) = envelope::decode_first(enveloped).expect("a payload");
    let command = postcard::to_stdvec(&proposal.command).expect("encodes");
    let author = postcard::to_stdvec(&proposal.author).expect("encodes");
    let (start, _) = payload.split_at(payload.len() - command.len() - author.len());
    let (body, _): (&[u8], _) = envelope::decode_first(&command).expect("a command");
    let (mut body, mut after) = (body.to_vec(), Vec::new());
    change(&mut body, &mut after);
    let length = |bytes: &[u8]| postcard::to_stdvec(&bytes.len()).expect("encodes");
    let payload = [start, &length(&body), &body, &author, &after].concat();
    let start = encode(&id).expect("encodes");
    [&start[..], &length(&payload), &payload, b"a field of a newer version"].concat()
}

#[test]
fn entries_of_a_newer_version_are_read_or_known_as_such() {
    let commands = || entries().into_iter().filter(|entry| matches!(entry.payload, Payload::Normal(_)));
    for entry in commands() {
        let later = changed(&entry, |body, after| {
            body.extend([1, 0xff]);
            after.extend([7; 3]);
        });
        let back: EntryRecord<'_> = decode(&later).expect("decodes");
        assert_eq!(LogEntry::try_from(back), Ok(entry.clone()));
        let unknown = changed(&entry, |body, _| body[0] = 99);
        let error = decode::<EntryRecord<'_>>(&unknown).expect_err("is not known");
        assert_eq!(error.to_string(), "written by a newer version of coffeed: an unknown Command (99)");
        assert!(error.is_newer());
        let id = decode_first::<LogIdRecord>(&unknown).expect("the id comes first").0;
        assert_eq!(id, LogIdRecord::from(&entry.log_id));
    }
    let batch = commands().next().expect("a batch");
    let operation = changed(&batch, |body, _| *body = vec![0, 0, 1, 99]);
    assert_eq!(
        decode::<EntryRecord<'_>>(&operation),
        Err(RecordError::Newer(UnknownKind { of: "Operation", kind: 99 }))
    );
    let payload = [&encode(&LogIdRecord { term: 3, index: 1 }).expect("encodes")[..], &[2, 99, 1]].concat();
    assert_eq!(
        decode::<EntryRecord<'_>>(&payload),
        Err(RecordError::Newer(UnknownKind { of: "PayloadRecord", kind: 99 }))
    );
}

#[test]
fn records_of_an_older_version_lack_fields() {
    let member = NodeId(7);
    let vote = VoteRecord { leader: LeaderRecord { term: 5, node: member }, committed: false };
    assert_eq!(decode::<VoteRecord>(&[VERSION, 5, 7]), Ok(vote));
    let state =
        Command::SetNodeState { name: NodeName::new("hong").expect("legal"), id: member, standing: None };
    assert_eq!(envelope::decode_body(b"\x07\x02\x04hong\x07"), Ok(state));
}

#[test]
fn voters_that_are_not_members_are_rejected() {
    let record = MembershipRecord { voters: vec![BTreeSet::from([NodeId(1)])], members: BTreeMap::new() };
    assert!(matches!(Membership::try_from(record), Err(RecordError::Membership(_))));
}

/// A few bytes on the wire are a hundred in memory.
#[test]
fn more_members_than_a_cluster_has_are_not_decoded() {
    let ids = |count: usize| (0..count as u64).map(NodeId);
    let record = |sets: usize, voters: usize, members: usize| MembershipRecord {
        voters: vec![ids(voters).collect(); sets],
        members: ids(members).map(|id| (id, member("ming"))).collect(),
    };
    let decoded = |record: MembershipRecord| {
        let back = decode::<MembershipRecord>(&encode(&record).expect("encodes"));
        back.is_ok_and(|back| back == record)
    };
    assert!(decoded(record(CONFIGURATIONS_MAX, MEMBERS_MAX, MEMBERS_MAX)));
    assert!(!decoded(record(CONFIGURATIONS_MAX + 1, 1, 1)));
    assert!(!decoded(record(1, MEMBERS_MAX + 1, 1)));
    assert!(!decoded(record(1, 1, MEMBERS_MAX + 1)));
}

fn any_log_id() -> impl Strategy<Value = LogId> {
    (any::<u64>(), any::<u64>()).prop_map(|(term, index)| log_id(term, index))
}

fn any_member() -> impl Strategy<Value = Member> {
    "[a-z][a-z0-9]{0,20}".prop_map(|name| member(&name))
}

/// Uniform or joint, with learners; also the empty one of a new node.
fn any_membership() -> impl Strategy<Value = Membership> {
    let members = prop::collection::btree_map(any::<u64>().prop_map(NodeId), any_member(), 1..7);
    let some = (members, prop::collection::vec(any::<u64>(), 1..3)).prop_map(|(members, sets)| {
        let voters = |bits: u64| members.keys().zip(0..).filter(move |(_, at)| bits >> at & 1 == 1);
        let sets = sets.into_iter().map(|bits| voters(bits | 1).map(|(id, _)| *id).collect());
        Membership::new(sets.collect(), members.clone()).expect("legal")
    });
    prop_oneof![9 => some, 1 => Just(Membership::default())]
}

fn any_key() -> impl Strategy<Value = Key> {
    "[^\\x00]{1,20}".prop_map(|text| Key::new(text).expect("legal"))
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let value =
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Value::new(bytes).expect("legal"));
    let condition = prop_oneof![
        (any_key(), any::<u64>()).prop_map(|(key, revision)| Condition::RevisionIs(key, Revision(revision))),
        any_key().prop_map(Condition::Absent),
        any_key().prop_map(Condition::Present),
    ];
    let operation = prop_oneof![
        (any_key(), value).prop_map(|(key, value)| Operation::Set(key, value)),
        any_key().prop_map(Operation::Delete),
    ];
    (prop::collection::vec(condition, 0..4), prop::collection::vec(operation, 0..4))
        .prop_map(|(conditions, operations)| Batch { conditions, operations })
}

fn any_command() -> impl Strategy<Value = Command> {
    let standing =
        prop_oneof![Just(MemberState::Joining), Just(MemberState::Member), Just(MemberState::Shutdown)];
    prop_oneof![
        4 => any_batch().prop_map(|batch| Command::Batch(batch.into())),
        1 => any_member().prop_map(|Member { name, address }| Command::AdmitNode { name, address }),
        1 => any_member().prop_map(|Member { name, address }| Command::AnnounceNode { name, address }),
        1 => (any_member(), any::<u64>(), prop::option::of(standing)).prop_map(|(member, id, standing)| {
            Command::SetNodeState { name: member.name, id: NodeId(id), standing }
        }),
        1 => (any_member(), any::<u64>()).prop_map(|(Member { name, address }, id)| {
            Command::SetNodeAddress { name, id: NodeId(id), address }
        }),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(bytes, changes)| {
            Command::CompactHistory(HistoryLimit::Size { bytes, changes })
        }),
        1 => any::<u32>().prop_map(|level| Command::RaiseLevel(FeatureLevel(level))),
        1 => prop::option::of(any::<u64>()).prop_map(|bytes| {
            let unset = SettingChange::Unset(SettingName::DiskFreeBytesMin);
            Command::ChangeSetting(bytes.map_or(unset, |bytes| SettingChange::Set(Setting::DiskFreeBytesMin(bytes))))
        }),
        1 => (any::<u8>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(ca, number, der)| {
            Command::SetRevocationList(RevocationList { issuer: vec![ca], number, der })
        }),
    ]
}

fn any_entry() -> impl Strategy<Value = LogEntry> {
    let request = (any::<u128>(), any::<u64>(), any::<u64>()).prop_map(|(client, sequence, after)| {
        RequestId { client: ClientId(client), sequence, after: Revision(after) }
    });
    let proposal = (prop::option::of(request), any::<u64>(), any_command()).prop_map(
        |(request, proposed_at_ms, command)| Proposal {
            request,
            proposed_at_ms,
            command,
            author: String::new(),
        },
    );
    let payload = prop_oneof![
        1 => Just(Payload::Blank),
        6 => proposal.prop_map(Payload::Normal),
        2 => any_membership().prop_map(Payload::Membership),
    ];
    (any_log_id(), payload).prop_map(|(log_id, payload)| LogEntry::new(log_id, payload))
}

proptest! {
    #[test]
    fn any_entry_survives(entry in any_entry()) {
        let bytes = encode(&EntryRecord::from(&entry)).expect("encodes");
        let back: EntryRecord<'_> = decode(&bytes).expect("decodes");
        prop_assert_eq!(LogEntry::try_from(back), Ok(entry));
    }

    #[test]
    fn any_vote_survives(term: u64, node: u64, committed: bool) {
        let vote = Vote::from(VoteRecord { leader: LeaderRecord { term, node: NodeId(node) }, committed });
        let bytes = encode(&VoteRecord::from(&vote)).expect("encodes");
        prop_assert_eq!(decode::<VoteRecord>(&bytes).map(Vote::from), Ok(vote));
    }

    #[test]
    fn any_snapshot_meta_survives(
        last_log_id in prop::option::of(any_log_id()),
        of in prop::option::of(any_log_id()),
        membership in any_membership(),
    ) {
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::new(of, membership) };
        let bytes = encode(&SnapshotMetaRecord::from(&meta)).expect("encodes");
        let back: SnapshotMetaRecord = decode(&bytes).expect("decodes");
        prop_assert_eq!(SnapshotMeta::try_from(back), Ok(meta));
    }

    #[test]
    fn every_other_version_is_rejected(version in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..50)) {
        prop_assume!(version != VERSION);
        let bytes = [vec![version], rest].concat();
        prop_assert_eq!(decode::<EntryRecord<'_>>(&bytes), Err(RecordError::Version(version)));
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        if let Ok(entry) = decode::<EntryRecord<'_>>(&bytes) {
            let _ = LogEntry::try_from(entry);
        }
        if let Ok(meta) = decode::<SnapshotMetaRecord>(&bytes) {
            let _ = SnapshotMeta::try_from(meta);
        }
    }

    #[test]
    fn a_cut_or_flipped_entry_never_panics(which in 0usize..5, at in 0usize..1000, bit in 0u8..8) {
        let mut bytes = encode(&EntryRecord::from(&entries()[which])).expect("encodes");
        let at = at % bytes.len();
        let _ = decode::<EntryRecord<'_>>(&bytes[..at]);
        bytes[at] ^= 1 << bit;
        if let Ok(entry) = decode::<EntryRecord<'_>>(&bytes) {
            let _ = LogEntry::try_from(entry);
        }
    }
}
