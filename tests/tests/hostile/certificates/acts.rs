//! Requests of every role and scope of keys: sent to the leader, sent to a follower that forwards them,
//! and forwarded by a node in another name.

use std::sync::atomic::{AtomicU64, Ordering};

use coffee_client::{
    Address, CredentialFiles, Credentials,
    cert::{self, Existing, Subject},
};
use coffee_common::{
    command::{Batch, Condition, Operation},
    feature_level::LEVEL_MAX,
    id::{ClientId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    key_scope::KeyScope,
    protocol::{Consistency, Identity, LogLevel, RaftStatus, Request, Role},
};
use coffee_tests::cluster::Cluster;

use super::{ACCEPTED, CaseTable};
use crate::{
    node_roles::NodeCaller,
    peers,
    strangers::{NAMES, is_unharmed, victims},
};

/// The keys that the till may use.
const PREFIXES: [&str; 2] = ["menu/", "till/ming/"];

/// The refusal of any other key.
const OUTSIDE: &str = "till may use only keys that begin with menu/ or till/ming/";

/// Of a client that claims to be another.
const NOT_A_NODE: &str = "only a node may act on behalf of another identity";

/// Of a node that is not a member.
const NOT_A_MEMBER: &str = "is not a member of this cluster, and forwards nothing";

/// Of a request that is not forwarded.
const NEVER_FORWARDED: &str = "this request is never forwarded";

/// A request, and the expected outcome.
type Asked = (&'static str, Request, &'static str);

/// A node that is asked.
struct Asking<'a> {
    address: &'a Address,
    raft: &'a RaftStatus,
}

impl Asking<'_> {
    /// Sends a request with a certificate. Returns why it was rejected.
    async fn ask(&self, caller: &NodeCaller, claimed: Option<&Identity>, request: &Request) -> String {
        let result = caller.ask(self.address, self.raft.cluster, claimed, request).await;
        result.err().map(|rejection| rejection.to_string()).unwrap_or_default()
    }
}

pub(super) async fn are_judged(table: &mut CaseTable) {
    let cluster = Cluster::of(4).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["set", "till/hong/1", "latte"]).ok().await;
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    cluster.leader().await;
    let before = victims(&cluster, &NAMES).await;
    let leads = |(_, raft): &(Address, RaftStatus)| raft.leader == Some(raft.id);
    let led = before.iter().position(leads).expect("one of them leads");
    let (leader, follows) = (&before[led], (led + 1) % NAMES.len());
    for ((address, raft), place) in [(leader, "at the leader"), (&before[follows], "through a follower")] {
        let asking = Asking { address, raft };
        for (who, credentials, requests) in [
            ("a till", of_till(&cluster), keys_of_till()),
            ("a till with escapes", of_cafe(&cluster), keys_of_cafe()),
            ("a reader", cluster.credentials(Role::Reader), acts_of_reader()),
            ("a writer", cluster.credentials(Role::Writer), acts_of_writer()),
            ("a backup", cluster.credentials(Role::Backup), acts_of_backup()),
            ("an admin", cluster.credentials(Role::Admin), acts_of_admin()),
        ] {
            let caller = NodeCaller::new(&credentials);
            for (act, request, expected) in requests {
                let end = asking.ask(&caller, None, &request).await;
                table.judge(&format!("{who}, {place}: {act}"), &end, expected);
            }
            let ops = Identity::new(Role::Admin, name("ops"));
            for (act, request) in [("a plan", down()), ("a write", set("menu/tea"))] {
                let end = asking.ask(&caller, Some(&ops), &request).await;
                table.judge(&format!("{who} for admin ops, {place}: {act}"), &end, NOT_A_NODE);
            }
        }
    }
    let leader = Asking { address: &leader.0, raft: &leader.1 };
    for (certificate, who) in [(NAMES[follows], "a member"), ("long", "a removed node"), ("hu", "a stranger")]
    {
        let caller = NodeCaller::new(&peers::credentials(&cluster, certificate));
        let forwarded = if who == "a member" { forwarded_by_member() } else { forwarded_by_stranger() };
        for (claimed, (act, request, expected)) in forwarded {
            let end = leader.ask(&caller, Some(&claimed), &request).await;
            table.judge(
                &format!("{who} for {} {}: {act}", claimed.role.as_str(), claimed.name),
                &end,
                expected,
            );
        }
        for (act, request, expected) in own_acts_of_node(certificate, who == "a member") {
            let end = leader.ask(&caller, None, &request).await;
            table.judge(&format!("{who} for itself: {act}"), &end, expected);
        }
    }
    is_unharmed(&cluster, &NAMES, &before).await;
    assert_eq!(cluster.coffeectl(["get", "till/hong/1"]).ok().await, "latte");
}

/// The credentials of a client that may use some keys, as `coffeectl cert client` makes them.
fn restricted(cluster: &Cluster, client: &str, prefixes: &[&str]) -> Credentials {
    let certs = cluster.certs();
    let keys = KeyScope::new(prefixes.iter().copied()).expect("legal");
    let subject = Subject::client(Role::Writer, name(client), keys).expect("a writer");
    cert::issue(certs.as_path(), &subject, 1, Existing::Replace).expect("issues");
    let file = |ending| certs.join(format!("writer-{client}.{ending}"));
    let files = CredentialFiles::new(certs.join("ca.crt"), file("crt"), file("key"));
    Credentials::load(&files).expect("a good certificate")
}

