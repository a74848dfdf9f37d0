//! Authorization: who may send a request.
//!
//! Takes an identity from a verified certificate and a request, and returns a verdict. Guards
//! that a request is carried out by the cluster that it is meant for; that each request is judged
//! by the role of its originator, also if a node forwarded it, and a large one before it is decoded;
//! and that the certificate of a node does not make an admin: only a member speaks for others, and
//! the verbs of nodes are for members, each for itself.

use coffee_common::{
    command::MemberState,
    id::{ClusterId, NodeName},
    protocol::{Identity, LeftOut, Rejection, Request, Role, SentFrom},
};

use crate::{
    metrics::RequestKind,
    node::{Node, peer_standing::PeerStanding},
};

/// The originator of a request, and how the request got here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestOrigin {
    /// The identity whose role counts.
    pub(crate) identity: Identity,
    /// Whether a node forwarded the request. It is not forwarded again.
    pub(crate) forwarded: bool,
    /// The connection on which the first node received it, for the audit log.
    pub(crate) sent_from: Option<SentFrom>,
}

/// Who may send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Any client, and any node.
    Everyone,
    /// Admins, and clients for backups.
    Backups,
    /// Clients of at least this role.
    Clients(Role),
    /// Clients of at least this role, through a member that acts on their behalf.
    ClientsThroughMembers(Role),
    /// Clients of at least this role, or a node about itself.
    ClientsOrItself(Role),
    /// Any node about itself.
    Itself,
    /// Any node.
    Nodes,
    /// A node that was admitted.
    AdmittedNodes,
    /// A member.
    Members,
    /// A member, by the membership that this node has: one that has none yet obeys none.
    KnownMembers,
    /// A member about itself.
    MembersThemselves,
}

/// Rejects a request of a kind that its sender may never send, so that it is not decoded: the rest
/// of it may be large. [`authorize`] judges the others.
pub(crate) fn authorize_kind(
    own: &NodeName,
    peer: &Identity,
    on_behalf_of: Option<&Identity>,
    kind: RequestKind,
) -> Result<(), Rejection> {
    let identity = match on_behalf_of {
        Some(_) if peer.role != Role::Node => return Err(not_a_node()),
        None if is_itself(own, peer) => return Ok(()),
        first => first.unwrap_or(peer),
    };
    let audience = audience(kind);
    let is_node = identity.role == Role::Node;
    let may_be = match audience {
        Audience::Everyone => true,
        Audience::Backups => identity.role == Role::Backup || includes(identity.role, Role::Admin),
        Audience::ClientsOrItself(least) => is_node || includes(identity.role, least),
        Audience::Clients(least) | Audience::ClientsThroughMembers(least) => includes(identity.role, least),
        Audience::Itself
        | Audience::Nodes
        | Audience::AdmittedNodes
        | Audience::Members
        | Audience::KnownMembers
        | Audience::MembersThemselves => is_node,
    };
    if may_be { Ok(()) } else { Err(denied(refusal(audience, identity, is_node))) }
}

/// Whether the peer is the program that runs this node: it has the node's certificate.
fn is_itself(own: &NodeName, peer: &Identity) -> bool {
    peer.role == Role::Node && peer.name == *own
}

fn not_a_node() -> Rejection {
    denied("only a node may act on behalf of another identity".to_owned())
}

/// Whether a node carries out its own removal. It may have been removed by an earlier attempt.
pub(crate) fn removes_itself(peer: &Identity, request: &Request) -> bool {
    match request {
        Request::RemoveVoter { node, standing: None | Some(MemberState::Shutdown), .. } => *node == peer.name,
        _ => false,
    }
}

