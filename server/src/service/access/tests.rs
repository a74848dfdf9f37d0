//! Who may send which request.

use coffee_common::{
    command::Batch,
    feature_level::LEVEL_MAX,
    id::{ClientId, ClusterId, NodeId, RequestId, Revision},
    key::KeyRange,
    protocol::{ChangeKinds, Consistency, LastEntry, WatchSpec},
    transaction::Transaction,
};

use super::*;

fn identity(role: Role, name: &str) -> Identity {
    Identity::new(role, name.parse().expect("legal"))
}

/// The members are ming, which is asked, and hong. long has been admitted.
fn standing(name: &NodeName) -> PeerStanding {
    match name.as_str() {
        "ming" | "hong" => PeerStanding::Member,
        "long" => PeerStanding::Joining,
        _ => PeerStanding::Stranger,
    }
}

fn ask(
    peer: &Identity,
    on_behalf_of: Option<&Identity>,
    request: &Request,
) -> Result<RequestOrigin, Rejection> {
    authorize(&"ming".parse().expect("legal"), peer, on_behalf_of, request, standing)
}

/// Every request, about `node`.
fn requests(node: &str) -> Vec<Request> {
    let node = || node.parse().expect("legal");
    let address = || "127.0.0.1:7400".parse().expect("legal");
    let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(0) };
    let consistency = Consistency::Local;
    vec![
        Request::Ping,
        Request::Status,
        Request::List,
        Request::Get { key: "k".parse().expect("legal"), consistency },
        Request::Range { range: KeyRange::all(), limit: 0, keys_only: false, consistency, empty_pages: true },
        Request::GetAt { key: "k".parse().expect("legal"), revision: Revision(1), consistency },
        Request::RangeAt {
            range: KeyRange::all(),
            revision: Revision(1),
            limit: 0,
            keys_only: false,
            consistency,
        },
        Request::History {
            key: "k".parse().expect("legal"),
            before: None,
            limit: 0,
            keys_only: false,
            consistency,
        },
        Request::Watch {
            spec: WatchSpec {
                range: KeyRange::all(),
                kinds: ChangeKinds::All,
                keys_only: false,
                with_previous: false,
            },
            after: None,
            wait_ms: 0,
            consistency,
        },
        Request::CanStop { node: node() },
        Request::Settings,
        Request::Events { after: 0, limit: 0 },
        Request::Write { request, batch: Batch::default().into() },
        Request::Transact { request, transaction: Transaction::default().into() },
        Request::Found { node: node() },
        Request::Boot { node: node(), address: None },
        Request::Move { node: node(), address: address() },
        Request::Transfer { to: None },
        Request::Down { node: None, dry_run: true },
        Request::Down { node: None, dry_run: false },
        Request::Remove { node: node(), dry_run: true },
        Request::Backup { consistency },
        Request::Reload { force: false },
        Request::LogLevel { level: None },
        Request::Revoke { list: Vec::new() },
        Request::FinishUpgrade { dry_run: false },
        Request::ChangeSetting { name: "data_bytes_max".to_owned(), value: None },
        Request::CompactHistory { upto: Revision(1) },
        Request::ReadIndex,
        Request::Join { node: node(), address: address(), level: LEVEL_MAX },
        Request::Promote { id: NodeId(7) },
        Request::RemoveVoter { node: node(), id: NodeId(7), standing: None },
        Request::Invite { cluster: ClusterId(1), members: vec![address()] },
        Request::ShutDownRemoved { id: NodeId(7) },
        Request::StateDigest { cluster: ClusterId(1), upto: Revision(64) },
        Request::Room { cluster: ClusterId(1) },
        Request::Reaches { node: node(), id: NodeId(7), address: address() },
        Request::ConfirmMember { node: node(), id: NodeId(7), after: LastEntry::default() },
    ]
}

/// The positions of the requests that are permitted.
fn permitted(peer: &Identity, on_behalf_of: Option<&Identity>, about: &str) -> Vec<String> {
    let requests = requests(about);
    let allowed = requests.iter().filter(|request| ask(peer, on_behalf_of, request).is_ok());
    allowed.map(word).collect()
}

