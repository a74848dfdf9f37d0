//! Authorization: which role a request needs.
//!
//! Takes an identity from a verified certificate and a request, and returns a verdict. Guards
//! that a request is carried out by the cluster that it is meant for, that each request is judged by the role of its originator, also if nodes forwarded it, and that
//! only a node may act on behalf of another identity.

use coffee_common::{
    id::ClusterId,
    protocol::{Identity, LeftOut, Rejection, Request, Role},
};

use crate::node::Node;

/// The originator of a request, and how the request got here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestOrigin {
    /// The identity whose role counts.
    pub(super) identity: Identity,
    /// Whether a node forwarded the request. It is not forwarded again.
    pub(super) forwarded: bool,
}

/// Authorizes a request. `peer` is the identity in the connection's certificate, `on_behalf_of` the
/// one that the request claims.
pub(super) fn authorize(
    peer: &Identity,
    on_behalf_of: Option<&Identity>,
    request: &Request,
) -> Result<RequestOrigin, Rejection> {
    if on_behalf_of.is_some() && peer.role != Role::Node {
        return Err(Rejection::Denied("only a node may act on behalf of another identity".to_owned()));
    }
    let identity = on_behalf_of.unwrap_or(peer);
    let needed = needed(request);
    if identity.role < needed {
        return Err(Rejection::Denied(format!(
            "{} has the role {}; this request needs the role {}",
            identity.name,
            identity.role.as_str(),
            needed.as_str()
        )));
    }
    match request {
        Request::Join { node, .. } if *node != identity.name => Err(Rejection::Denied(format!(
            "the certificate is for {}, which cannot join as {node}",
            identity.name
        ))),
        Request::Move { node, .. } if identity.role == Role::Node && *node != identity.name => {
            Err(Rejection::Denied(format!("{} may move no node but itself", identity.name)))
        }
        _ => Ok(RequestOrigin { identity: identity.clone(), forwarded: on_behalf_of.is_some() }),
    }
}

/// Rejects a request that is meant for another cluster than the node's. Requests about the node
/// itself are also for a node without a cluster; any other one is not, even if the node joins a
/// cluster before the request is carried out. A node that was left out of a restore serves no keys.
///
/// `welcomed` says whether the welcome of the connection named a cluster. A client keeps to the
/// cluster of its first welcome: one that was told none has to connect again before it is served.
pub(super) fn check_cluster(
    node: &Node,
    meant: Option<ClusterId>,
    welcomed: bool,
    request: &Request,
) -> Result<(), Rejection> {
    if is_for_the_cluster(request)
        && let Some(replica) = node.replica()
        && meant.is_none_or(|meant| meant == replica.cluster())
        && let Some(LeftOut { cluster, from, .. }) = replica.left_out()
    {
        return Err(Rejection::LeftOut { node: node.name().clone(), peers: cluster, from });
    }
    let Some(meant) = meant else {
        let must_know = !welcomed && is_for_the_cluster(request) && node.cluster().is_some();
        let again = || Rejection::NoCluster { node: node.name().clone(), joining: true };
        return if must_know { Err(again()) } else { Ok(()) };
    };
    planted!("missing-cluster-pin", return Ok(()));
    match (node.cluster(), request) {
        (Some(own), _) if own == meant => Ok(()),
        (Some(own), _) => Err(Rejection::OtherCluster { node: node.name().clone(), cluster: own }),
        (
            None,
            Request::Ping
            | Request::Status
            | Request::List
            | Request::Found { .. }
            | Request::Reload { .. }
            | Request::LogLevel { .. },
        ) => Ok(()),
        (None, _) => Err(node.no_replica()),
    }
}

/// Whether a client's request concerns the state of the cluster. A backup does not count: it says
/// of which cluster it is.
fn is_for_the_cluster(request: &Request) -> bool {
    matches!(
        request,
        Request::Get { .. }
            | Request::Range { .. }
            | Request::Write { .. }
            | Request::Boot { .. }
            | Request::Move { .. }
            | Request::Transfer { .. }
            | Request::Down { .. }
            | Request::Remove { .. }
            | Request::CanStop { .. }
    )
}

