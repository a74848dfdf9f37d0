//! Three nodes in one process: a cluster without a daemon.
//!
//! ```sh
//! cargo run --example three_nodes
//! ```
//!
//! Creates certificates in memory, founds a cluster, lets two more nodes join, writes
//! through one node and reads through another, transfers leadership, and stops. The
//! server leaves the host program in control: it installs no logger, signal handler or
//! panic hook, and never ends the process.

use std::{error::Error, path::Path};

use coffee_client::{Client, cert::Ca};
use coffee_common::{
    id::{ClusterName, NodeName},
    protocol::{LifecyclePhase, Role},
    tls::CredentialFiles,
};
use coffeed::{Closed, Config, Server};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[cfg_attr(test, expect(dead_code, reason = "the test of this example calls `run`"))]
#[tokio::main]
async fn main() -> Result<()> {
    for line in run().await? {
        #[expect(clippy::print_stdout, reason = "it shows what it does")]
        {
            println!("{line}");
        }
    }
    Ok(())
}

/// Runs the example and returns a line per step.
pub(crate) async fn run() -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let ca = Ca::create(&ClusterName::default())?;
    let mut story = Vec::new();

    // The first node founds the cluster; the others ask to join it, and are admitted.
    let ming = start(&ca, folder.path(), "ming", None).await?;
    let hong = start(&ca, folder.path(), "hong", Some(&ming)).await?;
    let peng = start(&ca, folder.path(), "peng", Some(&ming)).await?;
    let client = ming.local_client()?;
    for (name, node) in [("hong", &hong), ("peng", &peng)] {
        // No certificate alone admits a node.
        client.boot(name.parse()?, Some(node.advertised().clone())).await?;
    }
    until_voters(&client, 3).await?;
    story.push("three voters".to_owned());

    // Every node takes writes and reads.
    let written = peng.local_client()?.set("order/1", "latte").await?;
    let entry = hong.local_client()?.get("order/1").await?.ok_or("the order is lost")?;
    let order = String::from_utf8_lossy(entry.value.as_bytes());
    story.push(format!("order/1 is {order}, at revision {}", written.revision));

    // Leadership moves without a failed write.
    let moved = client.transfer(Some("hong".parse()?)).await?;
    story.push(format!("{} leads instead of {}", moved.to, moved.from));
    client.set("order/2", "flat white").await?;

    // Each node stops cleanly; the last one has no node to hand over to.
    for node in [ming, hong, peng] {
        if node.shutdown().await != Closed::Stopped {
            return Err("a node did not stop cleanly".into());
        }
    }
    story.push("all stopped".to_owned());
    Ok(story)
}

/// Starts a node on any free port with its own data directory.
async fn start(ca: &Ca, folder: &Path, name: &str, member: Option<&Server>) -> Result<Server> {
    let name: NodeName = name.parse()?;
    // A node has its credentials in files or, as here, in memory.
    let nowhere = CredentialFiles::new("", "", "");
    let mut config = Config::new(name.clone(), "127.0.0.1:0".parse()?, folder.join(name.as_str()), nowhere);
    config.join.extend(member.map(|member| member.advertised().clone()));
    let credentials = ca.credentials(Role::Node, &name)?;
    let server = Server::builder(config).credentials(credentials).start().await?;
    if member.is_none() {
        server.found().await?;
    }
    Ok(server)
}

/// Waits until all nodes are voters: a node that joins catches up first.
async fn until_voters(client: &Client, count: u32) -> Result<()> {
    for _ in 0..1_000 {
        let view = client.cluster().await?;
        if view.voters == count && client.status().await?.phase == LifecyclePhase::Running {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err("the cluster did not grow".into())
}
