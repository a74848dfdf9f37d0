//! Which requests are acts that the audit log has, and how they ended.
//!
//! Guards that an act is logged once: by the node that carried it out or denied it, and by the node
//! that forwarded it only if no other node answered. Keys and values are never logged.

use std::borrow::Cow;

use coffee_common::{
    id::NodeName,
    protocol::{Identity, Rejection, Request, Response, Role, SentFrom},
};

use super::{
    access::{self, RequestOrigin},
    link::ClientLink,
};
use crate::{
    metrics::RequestKind,
    node::{
        Node,
        audit_log::{Actor, AuditEvent, AuditOutcome},
    },
};

/// A request that changes something but keys, or that only an admin may send.
#[derive(Debug, PartialEq, Eq)]
struct AuditedAct {
    /// The verb, as an operator types it.
    verb: &'static str,
    /// The thing that it is about.
    object: Option<String>,
}

fn act(request: &Request) -> Option<AuditedAct> {
    let about = |verb, node: &NodeName| Some(AuditedAct { verb, object: Some(node.to_string()) });
    let plain = |verb| Some(AuditedAct { verb, object: None });
    let perhaps = |verb, node: &Option<NodeName>| {
        Some(AuditedAct { verb, object: node.as_ref().map(NodeName::to_string) })
    };
    let at = |verb, node: &NodeName, address: &dyn std::fmt::Display| {
        Some(AuditedAct { verb, object: Some(format!("{node} at {address}")) })
    };
    match request {
        Request::Ping
        | Request::Status
        | Request::List
        | Request::Get { .. }
        | Request::Range { .. }
        | Request::GetAt { .. }
        | Request::RangeAt { .. }
        | Request::History { .. }
        | Request::Write { .. }
        | Request::Transact { .. }
        | Request::Watch { .. }
        | Request::Events { .. }
        | Request::CanStop { .. }
        | Request::Settings
        | Request::ReadIndex
        | Request::StateDigest { .. }
        | Request::Room { .. }
        | Request::Reaches { .. }
        | Request::ConfirmMember { .. } => None,
        Request::Found { node } => about("init", node),
        Request::Boot { node, address: Some(address) } => at("boot", node, address),
        Request::Boot { node, address: None } => about("boot", node),
        Request::Move { node, address } => at("node move", node, address),
        Request::Transfer { to } => perhaps("transfer", to),
        Request::Down { node, dry_run: false } => perhaps("down", node),
        Request::Down { node, dry_run: true } => perhaps("down --dry-run", node),
        Request::Remove { node, dry_run: false } => about("node remove", node),
        Request::Remove { node, dry_run: true } => about("node remove --dry-run", node),
        Request::Backup { .. } => plain("backup"),
        Request::Reload { force: false } => plain("reload"),
        Request::Reload { force: true } => plain("reload --force"),
        Request::LogLevel { level } => {
            Some(AuditedAct { verb: "log-level", object: level.map(|level| level.to_string()) })
        }
        Request::Revoke { .. } => plain("revoke"),
        Request::FinishUpgrade { dry_run: false } => plain("upgrade finish"),
        Request::FinishUpgrade { dry_run: true } => plain("upgrade finish --dry-run"),
        Request::ChangeSetting { name, value } => Some(match value {
            Some(value) => AuditedAct { verb: "settings set", object: Some(format!("{name} = {value}")) },
            None => AuditedAct { verb: "settings unset", object: Some(name.clone()) },
        }),
        Request::CompactHistory { upto } => {
            Some(AuditedAct { verb: "compact", object: Some(format!("up to revision {upto}")) })
        }
        #[cfg(coffee_future)]
        Request::FutureTouch(node) => about("touch", node),
        Request::Join { node, address, .. } => at("join", node, address),
        Request::Promote { id } => Some(AuditedAct { verb: "promote", object: Some(id.to_string()) }),
        Request::RemoveVoter { node, .. } => about("remove voter", node),
        Request::Invite { cluster, .. } => {
            Some(AuditedAct { verb: "invite", object: Some(format!("to cluster {cluster}")) })
        }
        Request::ShutDownRemoved { id } => {
            Some(AuditedAct { verb: "shut down removed", object: Some(id.to_string()) })
        }
    }
}

/// Returns the connection to name when an act is forwarded; `None` if the request is not an act.
pub(crate) fn sent_from(link: &dyn ClientLink, request: &Request) -> Option<SentFrom> {
    act(request).map(|_| link.sent_from())
}

/// Logs that a request, or one that was not decoded, is denied. `on_behalf_of` is the identity that
/// it claims.
pub(crate) fn denied(
    node: &Node,
    link: &dyn ClientLink,
    (on_behalf_of, sent_from): (Option<&Identity>, Option<&SentFrom>),
    request: Result<&Request, RequestKind>,
    rejection: &Rejection,
) {
    let peer = link.peer();
    node.audit_log().bounded(Some(peer), || {
        let actor = match on_behalf_of {
            Some(claimed) if peer.role == Role::Node => forwarded(claimed, sent_from, &peer.name),
            _ => link.actor(),
        };
        let act = request.ok().and_then(act);
        let (verb, object) = match act {
            Some(AuditedAct { verb, object }) => (verb, object),
            None => (request.map_or_else(|kind| kind, RequestKind::of).name(), None),
        };
        AuditEvent {
            actor: Some(actor),
            verb,
            object: object.map(Cow::Owned),
            outcome: AuditOutcome::Denied,
            reason: Some(rejection.to_string().into()),
        }
    });
}