fn of_till(cluster: &Cluster) -> Credentials {
    restricted(cluster, "till", &PREFIXES)
}

fn of_cafe(cluster: &Cluster) -> Credentials {
    restricted(cluster, "cafe", &["café/ %/"])
}

fn name(text: &str) -> NodeName {
    text.parse().expect("legal")
}

fn key(text: &str) -> Key {
    Key::new(text).expect("legal")
}

fn get(at: &str) -> Request {
    Request::Get { key: key(at), consistency: Consistency::Linearizable }
}

fn range(range: KeyRange) -> Request {
    let consistency = Consistency::Linearizable;
    Request::Range { range, limit: 0, keys_only: true, consistency, empty_pages: true }
}

/// A write that is not a retry of another one.
fn write(batch: Batch) -> Request {
    static SEQUENCE: AtomicU64 = AtomicU64::new(1);
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    Request::Write {
        request: RequestId { client: ClientId(7), sequence, after: Revision(0) },
        batch: batch.into(),
    }
}

fn setting(at: &str) -> Batch {
    Batch::of(Operation::Set(key(at), Value::new("mocha").expect("legal")))
}

fn set(at: &str) -> Request {
    write(setting(at))
}

/// A request of an admin that changes nothing.
fn down() -> Request {
    Request::Down { node: Some(name("peng")), dry_run: true }
}

fn can_stop() -> Request {
    Request::CanStop { node: name("peng") }
}

fn trace() -> Request {
    Request::LogLevel { level: Some(LogLevel::Trace) }
}

fn keys_of_till() -> Vec<Asked> {
    let between = |from: &str, to: Option<&str>| range(KeyRange::between(from, to.map(str::as_bytes)));
    let local = Request::Get { key: key("till/hong/1"), consistency: Consistency::Local };
    let mut mixed = setting("menu/tea");
    mixed.operations.push(Operation::Delete(key("till/hong/1")));
    let mut own = setting("menu/tea");
    own.operations.push(Operation::Set(key("till/ming/1"), Value::default()));
    vec![
        ("the prefix itself", get("menu/"), ACCEPTED),
        ("a longer key", get("menu/tea"), ACCEPTED),
        ("a shorter key", get("menu"), OUTSIDE),
        ("the key after the prefix", get("menu0"), OUTSIDE),
        ("a key of another till", get("till/hong/1"), OUTSIDE),
        ("a key of another till, as this node has it", local, OUTSIDE),
        ("a prefix in capitals", get("MENU/tea"), OUTSIDE),
        ("the range of a prefix", range(KeyRange::prefix("menu/")), ACCEPTED),
        ("the range of a longer prefix", range(KeyRange::prefix("till/ming/2")), ACCEPTED),
        ("an empty range elsewhere", between("x", Some("x")), ACCEPTED),
        ("the range of a shorter prefix", range(KeyRange::prefix("till/")), OUTSIDE),
        ("the range of all keys", range(KeyRange::all()), OUTSIDE),
        ("a range without an end", between("menu/", None), OUTSIDE),
        ("a range with one key too many", between("menu/", Some("menu00")), OUTSIDE),
        ("a range that begins before the prefix", between("menu.", Some("menu/z")), OUTSIDE),
        ("a range from prefix to prefix", between("menu/", Some("till/ming/9")), OUTSIDE),
        ("a write", set("till/ming/1"), ACCEPTED),
        ("a batch in both prefixes", write(own), ACCEPTED),
        (
            "a condition within",
            write(setting("menu/tea").when(Condition::Present(key("menu/tea")))),
            ACCEPTED,
        ),
        ("a write elsewhere", set("till/hong/1"), OUTSIDE),
        ("a deletion elsewhere", write(Batch::of(Operation::Delete(key("till/hong/1")))), OUTSIDE),
        ("a batch with one key elsewhere", write(mixed), OUTSIDE),
        (
            "a condition on absence elsewhere",
            write(setting("menu/tea").when(Condition::Absent(key("till/hong/1")))),
            OUTSIDE,
        ),
        (
            "a condition on a revision elsewhere",
            write(setting("menu/tea").when(Condition::RevisionIs(key("till/hong/1"), Revision(3)))),
            OUTSIDE,
        ),
    ]
}

fn keys_of_cafe() -> Vec<Asked> {
    vec![
        ("a key of the prefix", set("café/ %/1"), ACCEPTED),
        ("the prefix as it is encoded", set("caf%C3%A9/%20%25/1"), "cafe may use only keys"),
        ("another accent", set("cafè/ %/1"), "cafe may use only keys"),
    ]
}

fn acts_of_reader() -> Vec<Asked> {
    const WRITER: &str = "test has the role reader; this request needs the role writer";
    vec![
        ("a get", get("order/1"), ACCEPTED),
        ("a question about a node", can_stop(), ACCEPTED),
        ("a write", set("order/1"), WRITER),
        ("a deletion", write(Batch::of(Operation::Delete(key("order/1")))), WRITER),
        ("a plan", down(), "needs the role admin"),
    ]
}