/// Returns the lowest role that may send the request.
fn needed(request: &Request) -> Role {
    match request {
        Request::Ping
        | Request::Status
        | Request::List
        | Request::Get { .. }
        | Request::Range { .. }
        | Request::CanStop { .. } => Role::Reader,
        Request::Write { .. } => Role::Writer,
        Request::Found { .. }
        | Request::Boot { .. }
        | Request::Move { .. }
        | Request::Transfer { .. }
        | Request::Down { .. }
        | Request::Remove { .. }
        | Request::Reload { .. }
        | Request::LogLevel { .. }
        // It contains everything, the request memory too.
        | Request::Backup { .. } => Role::Admin,
        Request::ReadIndex
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. }
        | Request::Invite { .. }
        | Request::ShutDownRemoved { .. }
        | Request::StateDigest { .. }
        | Request::Reaches { .. }
        | Request::ConfirmMember { .. }
        | Request::Room { .. } => Role::Node,
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::Batch,
        id::{ClientId, ClusterId, NodeId, RequestId, Revision},
        key::KeyRange,
        protocol::{Consistency, LastEntry},
    };

    use super::*;

    fn identity(role: Role, name: &str) -> Identity {
        Identity { name: name.parse().expect("legal"), role }
    }

    /// Every request, with the lowest role that may send it.
    fn requests() -> Vec<(Role, Request)> {
        let node = || "hong".parse().expect("legal");
        let address = || "127.0.0.1:7400".parse().expect("legal");
        let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(0) };
        let consistency = Consistency::Local;
        vec![
            (Role::Reader, Request::Ping),
            (Role::Reader, Request::Status),
            (Role::Reader, Request::List),
            (Role::Reader, Request::Get { key: "k".parse().expect("legal"), consistency }),
            (
                Role::Reader,
                Request::Range { range: KeyRange::all(), limit: 0, keys_only: false, consistency },
            ),
            (Role::Reader, Request::CanStop { node: node() }),
            (Role::Writer, Request::Write { request, batch: Batch::default().into() }),
            (Role::Admin, Request::Found { node: node() }),
            (Role::Admin, Request::Boot { node: node(), address: None }),
            (Role::Admin, Request::Move { node: node(), address: address() }),
            (Role::Admin, Request::Transfer { to: None }),
            (Role::Admin, Request::Down { node: None, dry_run: true }),
            (Role::Admin, Request::Remove { node: node(), dry_run: true }),
            (Role::Admin, Request::Backup { consistency }),
            (Role::Admin, Request::Reload { force: false }),
            (Role::Admin, Request::LogLevel { level: None }),
            (Role::Node, Request::ReadIndex),
            (Role::Node, Request::Join { node: node(), address: address() }),
            (Role::Node, Request::Promote { id: NodeId(7) }),
            (Role::Node, Request::RemoveVoter { node: node(), id: NodeId(7), standing: None }),
            (Role::Node, Request::Invite { cluster: ClusterId(1), members: vec![address()] }),
            (Role::Node, Request::ShutDownRemoved { id: NodeId(7) }),
            (Role::Node, Request::StateDigest { cluster: ClusterId(1), upto: Revision(64) }),
            (Role::Node, Request::Room { cluster: ClusterId(1) }),
            (Role::Node, Request::Reaches { node: node(), id: NodeId(7), address: address() }),
            (Role::Node, Request::ConfirmMember { node: node(), id: NodeId(7), after: LastEntry::default() }),
        ]
    }

    #[test]
    fn a_role_may_do_what_it_is_for_and_no_more() {
        for (needed, request) in requests() {
            for role in [Role::Reader, Role::Writer, Role::Admin, Role::Node] {
                let verdict = authorize(&identity(role, "hong"), None, &request);
                assert_eq!(verdict.is_ok(), role >= needed, "{role:?} {request:?}: {verdict:?}");
            }
        }
    }

    #[test]
    fn what_a_node_passes_on_is_judged_by_who_asked() {
        let node = identity(Role::Node, "ming");
        for (needed, request) in requests() {
            for role in [Role::Reader, Role::Writer, Role::Admin, Role::Node] {
                let first = identity(role, "hong");
                match authorize(&node, Some(&first), &request) {
                    Ok(origin) => {
                        assert!(role >= needed, "{role:?} {request:?}");
                        assert_eq!(origin, RequestOrigin { identity: first, forwarded: true });
                    }
                    Err(rejection) => {
                        assert!(role < needed, "{role:?} {request:?}");
                        assert!(matches!(rejection, Rejection::Denied(_)));
                    }
                }
            }
        }
    }

    #[test]
    fn only_a_node_speaks_for_others() {
        let admin = identity(Role::Admin, "ops");
        let claimed = identity(Role::Node, "ming");
        for (_, request) in requests() {
            assert!(authorize(&admin, Some(&claimed), &request).is_err(), "{request:?}");
            assert!(authorize(&admin, Some(&admin), &request).is_err(), "{request:?}");
        }
    }

    #[test]
    fn a_node_joins_under_its_own_name() {
        let join = Request::Join {
            node: "hong".parse().expect("legal"),
            address: "127.0.0.1:7400".parse().expect("legal"),
        };
        assert!(authorize(&identity(Role::Node, "hong"), None, &join).is_ok());
        assert!(authorize(&identity(Role::Node, "peng"), None, &join).is_err());
        assert!(
            authorize(&identity(Role::Node, "ming"), Some(&identity(Role::Node, "peng")), &join).is_err(),
            "also if a member forwards it"
        );
    }

    #[test]
    fn a_node_moves_itself_and_an_admin_any_node() {
        let node = || "hong".parse().expect("legal");
        let request = Request::Move { node: node(), address: "127.0.0.1:7400".parse().expect("legal") };
        for (caller, allowed) in [
            (identity(Role::Node, "hong"), true),
            (identity(Role::Node, "peng"), false),
            (identity(Role::Admin, "peng"), true),
        ] {
            assert_eq!(authorize(&caller, None, &request).is_ok(), allowed, "{caller:?}");
            let member = identity(Role::Node, "ming");
            assert_eq!(authorize(&member, Some(&caller), &request).is_ok(), allowed, "{caller:?}, forwarded");
        }
    }
}
