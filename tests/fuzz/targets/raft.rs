//! Messages of a hostile member: decoded, validated, and given to a Raft in memory. Whatever they
//! say, Raft goes on.
#![no_main]

use std::{collections::BTreeMap, sync::Arc};

use coffee_common::id::{ClusterId, NodeId};
use coffee_fuzz::{MemoryFiles, UnreachableMembers, log_file};
use coffeed::{
    api::peer::{LeaderLog, PeerContext, PeerVersions, Refusals, fuzz},
    config::{StorageOptions, Timers},
    node::{
        audit_log::AuditLog,
        leader_contact::LastContact,
        raft::{self, Raft},
    },
    ops::confirm_member::Confirmation,
    raft_types::Member,
    storage::{
        durable_index::DurableIndex,
        log::LogStore,
        poison::Poison,
        state::{Offload, StateOptions},
        state_machine::StateMachine,
    },
};
use libfuzzer_sys::fuzz_target;

/// The smallest chunk that holds any entry of this test.
const CHUNK_BYTES: u32 = 64 << 10;
const OWN: NodeId = NodeId(1);
const PEER: NodeId = NodeId(2);

async fn node() -> (Raft, PeerContext) {
    let (poison, durable_index) = (Poison::new(), DurableIndex::new());
    let options = StateOptions {
        cache_bytes: 64 << 10,
        check_integrity: false,
        offload: Offload::Inline,
        ..StateOptions::default()
    };
    let files = Arc::new(MemoryFiles::default());
    let machine = StateMachine::open(files, options, durable_index.clone(), poison.clone()).expect("opens");
    let log = LogStore::open_inline(log_file(CHUNK_BYTES), durable_index, poison).expect("opens");
    let inbox = machine.inbox();
    let storage =
        StorageOptions { snapshot_every_entries: 5, log_keep_entries: 1, ..StorageOptions::default() };
    let raft = raft::start(OWN, &Timers::default(), &storage, UnreachableMembers, log, machine)
        .await
        .expect("starts");
    let member = |name: &str| Member {
        name: name.parse().expect("legal"),
        address: "127.0.0.1:7400".parse().expect("legal"),
    };
    let members = [(OWN, "ming"), (PEER, "hong"), (NodeId(3), "peng")];
    let members: BTreeMap<_, _> = members.map(|(id, name)| (id, member(name))).into();
    raft.initialize(members).await.expect("is fresh");
    let context = PeerContext {
        raft: raft.clone(),
        cluster: ClusterId(1),
        own: OWN,
        inbox,
        leader_log: LeaderLog::default(),
        last_contact: LastContact::default(),
        refusals: Refusals::default(),
        versions: PeerVersions::default(),
        audit_log: AuditLog::default(),
        confirm: Arc::new(|_, _| Box::pin(async { Confirmation::Member })),
    };
    (raft, context)
}

fuzz_target!(init: coffee_fuzz::seeds::write("raft"), |bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (raft, context) = node().await;
        fuzz::serve(context, PEER, "hong".parse().expect("legal"), bytes).await;
        raft.is_initialized().await.expect("Raft goes on");
        raft.shutdown().await.expect("Raft stops when it is told to");
    });
});
