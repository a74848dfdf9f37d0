//! Compares [`apply`] with a model of the state in plain maps, on random histories.

mod cases;
mod changes;
mod past;
mod transactions;

use std::collections::BTreeMap;

use coffee_common::{
    command::{Batch, Command, Condition, Effect, MemberState, NodeRecord, Operation, Outcome, Proposal},
    entry::Entry,
    feature_level::{FeatureLevel, LEVEL_MAX, LEVEL_MIN},
    id::{Address, ClientId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    limits::{CLUSTER_LISTS_MAX, NODES_MAX},
    revocation_list::RevocationList,
    setting::{Setting, SettingChange, SettingName, UpgradeFinish},
};
use proptest::prelude::*;
use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

use super::{DbSnapshot, Digest, RequestMemory, Store, Tables, apply, content_hash, create_tables};

/// How many requests are remembered: few, so that histories outlast them.
const MEMORY: u64 = 3;

#[derive(Default)]
struct KvModel {
    keys: BTreeMap<Key, Entry>,
    nodes: BTreeMap<NodeName, NodeRecord>,
    lists: BTreeMap<Vec<u8>, (RevocationList, Revision)>,
    settings: BTreeMap<SettingName, Setting>,
    remembered: Vec<(RequestId, Command, Outcome, Revision)>,
    forgotten: Revision,
}

impl KvModel {
    fn apply(&mut self, at: Revision, proposal: &Proposal) -> Outcome {
        let Some(request) = proposal.request else { return self.execute(at, proposal) };
        let same =
            |(r, ..): &&(RequestId, _, _, _)| (r.client, r.sequence) == (request.client, request.sequence);
        if let Some((_, command, outcome, _)) = self.remembered.iter().find(same) {
            return if *command == proposal.command { outcome.clone() } else { Outcome::RequestIdReused };
        }
        if request.after < self.forgotten || request.after >= at {
            return Outcome::Forgotten { upto: self.forgotten };
        }
        let outcome = self.execute(at, proposal);
        self.remembered.push((request, proposal.command.clone(), outcome.clone(), at));
        if self.remembered.len() as u64 > MEMORY {
            self.forgotten = self.remembered.remove(0).3;
        }
        outcome
    }

    fn execute(&mut self, at: Revision, proposal: &Proposal) -> Outcome {
        let since_ms = proposal.proposed_at_ms;
        match &proposal.command {
            Command::Batch(batch) => self.batch(at, batch),
            Command::AdmitNode { name, .. } | Command::AnnounceNode { name, .. }
                if !self.nodes.contains_key(name) && self.nodes.len() == NODES_MAX =>
            {
                Outcome::TooManyNodes
            }
            Command::AdmitNode { name, address } => {
                let (id, standing) = (NodeId(at.0), MemberState::Joining);
                let record =
                    NodeRecord { id, name: name.clone(), address: address.clone(), standing, since_ms };
                self.nodes.insert(name.clone(), record);
                Outcome::NodeAdmitted(id)
            }
            Command::AnnounceNode { name, address } => {
                let (id, standing) = (NodeId(at.0), MemberState::Announced);
                let record =
                    NodeRecord { id, name: name.clone(), address: address.clone(), standing, since_ms };
                self.nodes.insert(name.clone(), record);
                Outcome::NodeAnnounced
            }
            Command::SetNodeState { name, id, standing } => {
                let known = self.nodes.get_mut(name).filter(|record| record.id == *id);
                let found = known.is_some();
                match (known, standing) {
                    (Some(record), Some(standing)) if record.standing != *standing => {
                        (record.standing, record.since_ms) = (*standing, since_ms);
                    }
                    (Some(_), None) => drop(self.nodes.remove(name)),
                    _ => {}
                }
                Outcome::NodeStateSet(found)
            }
            Command::SetNodeAddress { name, id, address } => {
                let known = self.nodes.get_mut(name).filter(|record| record.id == *id);
                let found = known.is_some();
                known.into_iter().for_each(|record| record.address = address.clone());
                Outcome::NodeStateSet(found)
            }
            Command::SetRevocationList(list) => self.set_list(at, list),
            // This build knows one level.
            Command::RaiseLevel(_) => Outcome::LevelRaised { level: LEVEL_MIN, changed: false },
            Command::ChangeSetting(change) => {
                let before = match *change {
                    SettingChange::Set(setting) => self.settings.insert(setting.name(), setting),
                    SettingChange::Unset(name) => self.settings.remove(&name),
                };
                Outcome::SettingChanged(before != self.settings.get(&change.name()).copied())
            }
            // It keeps no history.
            Command::CompactHistory(_) | Command::Transaction(_) => Outcome::Nothing,
            #[cfg(coffee_future)]
            Command::FutureTouch(name) => Outcome::NodeStateSet(self.nodes.contains_key(name)),
        }
    }

    fn set_list(&mut self, at: Revision, list: &RevocationList) -> Outcome {
        let known = self.lists.get(&list.issuer).map(|(known, _)| known.number);
        if let Some(number) = known.filter(|known| *known >= list.number) {
            return Outcome::RevocationListSet { number, changed: false };
        }
        if known.is_none() && self.lists.len() == CLUSTER_LISTS_MAX {
            let oldest = self.lists.iter().min_by_key(|(_, (_, since))| *since).expect("full");
            let oldest = oldest.0.clone();
            self.lists.remove(&oldest);
        }
        self.lists.insert(list.issuer.clone(), (list.clone(), at));
        Outcome::RevocationListSet { number: list.number, changed: true }
    }

    fn batch(&mut self, at: Revision, batch: &Batch) -> Outcome {
        for (position, condition) in batch.conditions.iter().enumerate() {
            let actual = self.keys.get(condition.key()).map(|entry| entry.modified);
            let holds = match condition {
                Condition::RevisionIs(_, revision) => actual == Some(*revision),
                Condition::Absent(_) => actual.is_none(),
                Condition::Present(_) => actual.is_some(),
            };
            if !holds {
                return Outcome::ConditionFalse { condition: position as u32, actual };
            }
        }
        let mut effects = Vec::new();
        for operation in &batch.operations {
            let previous = match operation {
                Operation::Delete(key) => self.keys.remove(key),
                Operation::Set(key, value) => {
                    let old = self.keys.get(key).cloned();
                    let (created, version) =
                        old.as_ref().map_or((at, 1), |old| (old.created, old.version + 1));
                    let entry = Entry { value: value.clone(), created, modified: at, version };
                    self.keys.insert(key.clone(), entry);
                    old
                }
            };
            effects.push(Effect { previous: previous.map(|entry| entry.modified) });
        }
        Outcome::Applied { revision: at, effects }
    }
}

/// A store over a database in memory, and the request memory.
struct Real {
    store: Store,
    memory: RequestMemory,
    database: Database,
}

impl Real {
    fn new(limit: u64) -> Self {
        let database =
            Database::builder().create_with_backend(InMemoryBackend::new()).expect("an empty database");
        let txn = database.begin_write().expect("begins");
        create_tables(&txn).expect("creates");
        txn.commit().expect("commits");
        let store = Store::over(snapshot(&database));
        let memory = RequestMemory::load(&store, limit).expect("loads");
        Self { store, memory, database }
    }

    /// Applies entries in one batch.
    fn apply(&mut self, entries: &[(Revision, Proposal)]) -> Vec<Outcome> {
        let keys = entries.iter().flat_map(|(_, proposal)| match &proposal.command {
            Command::Batch(batch) => batch.keys().collect(),
            Command::Transaction(transaction) => transaction.keys().collect(),
            _ => Vec::new(),
        });
        let mut reading = self.store.begin_heads(keys);
        while reading.read_next().expect("reads") {}
        let tables = Tables::open(&mut self.store, &mut self.memory).expect("opens");
        let mut tables = tables.with_heads(reading.finish());
        let outcomes =
            entries.iter().map(|(at, proposal)| apply(&mut tables, *at, proposal).expect("applies"));
        let outcomes = outcomes.collect();
        tables.finish();
        outcomes
    }

    /// Flushes the sealed memtable, or else everything. Returns `false` if there
    /// was nothing to flush.
    fn flush(&mut self) -> bool {
        self.store.seal();
        let Some(memtable) = self.store.sealed() else { return false };
        let txn = self.database.begin_write().expect("begins");
        memtable.flush(&txn).expect("flushes");
        txn.commit().expect("commits");
        drop(self.store.install_flushed(snapshot(&self.database)));
        true
    }

    /// Flushes everything and drops what is in memory, as a restart does.
    fn restart(&mut self) {
        while self.flush() {}
        self.store = Store::over(snapshot(&self.database));
        self.memory = RequestMemory::load(&self.store, MEMORY).expect("loads");
    }

    fn hash(&self) -> u64 {
        let digest = self.store.digest().expect("reads");
        assert_eq!(digest, Digest::of(&self.store).expect("reads"), "it was updated with every row");
        content_hash(&self.store).expect("reads")
    }
}

fn snapshot(database: &Database) -> DbSnapshot {
    DbSnapshot::open(&database.begin_read().expect("begins")).expect("opens")
}

fn key(name: impl AsRef<[u8]>) -> Key {
    Key::new(name).expect("legal")
}

fn any_key() -> impl Strategy<Value = Key> {
    prop::sample::select(past::keys())
}

fn any_value() -> impl Strategy<Value = Value> {
    prop::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::new(bytes).expect("legal"))
}