/// Authorizes a request to the node `own`. `peer` is the identity in the connection's certificate,
/// `on_behalf_of` the one that the request claims, and `standing` tells what the node knows of
/// another one.
pub(crate) fn authorize(
    own: &NodeName,
    peer: &Identity,
    on_behalf_of: Option<&Identity>,
    request: &Request,
    standing: impl Fn(&NodeName) -> PeerStanding,
) -> Result<RequestOrigin, Rejection> {
    let identity = match on_behalf_of {
        Some(_) if peer.role != Role::Node => return Err(not_a_node()),
        Some(_) if !is_for_the_leader(request) => {
            return Err(denied("this request is never forwarded: send it to the node itself".to_owned()));
        }
        Some(first) => {
            if first != peer && !removes_itself(peer, request) && !is_member(standing(&peer.name)) {
                let why = format!("{} is not a member of this cluster, and forwards nothing", peer.name);
                // Not applied, and another node can forward it.
                return Err(Rejection::Unavailable(why));
            }
            first.clone()
        }
        // The program that runs this node has its certificate, and all its data.
        None if is_itself(own, peer) => Identity::new(Role::Admin, own.clone()),
        None => peer.clone(),
    };
    let forwarded = on_behalf_of.is_some();
    permit(audience(RequestKind::of(request)), &identity, request, forwarded, &standing)?;
    Ok(RequestOrigin { identity, forwarded, sent_from: None })
}

fn permit(
    audience: Audience,
    identity: &Identity,
    request: &Request,
    forwarded: bool,
    standing: impl Fn(&NodeName) -> PeerStanding,
) -> Result<(), Rejection> {
    let Identity { name, role, .. } = identity;
    let (is_node, about_itself) = (*role == Role::Node, subject(request) == Some(name));
    let has = |least: Role| includes(*role, least);
    let allowed = match audience {
        Audience::Everyone => true,
        Audience::Backups => *role == Role::Backup || has(Role::Admin),
        Audience::Clients(least) => has(least),
        Audience::ClientsThroughMembers(least) => has(least) && forwarded,
        Audience::ClientsOrItself(least) => has(least) || (is_node && about_itself),
        Audience::Itself => is_node && about_itself,
        Audience::Nodes => is_node,
        Audience::AdmittedNodes => is_node && is_admitted(standing(name)),
        Audience::Members => is_node && is_member(standing(name)),
        Audience::KnownMembers => is_node && standing(name) == PeerStanding::Member,
        Audience::MembersThemselves => is_node && about_itself && is_member(standing(name)),
    };
    if allowed { Ok(()) } else { Err(denied(refusal(audience, identity, is_node))) }
}

/// Whether the role of a client includes another one. Nodes and backups are not in this order.
fn includes(role: Role, least: Role) -> bool {
    match role {
        Role::Reader | Role::Writer | Role::Admin => role >= least,
        Role::Node | Role::Backup => false,
    }
}

/// Whether a node with this standing is a member. One without a cluster is not asked for anything
/// that it could do.
fn is_member(standing: PeerStanding) -> bool {
    matches!(standing, PeerStanding::Member | PeerStanding::Unknown)
}

fn is_admitted(standing: PeerStanding) -> bool {
    is_member(standing) || standing == PeerStanding::Joining
}

/// Says why an identity may not send a request to this audience.
fn refusal(audience: Audience, Identity { name, role, .. }: &Identity, is_node: bool) -> String {
    let needed = match audience {
        Audience::Clients(role) | Audience::ClientsOrItself(role) => role,
        Audience::Everyone | Audience::Backups => Role::Backup,
        _ if is_node => return format!("{name} may not ask this: only a member may, each for itself"),
        _ => Role::Node,
    };
    format!("{name} has the role {}; this request needs the role {}", role.as_str(), needed.as_str())
}

fn denied(why: String) -> Rejection {
    Rejection::Denied(why)
}

