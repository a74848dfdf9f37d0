//! The file of a backup, byte for byte.

use std::{collections::BTreeMap, sync::Arc};

use coffee_common::{
    backup::{BackupBlock, Unpacker},
    command::{Batch, Command, Operation, Proposal},
    feature_level::LEVEL_MIN,
    id::{Address, ClientId, ClusterId, NodeId, RequestId},
    key::Value,
};
use futures_util::stream;
use openraft::{RaftSnapshotBuilder, entry::RaftEntry, storage::RaftStateMachine};

use super::*;
use crate::{
    raft_types::{LogEntry, Member, Membership, Payload},
    storage::{
        durable_index::DurableIndex,
        poison::Poison,
        record::LogIdRecord,
        state::{Offload, StateDir, StateOptions},
        state_machine::StateMachine,
    },
};

/// The state of a single-node cluster with one key.
async fn source(folder: &std::path::Path) -> SnapshotSource {
    let files = Arc::new(StateDir::new(folder.join("state.redb")));
    let options = StateOptions { offload: Offload::Inline, ..StateOptions::default() };
    let mut machine =
        StateMachine::open(files, options, DurableIndex::new(), Poison::new()).expect("a new state");
    let name: NodeName = "ming".parse().expect("legal");
    let address: Address = "ming.example.net:7400".parse().expect("legal");
    let members = BTreeMap::from([(NodeId(1), Member { name, address })]);
    let alone = Membership::new(vec![[NodeId(1)].into()], members).expect("a membership");
    let set = Operation::Set("order/1".parse().expect("legal"), Value::new("latte").expect("legal"));
    let proposal = Proposal {
        author: String::new(),
        request: Some(RequestId { client: ClientId(0xc0ffee), sequence: 1, after: Revision(1) }),
        proposed_at_ms: 1_700_000_000_000,
        command: Command::Batch(Batch::of(set).into()),
    };
    let payloads = [Payload::Membership(alone), Payload::Blank, Payload::Normal(proposal)];
    let entries = (0..).zip(payloads).map(|(index, payload)| {
        let id = LogIdRecord { term: 1, index }.into();
        Ok((LogEntry::new(id, payload), None))
    });
    machine.apply(stream::iter(entries)).await.expect("applies");
    let snapshot = machine.get_snapshot_builder().await.build_snapshot().await.expect("a snapshot");
    let SnapshotData::Source(source) = snapshot.snapshot else { panic!("it is the node's own") };
    source
}

#[tokio::test]
async fn golden_file_of_a_backup() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = source(folder.path()).await;
    let header = BackupHeader {
        cluster: ClusterId(9),
        node: "ming".parse().expect("legal"),
        node_id: NodeId(1),
        revision: Revision(2),
        term: 1,
        members: members(source.meta()),
        taken_at_ms: 1_700_000_000_000,
        version: "0.1.0".to_owned(),
        rows: source.rows(),
        level: LEVEL_MIN,
    };
    let rows = header.rows;
    let backup = BackupStream::of(header.clone(), source).expect("begins");
    let file: Vec<u8> = backup.flat_map(|piece| piece.expect("a piece")).collect();
    crate::golden_test::check("backup_file", &file);

    let mut unpacker = Unpacker::default();
    unpacker.push(&file);
    let mut counted = 0;
    while let Some(block) = unpacker.next_block().expect("whole") {
        if let BackupBlock::Data { rows, .. } = block {
            counted = rows;
        }
    }
    let summary = unpacker.finish().expect("whole");
    assert_eq!((summary.header, summary.end.keys, counted), (header, 1, rows));
}
