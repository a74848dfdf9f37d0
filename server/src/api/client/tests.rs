//! The messages between clients and nodes: golden bytes and round trips.

mod other_versions;
mod samples;
mod variants;

use std::collections::BTreeSet;

use coffee_common::{
    command::{Batch, Condition, Effect, MemberState, Operation, Outcome},
    entry::Entry,
    envelope::{self, DecodeError},
    feature_level::FeatureLevel,
    frame,
    id::{ClientId, ClusterId, NodeId, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{
        ChangedSetting, Consistency, Identity, LastEntry, Leader, LogLevel, RaisedLevel, Rejection, Reload,
        Removal, ReplicaDigest, Request, RequestEnvelope, RequestFrame, Response, ResponseFrame, Role,
        SentFrom, ServerMessage, VersionView, Welcome,
    },
    protocol_versions::ProtocolVersions,
    transaction::{TransactionFailure, TransactionPart},
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use self::samples::{address, certificate, cluster_view, name, setting, status};
use crate::metrics::RequestKind;

fn key() -> Key {
    Key::new("order/1").expect("legal")
}

fn value() -> Value {
    Value::new("latte").expect("legal")
}

fn leader() -> Option<Leader> {
    Some(Leader { name: name("ming"), address: address() })
}

fn requests() -> Vec<Request> {
    let client = ClientId(0x0102_0304);
    let batch = Batch {
        conditions: vec![
            Condition::RevisionIs(key(), Revision(3)),
            Condition::Absent(key()),
            Condition::Present(key()),
        ],
        operations: vec![Operation::Set(key(), value()), Operation::Delete(key())],
    };
    vec![
        Request::Status,
        Request::List,
        Request::Write {
            request: RequestId { client, sequence: 5, after: Revision(300) },
            batch: batch.into(),
        },
        Request::Get { key: key(), consistency: Consistency::Linearizable },
        Request::Range {
            range: KeyRange::prefix("order/"),
            limit: 100,
            keys_only: true,
            consistency: Consistency::Local,
            empty_pages: true,
        },
        Request::Boot { node: name("hong"), address: Some(address()) },
        Request::Transfer { to: None },
        Request::Down { node: Some(name("hong")), dry_run: true },
        Request::Remove { node: name("hong"), dry_run: false },
        Request::CanStop { node: name("hong") },
        Request::ReadIndex,
        Request::Join { node: name("hong"), address: address(), level: FeatureLevel(1) },
        Request::Promote { id: NodeId(2) },
        Request::RemoveVoter { node: name("hong"), id: NodeId(2), standing: Some(MemberState::Shutdown) },
        Request::Invite { cluster: ClusterId(9), members: vec![address()] },
        Request::ShutDownRemoved { id: NodeId(2) },
        Request::Ping,
        Request::StateDigest { cluster: ClusterId(9), upto: Revision(64) },
        Request::Room { cluster: ClusterId(9) },
        Request::Backup { consistency: Consistency::Local },
        Request::Reload { force: true },
        Request::LogLevel { level: Some(LogLevel::Debug) },
        Request::Found { node: name("hong") },
        Request::Reaches { node: name("hong"), id: NodeId(2), address: address() },
        Request::ConfirmMember {
            node: name("hong"),
            id: NodeId(2),
            after: LastEntry { term: 3, index: 700 },
        },
        Request::Move { node: name("hong"), address: address() },
        Request::Revoke { list: vec![0x30, 0] },
        Request::FinishUpgrade { dry_run: true },
        Request::Settings,
        Request::ChangeSetting { name: "data_bytes_max".to_owned(), value: Some("64GiB".to_owned()) },
        Request::ChangeSetting { name: "upgrade_finish".to_owned(), value: None },
        Request::GetAt { key: key(), revision: Revision(300), consistency: Consistency::Linearizable },
        Request::RangeAt {
            range: KeyRange::prefix("order/"),
            revision: Revision(300),
            limit: 100,
            keys_only: true,
            consistency: Consistency::Local,
        },
        Request::History {
            key: key(),
            before: Some(Revision(300)),
            limit: 10,
            keys_only: false,
            consistency: Consistency::Local,
        },
        Request::CompactHistory { upto: Revision(300) },
        Request::Transact {
            request: RequestId { client, sequence: 6, after: Revision(300) },
            transaction: samples::transaction().into(),
        },
        samples::watch(),
        Request::Events { after: 300, limit: 20 },
    ]
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Applied {
            revision: Revision(300),
            effects: vec![Effect { previous: Some(Revision(3)) }, Effect { previous: None }],
        },
        Outcome::ConditionFalse { condition: 1, actual: Some(Revision(3)) },
        Outcome::Forgotten { upto: Revision(2) },
        Outcome::RequestIdReused,
        Outcome::NodeAdmitted(NodeId(2)),
        Outcome::NodeStateSet(true),
        Outcome::TooManyNodes,
        Outcome::Nothing,
        Outcome::RevocationListSet { number: 7, changed: true },
        Outcome::NodeAnnounced,
        Outcome::LevelRaised { level: FeatureLevel(2), changed: true },
        Outcome::SettingChanged(true),
        Outcome::HistoryCompacted { floor: Revision(300), done: false },
        samples::transacted(),
        Outcome::TransactionFailed {
            part: TransactionPart::Otherwise(3),
            why: TransactionFailure::OutOfBounds(-7),
        },
    ]
}

fn results() -> Vec<Result<Response, Rejection>> {
    let entry = Entry { value: value(), created: Revision(1), modified: Revision(3), version: 2 };
    let removal = Removal {
        node: name("hong"),
        changed: true,
        voters_before: 3,
        voters_after: 2,
        leader: Some(name("ming")),
        took_ms: 12,
    };
    let reload = Reload {
        node: name("ming"),
        changed: vec!["tls.cert".to_owned()],
        needs_restart: vec!["listen".to_owned()],
        ended: vec![Identity::new(Role::Writer, name("till"))],
        certificate: certificate(),
    };
    let mut results = vec![
        Ok(Response::Status(Box::new(status()))),
        Ok(Response::Cluster(Box::new(cluster_view()))),
        Ok(Response::Value { entry: Some(entry.clone()), at: Revision(10) }),
        Ok(Response::Page {
            entries: vec![(key(), entry.clone())],
            more: true,
            at: Revision(10),
            upto: Some(key()),
        }),
        Ok(Response::Booted { id: NodeId(2), changed: true, moved: false, took_ms: 40 }),
        Ok(Response::Transferred {
            from: name("ming"),
            to: name("hong"),
            term: 5,
            changed: true,
            took_ms: 9,
        }),
        Ok(Response::Down(removal.clone())),
        Ok(Response::Removed(removal)),
        Ok(Response::CanStop { yes: true, reason: "2 of 3".to_owned() }),
        Ok(Response::ReadIndex(Revision(10))),
        Ok(Response::Admitted { cluster: ClusterId(9), id: NodeId(2) }),
        Ok(Response::Done { changed: false }),
        Ok(Response::StateDigest(Some(ReplicaDigest { at: Revision(64), sum: 7, level: FeatureLevel(1) }))),
        Ok(Response::Room { bytes: Some(1 << 20), history_takes_it: true }),
        Ok(Response::Backup),
        Ok(Response::Reloaded(Box::new(reload))),
        Ok(Response::LogLevel { node: name("ming"), level: LogLevel::Trace, changed: true }),
        Ok(Response::Founded { cluster: ClusterId(9), changed: true }),
        Ok(Response::Revoked { number: 7, changed: true }),
        Ok(Response::LevelRaised(RaisedLevel { from: FeatureLevel(1), to: FeatureLevel(2) })),
        Ok(Response::Announced(true)),
        Ok(Response::Settings(vec![setting()])),
        Ok(Response::SettingChanged(ChangedSetting {
            now: setting(),
            before: "0".to_owned(),
            changed: true,
        })),
        Ok(Response::PastPage { entries: vec![(key(), entry.clone())], upto: Some(key()) }),
        Ok(Response::Versions { versions: versions(entry.clone()), more: true }),
        Ok(Response::Compacted { floor: Revision(300), changed: true }),
        Ok(Response::Transacted { outcome: samples::transacted(), reads: samples::step_reads(&entry) }),
        Ok(Response::Changes { changes: samples::changes(&entry), upto: Revision(301) }),
        Ok(Response::Events(samples::events())),
        Err(Rejection::Unavailable("why".to_owned())),
        Err(Rejection::Overloaded),
        Err(Rejection::Invalid("why".to_owned())),
        Err(Rejection::Denied("why".to_owned())),
        Err(Rejection::NotFound("why".to_owned())),
        Err(Rejection::Refused { reason: "why".to_owned(), hint: "then".to_owned() }),
        Err(Rejection::Unknown("why".to_owned())),
        Err(Rejection::NoCluster { node: name("hong"), joining: true }),
        Err(Rejection::OtherCluster { node: name("hong"), cluster: ClusterId(8) }),
        Err(Rejection::LeftOut { node: name("hong"), peers: ClusterId(8), from: address() }),
        Err(Rejection::NoQuorum { reached: vec![name("ming"), name("hong")], voters: 5 }),
        Err(Rejection::Unsupported("why".to_owned())),
        Err(Rejection::Unreadable("why".to_owned())),
        Err(Rejection::Compacted { floor: Revision(300) }),
    ];
    results.extend(outcomes().into_iter().map(|outcome| Ok(Response::Written(outcome))));
    results
}

fn versions(entry: Entry) -> Vec<VersionView> {
    let version = |entry, at_ms| VersionView {
        revision: Revision(300),
        entry,
        at_ms,
        author: "writer till".to_owned(),
    };
    vec![version(None, Some(1_795_399_453_000)), version(Some(entry), None)]
}

fn asks() -> Vec<RequestFrame> {
    let boss = Identity::new(Role::Admin, name("boss"));
    let asked = |(id, request)| RequestFrame {
        id,
        timeout_ms: 5000,
        on_behalf_of: Some(boss.clone()),
        sent_from: Some(SentFrom { serial: "4a5b".to_owned(), address: ([10, 0, 0, 5], 4711).into() }),
        cluster: Some(ClusterId(9)),
        request,
    };
    (1..).zip(requests()).map(asked).collect()
}

fn answers() -> Vec<ServerMessage> {
    let welcome = Welcome {
        node: name("ming"),
        version: "0.1.0".to_owned(),
        cluster: Some(ClusterId(9)),
        applied: Revision(10),
        leader: leader(),
        lease_ms: 300,
        versions: ProtocolVersions { min: 1, max: 3 },
        #[cfg(coffee_future)]
        future_note: 7,
    };
    let reply = |(id, result)| ServerMessage::Response(ResponseFrame { id, leader: leader(), result });
    let replies = (1..).zip(results()).map(reply);
    std::iter::once(ServerMessage::Welcome(welcome)).chain(replies).collect()
}

#[test]
fn golden_frames_of_clients() {
    let frames = |frames: Vec<bytes::Bytes>| frames.concat();
    let asks = asks().iter().map(|ask| frame::encode(ask).expect("encodes")).collect();
    crate::golden_test::check("client_asks", &frames(asks));
    crate::golden_test::check("client_answers", &frames(answers().iter().map(first_version).collect()));
}

/// The frame of an answer, without the field that the future build adds to a welcome.
fn first_version(answer: &ServerMessage) -> bytes::Bytes {
    let mut message = encoded(answer);
    if cfg!(coffee_future) && matches!(answer, ServerMessage::Welcome(_)) {
        assert_eq!(message.pop(), Some(7), "a later field is at the end");
    }
    frame::encode_raw(&message).expect("encodes")
}

fn encoded<T: Serialize>(message: &T) -> Vec<u8> {
    frame::encode(message).expect("encodes")[frame::HEADER_BYTES..].to_vec()
}

#[test]
fn a_request_is_judged_by_its_beginning() {
    for ask in asks() {
        let encoded = encoded(&ask);
        let (envelope, request) = frame::decode_first::<RequestEnvelope>(&encoded).expect("decodes");
        assert_eq!(
            (envelope.id, envelope.timeout_ms, envelope.cluster),
            (ask.id, ask.timeout_ms, ask.cluster)
        );
        assert_eq!((envelope.on_behalf_of, envelope.sent_from), (ask.on_behalf_of, ask.sent_from));
        let number = envelope::kind(request).expect("a kind");
        assert_eq!(RequestKind::of_number(number), RequestKind::of(&ask.request));
        assert_eq!(frame::decode::<Request>(request), Ok(ask.request));
    }
    let unknown = u32::try_from(requests().len()).expect("few");
    assert_eq!([unknown, 1 << 20].map(RequestKind::of_number), [RequestKind::Unknown; 2]);
}

#[test]
fn what_was_encoded_comes_back() {
    for ask in asks() {
        assert_eq!(frame::decode::<RequestFrame>(&encoded(&ask)), Ok(ask));
    }
    for answer in answers() {
        assert_eq!(frame::decode::<ServerMessage>(&encoded(&answer)), Ok(answer));
    }
}

proptest! {
    /// Any bytes are rejected, or decode to a message that obeys the rules of its parts.
    #[test]
    fn any_bytes_are_a_message_or_refused(
        chosen in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let asks = asks();
        let mut bytes = encoded(&asks[chosen.index(asks.len())]);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(ask) = frame::decode::<RequestFrame>(bytes) {
                prop_assert_eq!(frame::decode::<RequestFrame>(&encoded(&ask)), Ok(ask));
            }
            // A node also reads the responses of other nodes.
            let _ = frame::decode::<ServerMessage>(bytes);
        }
    }
}