/// Rejects a request that is meant for another cluster than the node's. Requests about the node
/// itself are also for a node without a cluster; any other one is not, even if the node joins a
/// cluster before the request is carried out. A node that was left out of a restore serves no keys.
///
/// `welcomed` says whether the welcome of the connection named a cluster. A client keeps to the
/// cluster of its first welcome: one that was told none has to connect again before it is served.
pub(crate) fn check_cluster(
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
            | Request::Events { .. }
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
            | Request::Revoke { .. }
            | Request::FinishUpgrade { .. }
            | Request::Settings
            | Request::ChangeSetting { .. }
            | Request::GetAt { .. }
            | Request::RangeAt { .. }
            | Request::History { .. }
            | Request::CompactHistory { .. }
            | Request::Transact { .. }
            | Request::Watch { .. }
    )
}

/// Returns who may send a request of this kind.
fn audience(kind: RequestKind) -> Audience {
    match kind {
        // An unknown request is answered before it is judged.
        RequestKind::Ping | RequestKind::Status | RequestKind::Unknown => Audience::Everyone,
        RequestKind::List
        | RequestKind::Get
        | RequestKind::Range
        | RequestKind::GetAt
        | RequestKind::RangeAt
        | RequestKind::History
        | RequestKind::Watch
        | RequestKind::Events
        | RequestKind::CanStop
        | RequestKind::Settings => Audience::Clients(Role::Reader),
        RequestKind::Write | RequestKind::Transact => Audience::Clients(Role::Writer),
        RequestKind::Found
        | RequestKind::Boot
        | RequestKind::Transfer
        | RequestKind::Down
        | RequestKind::Remove
        | RequestKind::Reload
        | RequestKind::LogLevel
        | RequestKind::Revoke
        | RequestKind::FinishUpgrade
        | RequestKind::ChangeSetting
        | RequestKind::CompactHistory => Audience::Clients(Role::Admin),
        #[cfg(coffee_future)]
        RequestKind::FutureTouch => Audience::Clients(Role::Admin),
        // It contains everything, the request memory too.
        RequestKind::Backup => Audience::Backups,
        // The last step of `down`, which a member carries out.
        RequestKind::RemoveVoter => Audience::ClientsThroughMembers(Role::Admin),
        // The leader judges a move and a promotion by the node's record.
        RequestKind::Move => Audience::ClientsOrItself(Role::Admin),
        RequestKind::Join => Audience::Itself,
        // To nodes without a cluster.
        RequestKind::Promote | RequestKind::Invite => Audience::Nodes,
        RequestKind::ConfirmMember => Audience::AdmittedNodes,
        RequestKind::ReadIndex | RequestKind::StateDigest | RequestKind::Room => Audience::Members,
        // It takes the node out of the cluster.
        RequestKind::ShutDownRemoved => Audience::KnownMembers,
        RequestKind::Reaches => Audience::MembersThemselves,
    }
}

/// The node that a request of a node may be about: itself.
fn subject(request: &Request) -> Option<&NodeName> {
    match request {
        Request::Join { node, .. }
        | Request::Move { node, .. }
        | Request::Reaches { node, .. }
        | Request::RemoveVoter { node, .. } => Some(node),
        _ => None,
    }
}

/// Whether only the leader can carry out the request, so that another node forwards it.
fn is_for_the_leader(request: &Request) -> bool {
    #[cfg(coffee_future)]
    if let Request::FutureTouch(_) = request {
        return true;
    }
    matches!(
        request,
        Request::Write { .. }
            | Request::Boot { .. }
            | Request::Move { .. }
            | Request::Transfer { .. }
            | Request::Down { dry_run: true, .. }
            | Request::Remove { .. }
            | Request::CanStop { .. }
            | Request::ReadIndex
            | Request::Join { .. }
            | Request::Promote { .. }
            | Request::RemoveVoter { .. }
            | Request::Revoke { .. }
            | Request::FinishUpgrade { .. }
            | Request::Settings
            | Request::ChangeSetting { .. }
            | Request::CompactHistory { .. }
            | Request::Transact { .. }
    )
}

#[cfg(test)]
mod tests;