fn any_batch() -> impl Strategy<Value = Command> {
    let condition = prop_oneof![
        (any_key(), 1u64..40).prop_map(|(key, revision)| Condition::RevisionIs(key, Revision(revision))),
        any_key().prop_map(Condition::Absent),
        any_key().prop_map(Condition::Present),
    ];
    let operation = prop_oneof![
        3 => (any_key(), any_value()).prop_map(|(key, value)| Operation::Set(key, value)),
        1 => any_key().prop_map(Operation::Delete),
    ];
    (prop::collection::vec(condition, 0..2), prop::collection::vec(operation, 0..4))
        .prop_map(|(conditions, operations)| Command::Batch(Batch { conditions, operations }.into()))
}

fn any_node_command() -> impl Strategy<Value = Command> {
    let name = "[a-c]".prop_map(|name| NodeName::new(name).expect("legal"));
    let standing = prop_oneof![
        Just(None),
        Just(Some(MemberState::Joining)),
        Just(Some(MemberState::Member)),
        Just(Some(MemberState::Shutdown))
    ];
    let address = (7400u16..7403).prop_map(|port| format!("localhost:{port}").parse().expect("legal"));
    (name, standing, address, prop::option::of(1u64..40), any::<bool>()).prop_map(
        |(name, standing, address, id, moves): (_, _, Address, _, _)| match id.map(NodeId) {
            None if moves => Command::AnnounceNode { name, address },
            None => Command::AdmitNode { name, address },
            Some(id) if moves => Command::SetNodeAddress { name, id, address },
            Some(id) => Command::SetNodeState { name, id, standing },
        },
    )
}

