//! Authorization: which keys a request may touch.
//!
//! Every key of a request counts, those of conditions too: a condition tells whether a key exists.
//! A range must be within one prefix as a whole, since a page that leaves keys out would look like
//! a store without them.

use coffee_common::protocol::{Identity, Rejection, Request};

/// Rejects a request that touches a key outside the scope of the identity.
pub(crate) fn check_keys(identity: &Identity, request: &Request) -> Result<(), Rejection> {
    let keys = &identity.keys;
    let allowed = keys.is_all()
        || match request {
            Request::Get { key, .. } | Request::GetAt { key, .. } | Request::History { key, .. } => {
                keys.contains(key)
            }
            Request::Range { range, .. } | Request::RangeAt { range, .. } => keys.covers(range),
            Request::Watch { spec, .. } => keys.covers(&spec.range),
            Request::Write { batch, .. } => batch.keys().all(|key| keys.contains(key)),
            Request::Transact { transaction, .. } => {
                transaction.keys().all(|key| keys.contains(key))
                    && transaction.ranges().all(|range| keys.covers(range))
            }
            // It has all keys.
            Request::Backup { .. } => false,
            Request::Ping
            | Request::Status
            | Request::List
            | Request::Events { .. }
            | Request::CanStop { .. }
            | Request::Found { .. }
            | Request::Boot { .. }
            | Request::Move { .. }
            | Request::Transfer { .. }
            | Request::Down { .. }
            | Request::Remove { .. }
            | Request::Reload { .. }
            | Request::LogLevel { .. }
            | Request::ReadIndex
            | Request::Join { .. }
            | Request::ConfirmMember { .. }
            | Request::Promote { .. }
            | Request::RemoveVoter { .. }
            | Request::Invite { .. }
            | Request::ShutDownRemoved { .. }
            | Request::StateDigest { .. }
            | Request::Reaches { .. }
            | Request::Room { .. }
            | Request::Revoke { .. }
            | Request::FinishUpgrade { .. }
            | Request::Settings
            | Request::ChangeSetting { .. }
            | Request::CompactHistory { .. } => true,
            #[cfg(coffee_future)]
            Request::FutureTouch(_) => true,
        };
    match allowed {
        true => Ok(()),
        false => Err(Rejection::Denied(format!("{} may use only {keys}", identity.name))),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::{Batch, Condition, Operation},
        id::{ClientId, RequestId, Revision},
        key::{Key, KeyRange, Value},
        key_scope::KeyScope,
        protocol::{ChangeKinds, Consistency, Role, WatchSpec},
        transaction::{Check, Step, Transaction},
    };

    use super::*;

    fn key(text: &str) -> Key {
        text.parse().expect("legal")
    }

    fn write(batch: Batch) -> Request {
        let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(0) };
        Request::Write { request, batch: batch.into() }
    }

    fn transact(conditions: Vec<Check>, then: Vec<Step>, otherwise: Vec<Step>) -> Request {
        let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(0) };
        Request::Transact { request, transaction: Transaction { conditions, then, otherwise }.into() }
    }

    fn watch(at: &str) -> Request {
        let range = KeyRange::prefix(at);
        let spec = WatchSpec { range, kinds: ChangeKinds::All, keys_only: true, with_previous: false };
        Request::Watch { spec, after: None, wait_ms: 0, consistency: Consistency::Local }
    }

    fn requests(at: &str) -> Vec<Request> {
        let consistency = Consistency::Local;
        let set = |at: &str| Batch::of(Operation::Set(key(at), Value::default()));
        let mut mixed = set("menu/tea");
        mixed.operations.push(Operation::Delete(key(at)));
        vec![
            Request::Get { key: key(at), consistency },
            Request::Range {
                range: KeyRange::prefix(at),
                limit: 0,
                keys_only: true,
                consistency,
                empty_pages: true,
            },
            Request::GetAt { key: key(at), revision: Revision(3), consistency },
            Request::RangeAt {
                range: KeyRange::prefix(at),
                revision: Revision(3),
                limit: 0,
                keys_only: true,
                consistency,
            },
            Request::History { key: key(at), before: None, limit: 0, keys_only: true, consistency },
            watch(at),
            write(set(at)),
            write(mixed),
            write(set("menu/tea").when(Condition::Absent(key(at)))),
            write(set("menu/tea").when(Condition::Present(key(at)))),
            write(set("menu/tea").when(Condition::RevisionIs(key(at), Revision(3)))),
            transact(vec![Check::Present(key(at))], Vec::new(), Vec::new()),
            transact(vec![Check::Deleted(key(at), Revision(3))], Vec::new(), Vec::new()),
            transact(vec![Check::Empty(KeyRange::prefix(at))], Vec::new(), Vec::new()),
            transact(Vec::new(), vec![Step::Get(key(at))], Vec::new()),
            transact(Vec::new(), Vec::new(), vec![Step::Delete(key(at))]),
            transact(
                Vec::new(),
                Vec::new(),
                vec![Step::DeleteRange { range: KeyRange::prefix(at), limit: 0 }],
            ),
        ]
    }

    #[test]
    fn each_key_of_a_request_counts() {
        let keys = KeyScope::new(["till/ming/", "menu/"]).expect("legal");
        let till = Identity { keys, ..Identity::new(Role::Writer, "till".parse().expect("legal")) };
        let all = Identity { keys: KeyScope::default(), ..till.clone() };
        for (at, allowed) in [
            ("till/ming/7", true),
            ("menu/", true),
            ("till/hong/7", false),
            ("till/min", false),
            ("menu", false),
            ("menv", false),
        ] {
            for request in requests(at) {
                assert_eq!(check_keys(&till, &request).is_ok(), allowed, "{at}: {request:?}");
                assert!(check_keys(&all, &request).is_ok());
            }
        }
        let consistency = Consistency::Local;
        let everything = Request::Range {
            range: KeyRange::all(),
            limit: 0,
            keys_only: true,
            consistency,
            empty_pages: true,
        };
        for request in [everything, Request::Backup { consistency }] {
            let denied = check_keys(&till, &request);
            let sentence = "till may use only keys that begin with menu/ or till/ming/";
            assert_eq!(denied, Err(Rejection::Denied(sentence.to_owned())), "{request:?}");
        }
        assert!(check_keys(&till, &Request::Ping).is_ok());
    }
}
