//! Looks up names to complete: on this machine at once, in the cluster within
//! a bounded time. Anything that fails offers no names.

use std::{path::Path, time::Duration};

use coffee_client::cert::{self, Holder, Issued};
use coffee_common::protocol::{Identity, Role};

use super::ValueKind;
use crate::{
    contexts::{ContextName, file::ContextFile},
    options::ConnectionOptions,
    session::ClientSession,
};

/// The time for the cluster's answer if no name is known without it.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The time for the cluster's answer if this machine has names already.
const SHORT_ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// Returns the names that this machine knows; `certs` is the certificate folder.
pub(crate) fn local(kind: ValueKind, certs: Option<&Path>) -> Vec<String> {
    match kind {
        ValueKind::Context => contexts(),
        ValueKind::Node => {
            certificates(certs, |identity| (identity.role == Role::Node).then(|| identity.name.to_string()))
        }
        ValueKind::Client => {
            certificates(certs, |identity| (identity.role != Role::Node).then(|| cert::file_name(identity)))
        }
        ValueKind::Certificate => certificates(certs, |identity| Some(cert::file_name(identity))),
        ValueKind::Key | ValueKind::File | ValueKind::Folder => Vec::new(),
    }
}

fn contexts() -> Vec<String> {
    let file = ContextFile::read().ok();
    file.into_iter()
        .flat_map(|file| file.contexts.contexts.into_keys())
        .map(|name: ContextName| name.into())
        .collect()
}

/// Maps the holders of the folder's certificates to names.
fn certificates(certs: Option<&Path>, name: impl Fn(&Identity) -> Option<String>) -> Vec<String> {
    let issued = certs.and_then(|folder| cert::list(folder).ok()).unwrap_or_default();
    let name = |issued: &Issued| match issued.info.as_ref().map(|info| &info.holder) {
        Ok(Holder::Leaf(identity)) => name(identity),
        _ => None,
    };
    issued.iter().filter_map(name).collect()
}

/// Returns the names of the nodes, from the certificate folder and the cluster.
pub(crate) async fn nodes(connection: ConnectionOptions) -> Vec<String> {
    let mut names = local(ValueKind::Node, connection.certs.as_deref());
    let within = if names.is_empty() { ANSWER_WITHIN } else { SHORT_ANSWER_WITHIN };
    let session = ClientSession::new(connection);
    if let Ok(client) = session.client(within)
        && let Ok(Ok(view)) = tokio::time::timeout(within, client.cluster()).await
    {
        names.extend(view.nodes.iter().map(|node| node.name.to_string()));
    }
    session.close().await;
    names
}

#[cfg(test)]
mod tests {
    use coffee_client::cert::{Existing, LEAF_DAYS};
    use coffee_common::id::NodeName;

    use super::*;

    #[test]
    fn a_folder_knows_nodes_clients_and_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text: &str| NodeName::new(text).unwrap();
        cert::create_ca(folder.path(), None, Existing::Keep).unwrap();
        cert::issue_node(folder.path(), &name("ming"), &[], LEAF_DAYS, Existing::Keep).unwrap();
        cert::issue_client(folder.path(), Role::Admin, &name("ops"), LEAF_DAYS, Existing::Keep).unwrap();
        let found = |kind| local(kind, Some(folder.path()));
        assert_eq!(found(ValueKind::Node), ["ming"]);
        assert_eq!(found(ValueKind::Client), ["admin-ops"]);
        assert_eq!(found(ValueKind::Certificate), ["admin-ops", "node-ming"]);
        assert_eq!(local(ValueKind::Node, Some(Path::new("/nowhere"))), [""; 0]);
        assert_eq!(local(ValueKind::Node, None), [""; 0]);
    }
}