/// Logs how an act ended; `elsewhere` if another node answered, which has logged it then.
pub(crate) fn ended(
    node: &Node,
    link: &dyn ClientLink,
    origin: &RequestOrigin,
    request: &Request,
    result: Result<&Response, &Rejection>,
    elsewhere: bool,
) {
    let Some(act) = act(request) else { return };
    let retried = result.is_err_and(is_retried);
    let logged_elsewhere = if origin.forwarded { retried } else { elsewhere && !retried };
    if logged_elsewhere {
        return;
    }
    let outcome = outcome(request, result);
    let object = act.object.or_else(|| result.ok().and_then(affected));
    let event = || AuditEvent {
        actor: Some(match origin.forwarded {
            true => forwarded(&origin.identity, origin.sent_from.as_ref(), &link.peer().name),
            // A node's own program acts as an admin.
            false => Actor { identity: Some(origin.identity.clone()), ..link.actor() },
        }),
        verb: act.verb,
        object: object.map(Cow::Owned),
        outcome,
        reason: result.err().map(|rejection| rejection.to_string().into()),
    };
    // The forwarder of these need not be a member, so its word for an admin is not taken.
    if origin.forwarded && access::removes_itself(link.peer(), request) {
        node.audit_log().bounded(Some(link.peer()), event);
        return;
    }
    match (origin.identity.role, outcome) {
        // A node repeats what it asks for until it has an effect.
        (Role::Node, AuditOutcome::Done { changed: false }) => {}
        (Role::Node, _) if retried => {}
        (Role::Node, _) | (_, AuditOutcome::Denied) => {
            node.audit_log().bounded(Some(link.peer()), event);
        }
        _ => node.audit_log().act(&event()),
    }
}

fn forwarded(identity: &Identity, sent_from: Option<&SentFrom>, via: &NodeName) -> Actor {
    Actor {
        identity: Some(identity.clone()),
        serial: sent_from.map(|from| from.serial.clone()),
        address: sent_from.map(|from| from.address),
        via: Some(via.clone()),
    }
}

/// Whether the node that forwarded the request tries again, or reports the failure itself.
fn is_retried(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::Unavailable(_)
            | Rejection::Overloaded
            | Rejection::NoCluster { .. }
            | Rejection::OtherCluster { .. }
            | Rejection::LeftOut { .. }
            | Rejection::NoQuorum { .. }
    )
}

fn outcome(request: &Request, result: Result<&Response, &Rejection>) -> AuditOutcome {
    let plan = matches!(
        request,
        Request::Down { dry_run: true, .. }
            | Request::Remove { dry_run: true, .. }
            | Request::FinishUpgrade { dry_run: true }
    );
    match result {
        Ok(response) => AuditOutcome::Done { changed: !plan && has_changed(response) },
        Err(Rejection::Denied(_)) => AuditOutcome::Denied,
        Err(rejection) if !rejection.is_not_applied() => AuditOutcome::Unknown,
        Err(_) => AuditOutcome::Refused,
    }
}

/// Returns the node that an act concerned if the request left that open.
fn affected(response: &Response) -> Option<String> {
    match response {
        Response::Transferred { to, .. } => Some(to.to_string()),
        Response::Down(removal) => Some(removal.node.to_string()),
        Response::Revoked { number, .. } => Some(format!("list {number}")),
        Response::LevelRaised(raised) => Some(format!("level {}", raised.to)),
        _ => None,
    }
}

fn has_changed(response: &Response) -> bool {
    match response {
        Response::Booted { changed, moved, .. } => *changed || *moved,
        Response::Transferred { changed, .. }
        | Response::Announced(changed)
        | Response::Done { changed }
        | Response::LogLevel { changed, .. }
        | Response::Founded { changed, .. }
        | Response::Compacted { changed, .. }
        | Response::Revoked { changed, .. } => *changed,
        Response::Removed(removal) | Response::Down(removal) => removal.changed,
        Response::Reloaded(reload) => !reload.changed.is_empty(),
        Response::LevelRaised(raised) => raised.from != raised.to,
        Response::SettingChanged(changed) => changed.changed,
        Response::Admitted { .. } => true,
        Response::Status(_)
        | Response::Cluster(_)
        | Response::Written(_)
        | Response::Transacted { .. }
        | Response::Changes { .. }
        | Response::Events(_)
        | Response::Value { .. }
        | Response::Page { .. }
        | Response::PastPage { .. }
        | Response::Versions { .. }
        | Response::CanStop { .. }
        | Response::Settings(_)
        | Response::ReadIndex(_)
        | Response::StateDigest(_)
        | Response::Room { .. }
        | Response::Backup => false,
    }
}