/// Lists of more CAs than are kept.
fn any_revocation_list() -> impl Strategy<Value = Command> {
    (0u8..12, 1u64..4).prop_map(|(ca, number)| {
        Command::SetRevocationList(RevocationList { issuer: vec![ca], number, der: vec![ca, number as u8] })
    })
}

/// Levels to which the cluster cannot be raised.
fn any_level() -> impl Strategy<Value = Command> {
    prop_oneof![Just(0u32), Just(1), 4u32..].prop_map(|level| Command::RaiseLevel(FeatureLevel(level)))
}

fn any_setting() -> impl Strategy<Value = Command> {
    let setting = prop_oneof![
        (0u64..3).prop_map(Setting::DataBytesMax),
        (0u64..2).prop_map(Setting::DiskFreeBytesMin),
        Just(Setting::UpgradeFinish(UpgradeFinish::Automatic)),
        (0u64..2).prop_map(Setting::HistoryBytesMax),
    ];
    (setting, any::<bool>()).prop_map(|(setting, unset)| {
        Command::ChangeSetting(match unset {
            true => SettingChange::Unset(setting.name()),
            false => SettingChange::Set(setting),
        })
    })
}

/// A command and its request id: client, sequence, and how many entries ago it
/// was created. Few of each, so ids are repeated with the same command (retries)
/// and with others (mistakes).
type RequestedCommand = (Command, Option<(u8, u8, u64)>);

