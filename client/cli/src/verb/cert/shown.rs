//! Asks the running nodes whether they still show certificates of the old CA.
//!
//! A node that does would be unreachable for everyone who trusts the new CA alone. The
//! handshake is the judge: each node is dialled with credentials that trust only that one.

use coffee_client::{
    Client, Credentials, Error,
    cert::{self, CaFolder},
};
use coffee_common::{
    id::NodeName,
    protocol::{NodeState, NodeView},
};
use futures_util::future::join_all;

use crate::{credentials, exit::ExitCode, failure::Failure, invocation::Invocation};

/// The nodes by the certificates that they show.
#[derive(Debug, Default, PartialEq, Eq)]
struct ShownCertificates {
    /// The nodes that show a certificate of the old CA.
    old: Vec<NodeName>,
    /// The nodes that did not answer.
    unknown: Vec<NodeName>,
}

/// Refuses while a running node shows a certificate that the current CA did not sign.
pub(super) async fn check(folder: CaFolder<'_>, invocation: &mut Invocation<'_>) -> Result<(), Failure> {
    let shown = match ask(folder, invocation).await {
        Ok(shown) => shown,
        Err(why) => {
            let message =
                format!("the nodes cannot be asked which certificates they show: {}", why.message());
            return Err(Failure::new(ExitCode::Refused, message)
                .hint("name a node with --endpoints, or add --unchecked if no node runs"));
        }
    };
    if !shown.unknown.is_empty() {
        let names: Vec<&str> = shown.unknown.iter().map(NodeName::as_str).collect();
        invocation.printer.note(&format!(
            "note: not asked, since not in reach: {}; bring them certificates of the new CA before they start",
            names.join(", ")
        ));
    }
    match shown.old.first() {
        None => Ok(()),
        Some(first) => Err(refusal(&shown.old, first)),
    }
}

fn refusal(old: &[NodeName], first: &NodeName) -> Failure {
    let names: Vec<&str> = old.iter().map(NodeName::as_str).collect();
    let show = if old.len() > 1 { "show certificates" } else { "shows a certificate" };
    Failure::new(ExitCode::Refused, format!("{} still {show} of the old CA", names.join(", "))).hint(format!(
        "copy node-{first}.crt to {first}, then 'coffeectl reload {first}'; the answer must name tls.cert"
    ))
}

async fn ask(folder: CaFolder<'_>, invocation: &Invocation<'_>) -> Result<ShownCertificates, Failure> {
    let timeout = invocation.usual_timeout();
    let view = invocation.view(timeout).await?;
    let source = &invocation.session.connection().credentials;
    let trusting = credentials::load_trusting(source, &cert::current_ca(folder)?)?;
    let client = client(&view.nodes, &trusting)?.with_timeout(timeout);
    let there: Vec<&NodeView> = view.nodes.iter().filter(|node| node.version.is_some()).collect();
    let gone = view.nodes.iter().filter(|node| node.state == NodeState::Unreachable);
    let answers = join_all(there.iter().map(|node| show(node, &client))).await;
    let mut shown =
        ShownCertificates { old: Vec::new(), unknown: gone.map(|node| node.name.clone()).collect() };
    for (node, answer) in there.iter().zip(answers) {
        match answer {
            Ok(()) => {}
            Err(Error::Identity(_)) => shown.old.push(node.name.clone()),
            Err(_) => shown.unknown.push(node.name.clone()),
        }
    }
    client.close().await;
    Ok(shown)
}

fn client(nodes: &[NodeView], trusting: &Credentials) -> Result<Client, Failure> {
    let addresses = nodes.iter().map(|node| node.address.clone());
    Ok(Client::builder().endpoints(addresses).credentials(trusting.clone()).build()?)
}

/// Connects to the node and asks it for its status.
async fn show(node: &NodeView, client: &Client) -> Result<(), Error> {
    client.at(node.address.clone())?.status().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_nodes_and_the_next_command() {
        let names: Vec<NodeName> = ["hong", "hu"].iter().map(|name| name.parse().unwrap()).collect();
        let failure = refusal(&names, &names[0]);
        assert_eq!(failure.code(), ExitCode::Refused);
        assert_eq!(failure.message(), "hong, hu still show certificates of the old CA");
        assert!(failure.hints()[0].contains("'coffeectl reload hong'"), "{:?}", failure.hints());
        let failure = refusal(&names[1..], &names[1]);
        assert_eq!(failure.message(), "hu still shows a certificate of the old CA");
    }
}