fn acts_of_writer() -> Vec<Asked> {
    const ADMIN: &str = "test has the role writer; this request needs the role admin";
    vec![
        ("a write", set("order/2"), ACCEPTED),
        ("a transfer", Request::Transfer { to: None }, ADMIN),
        ("a removal", Request::Remove { node: name("peng"), dry_run: false }, ADMIN),
        ("a boot", Request::Boot { node: name("hu"), address: None }, ADMIN),
        ("a log level", trace(), ADMIN),
        ("a revocation", Request::Revoke { list: vec![0x30, 0] }, ADMIN),
    ]
}

fn acts_of_backup() -> Vec<Asked> {
    vec![
        ("the status", Request::Status, ACCEPTED),
        ("a get", get("order/1"), "test has the role backup; this request needs the role reader"),
        ("a list", Request::List, "needs the role reader"),
        ("a write", set("order/1"), "needs the role writer"),
        ("a plan", down(), "needs the role admin"),
    ]
}

fn acts_of_admin() -> Vec<Asked> {
    vec![
        ("a plan", down(), ACCEPTED),
        ("a write", set("order/3"), ACCEPTED),
        ("a read round", Request::ReadIndex, "this request needs the role node"),
        ("an invitation", Request::ShutDownRemoved { id: NodeId(1) }, "this request needs the role node"),
        ("the join of a node", join("hu"), "this request needs the role node"),
    ]
}

fn join(node: &str) -> Request {
    Request::Join { node: name(node), address: nowhere(), level: LEVEL_MAX }
}

fn nowhere() -> Address {
    "127.0.0.1:9".parse().expect("legal")
}

/// A member forwards what its client may do, and is judged by that client.
fn forwarded_by_member() -> Vec<(Identity, Asked)> {
    let of = |role| Identity::new(role, name("test"));
    let keys = KeyScope::new(PREFIXES).expect("legal");
    let till = || Identity { keys: keys.clone(), ..Identity::new(Role::Writer, name("till")) };
    vec![
        (of(Role::Reader), ("a question about a node", can_stop(), ACCEPTED)),
        (of(Role::Reader), ("a write", set("order/1"), "test has the role reader")),
        (of(Role::Reader), ("a get", get("order/1"), NEVER_FORWARDED)),
        (of(Role::Writer), ("a write", set("order/4"), ACCEPTED)),
        (of(Role::Writer), ("a plan", down(), "test has the role writer")),
        (till(), ("a write within its keys", set("menu/tea"), ACCEPTED)),
        (till(), ("a write elsewhere", set("till/hong/1"), OUTSIDE)),
        (
            till(),
            (
                "a condition elsewhere",
                write(setting("menu/tea").when(Condition::Present(key("till/hong/1")))),
                OUTSIDE,
            ),
        ),
        (of(Role::Backup), ("a write", set("order/1"), "test has the role backup")),
        (of(Role::Backup), ("a question about a node", can_stop(), "test has the role backup")),
        (of(Role::Admin), ("a plan", down(), ACCEPTED)),
        (of(Role::Admin), ("a log level", trace(), NEVER_FORWARDED)),
        (of(Role::Admin), ("a reload", Request::Reload { force: true }, NEVER_FORWARDED)),
        (
            Identity::new(Role::Node, name("hu")),
            ("the move of another node", Request::Move { node: name("peng"), address: nowhere() }, "hu"),
        ),
        (Identity::new(Role::Node, name("hu")), ("a write", set("order/1"), "hu has the role node")),
    ]
}

fn forwarded_by_stranger() -> Vec<(Identity, Asked)> {
    let of = |role| Identity::new(role, name("test"));
    vec![
        (of(Role::Reader), ("a question about a node", can_stop(), NOT_A_MEMBER)),
        (of(Role::Writer), ("a write", set("order/1"), NOT_A_MEMBER)),
        (of(Role::Backup), ("a question about a node", can_stop(), NOT_A_MEMBER)),
        (of(Role::Admin), ("a transfer", Request::Transfer { to: None }, NOT_A_MEMBER)),
        (of(Role::Admin), ("a log level", trace(), NEVER_FORWARDED)),
        (Identity::new(Role::Node, name("peng")), ("a read round", Request::ReadIndex, NOT_A_MEMBER)),
    ]
}

/// A node administers nothing in its own name.
fn own_acts_of_node(certificate: &str, is_member: bool) -> Vec<Asked> {
    let read_round = if is_member { ACCEPTED } else { "only a member may" };
    vec![
        ("a write", set("order/1"), "has the role node; this request needs the role writer"),
        ("a get", get("order/1"), "has the role node; this request needs the role reader"),
        ("a log level", trace(), "has the role node; this request needs the role admin"),
        ("a read round", Request::ReadIndex, read_round),
        ("the join of another node", join("elsewhere"), "may not"),
        ("a join", join(certificate), if is_member { "is a member" } else { "announced" }),
    ]
}