fn any_history() -> impl Strategy<Value = Vec<Vec<RequestedCommand>>> {
    let fixed = Command::Batch(Batch::of(Operation::Set(key("a"), Value::default())).into());
    let command = prop_oneof![4 => any_batch(), 2 => Just(fixed), 2 => any_node_command(), 2 => any_revocation_list(), 1 => any_level(), 2 => any_setting()];
    let back = prop_oneof![0u64..12, 0u64..200];
    let request = prop::option::of((0u8..2, 0u8..4, back));
    prop::collection::vec(prop::collection::vec((command, request), 1..6), 0..8)
}

/// The entries of a history. Leaves gaps in the indexes, as entries without a
/// command do, so wide that a row of requests has few records.
fn entries(history: &[Vec<RequestedCommand>]) -> Vec<Vec<(Revision, Proposal)>> {
    let mut index = 0;
    let mut entry = |(command, request): &RequestedCommand| {
        index += if index % 5 == 3 { 97 } else { 1 };
        let request = request.map(|(client, sequence, back)| RequestId {
            client: ClientId(client.into()),
            sequence: sequence.into(),
            after: Revision(u64::saturating_sub(index, back)),
        });
        (
            Revision(index),
            Proposal {
                request,
                proposed_at_ms: 1000 + index,
                command: command.clone(),
                author: String::new(),
            },
        )
    };
    history.iter().map(|steps| steps.iter().map(&mut entry).collect()).collect()
}

fn assert_same_state(real: &Real, model: &KvModel) {
    let view = &real.store;
    let page = view.range(&KeyRange::all(), 0, false).expect("reads");
    assert_eq!(page.entries, model.keys.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(view.nodes().expect("reads"), model.nodes.values().cloned().collect::<Vec<_>>());
    let lists: Vec<_> = model.lists.values().map(|(list, _)| list.clone()).collect();
    assert_eq!(view.revocation_lists().expect("reads"), lists);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(view.get(&key(name)).expect("reads").as_ref(), model.keys.get(&key(name)));
    }
    assert_eq!(real.memory.forgotten(), model.forgotten);
}

/// An event between two batches.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Seal,
    Flush,
    Restart,
}

fn any_between() -> impl Strategy<Value = Vec<Between>> {
    let any = [Between::Nothing, Between::Seal, Between::Flush, Between::Restart];
    prop::collection::vec(prop::sample::select(any.to_vec()), 8)
}

impl Real {
    fn go_through(&mut self, between: Between) {
        match between {
            Between::Nothing => {}
            Between::Seal => self.store.seal(),
            Between::Flush => drop(self.flush()),
            Between::Restart => self.restart(),
        }
    }
}

proptest! {
    #[test]
    fn apply_does_what_the_model_does(history in any_history(), between in any_between()) {
        let (mut real, mut model) = (Real::new(MEMORY), KvModel::default());
        for (entries, between) in entries(&history).iter().zip(between) {
            let expected: Vec<_> = entries.iter().map(|(at, proposal)| model.apply(*at, proposal)).collect();
            prop_assert_eq!(real.apply(entries), expected);
            real.go_through(between);
            assert_same_state(&real, &model);
        }
    }

    #[test]
    fn neither_batches_nor_flushes_make_a_difference(history in any_history(), between in any_between()) {
        let (mut batched, mut single) = (Real::new(MEMORY), Real::new(MEMORY));
        for (entries, between) in entries(&history).into_iter().zip(between) {
            batched.apply(&entries);
            batched.go_through(between);
            for entry in entries {
                single.apply(&[entry]);
            }
            prop_assert_eq!(batched.hash(), single.hash());
        }
        batched.restart();
        prop_assert_eq!(batched.hash(), single.hash());
    }
}