fn word(request: &Request) -> String {
    let text = format!("{request:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_client_may_do_what_its_role_is_for() {
    let reader = [
        "Ping", "Status", "List", "Get", "Range", "GetAt", "RangeAt", "History", "Watch", "CanStop",
        "Settings", "Events",
    ];
    assert_eq!(permitted(&identity(Role::Reader, "till"), None, "hong"), reader);
    let writer = [&reader[..], &["Write", "Transact"]].concat();
    assert_eq!(permitted(&identity(Role::Writer, "till"), None, "hong"), writer);
    let admin = [
        &writer[..],
        &[
            "Found",
            "Boot",
            "Move",
            "Transfer",
            "Down",
            "Down",
            "Remove",
            "Backup",
            "Reload",
            "LogLevel",
            "Revoke",
            "FinishUpgrade",
            "ChangeSetting",
            "CompactHistory",
        ],
    ];
    assert_eq!(permitted(&identity(Role::Admin, "ops"), None, "hong"), admin.concat());
}

#[test]
fn a_backup_is_all_that_its_role_is_for() {
    let nightly = identity(Role::Backup, "nightly");
    assert_eq!(permitted(&nightly, None, "hong"), ["Ping", "Status", "Backup"]);
    assert_eq!(permitted(&identity(Role::Node, "hong"), Some(&nightly), "peng"), [""; 0]);
}

#[test]
fn a_node_is_not_an_admin_and_speaks_of_itself() {
    let any = ["Ping", "Status"];
    let node = ["Promote", "Invite"];
    let stranger = [&any[..], &node].concat();
    assert_eq!(permitted(&identity(Role::Node, "peng"), None, "hong"), stranger);
    let own = [&any[..], &["Move", "Join", "Promote", "Invite"]].concat();
    assert_eq!(permitted(&identity(Role::Node, "peng"), None, "peng"), own);
    let joining = [&stranger[..], &["ConfirmMember"]].concat();
    assert_eq!(permitted(&identity(Role::Node, "long"), None, "hong"), joining);
    let members = ["ReadIndex", "Promote", "Invite", "ShutDownRemoved", "StateDigest", "Room"];
    let member = [&any[..], &members, &["ConfirmMember"]].concat();
    assert_eq!(permitted(&identity(Role::Node, "hong"), None, "peng"), member);
    assert!(permitted(&identity(Role::Node, "hong"), None, "hong").contains(&"Reaches".to_owned()));
    assert!(!permitted(&identity(Role::Node, "peng"), None, "peng").contains(&"Reaches".to_owned()));
}

#[test]
fn the_program_that_runs_a_node_is_its_admin() {
    let ming = identity(Role::Node, "ming");
    let write = &requests("hong")[12];
    let origin = ask(&ming, None, write).expect("permitted");
    assert_eq!(
        origin,
        RequestOrigin { identity: identity(Role::Admin, "ming"), forwarded: false, sent_from: None }
    );
    assert!(ask(&ming, Some(&ming), write).is_err(), "the node itself is not");
}

#[test]
fn a_member_forwards_what_only_the_leader_can_do() {
    let (hong, ops) = (identity(Role::Node, "hong"), identity(Role::Admin, "ops"));
    let forwarded = [
        "CanStop",
        "Settings",
        "Write",
        "Transact",
        "Boot",
        "Move",
        "Transfer",
        "Down",
        "Remove",
        "Revoke",
        "FinishUpgrade",
        "ChangeSetting",
        "CompactHistory",
        "RemoveVoter",
    ];
    assert_eq!(permitted(&hong, Some(&ops), "peng"), forwarded);
    assert_eq!(permitted(&hong, Some(&identity(Role::Reader, "till")), "peng"), ["CanStop", "Settings"]);
    let peng = identity(Role::Node, "peng");
    assert_eq!(permitted(&hong, Some(&peng), "peng"), ["Move", "Join", "Promote"]);
    assert_eq!(permitted(&hong, Some(&peng), "long"), ["Promote"]);
    assert_eq!(permitted(&hong, Some(&hong), "peng"), ["ReadIndex", "Promote"]);
}

#[test]
fn no_other_node_forwards_anything() {
    let peng = identity(Role::Node, "peng");
    for role in Role::ALL {
        for request in requests("hong") {
            let verdict = ask(&peng, Some(&identity(role, "ops")), &request);
            assert!(
                matches!(verdict, Err(Rejection::Denied(_) | Rejection::Unavailable(_))),
                "{role:?} {request:?}: {verdict:?}"
            );
        }
    }
    let own = requests("peng").into_iter().filter(|request| subject(request).is_some());
    let removal = own.filter(|request| ask(&peng, Some(&identity(Role::Admin, "ops")), request).is_ok());
    assert_eq!(removal.map(|request| word(&request)).collect::<Vec<_>>(), ["RemoveVoter"]);
    for standing in [MemberState::Joining, MemberState::Member, MemberState::Announced] {
        let request =
            Request::RemoveVoter { node: peng.name.clone(), id: NodeId(7), standing: Some(standing) };
        let asked = ask(&peng, Some(&identity(Role::Admin, "ops")), &request);
        assert!(asked.is_err(), "a removed node does not have itself recorded as {standing:?}");
    }
}

#[test]
fn a_kind_is_rejected_only_if_no_request_of_it_is_permitted() {
    let own = "ming".parse().expect("legal");
    let kind_of = |peer: &Identity, first: Option<&Identity>, request: &Request| {
        authorize_kind(&own, peer, first, RequestKind::of(request))
    };
    for name in ["ming", "hong", "peng", "long"] {
        for (role, claimed) in Role::ALL.into_iter().flat_map(|role| Role::ALL.map(|claimed| (role, claimed)))
        {
            let (peer, claimed) = (identity(role, name), identity(claimed, "ops"));
            for first in [None, Some(&claimed), Some(&peer)] {
                for request in requests(name) {
                    let kind = kind_of(&peer, first, &request);
                    assert!(kind.is_ok() || ask(&peer, first, &request).is_err(), "{peer:?} {request:?}");
                }
            }
        }
    }
    let rejected = |role| {
        let peer = identity(role, "till");
        let requests = requests("hong");
        let rejected = requests.iter().filter(|request| kind_of(&peer, None, request).is_err());
        rejected.count()
    };
    assert_eq!(Role::ALL.map(rejected), [26, 24, 9, 26, 35]);
}

#[test]
fn only_a_node_speaks_for_others() {
    let admin = identity(Role::Admin, "ops");
    for request in requests("hong") {
        for claimed in [&identity(Role::Node, "ming"), &admin] {
            assert!(ask(&admin, Some(claimed), &request).is_err(), "{request:?}");
        }
    }
}

/// A node that was admitted and has received no membership yet.
#[test]
fn a_node_without_a_membership_is_shut_down_by_none() {
    let ask = |peer: &str, request: &Request| {
        let standing = |_: &NodeName| PeerStanding::Unknown;
        authorize(&"ming".parse().expect("legal"), &identity(Role::Node, peer), None, request, standing)
    };
    for request in requests("peng") {
        let is_obeyed = ask("peng", &request).is_ok();
        assert!(!is_obeyed || word(&request) != "ShutDownRemoved", "{request:?}");
    }
    assert!(ask("peng", &Request::ReadIndex).is_ok(), "it answers that it has no membership");
}
