//! Three nodes in one program: a cluster without a daemon.
//!
//! ```sh
//! cargo run --example three_nodes
//! ```
//!
//! Makes certificates in memory, founds a cluster, lets two more nodes join,
//! writes at one and reads at another, hands leadership over, and stops. The
//! server leaves the program its own: no logger, signal handler or panic hook
//! is installed, and nothing here ends the process.

use std::{error::Error, path::Path};

use coffee_client::{Client, cert::Ca};
use coffee_common::{
    id::NodeName,
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

/// Runs the example, and says what happened.
pub(crate) async fn run() -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let ca = Ca::create()?;
    let mut story = Vec::new();

    // The first node founds the cluster; the others ask to be let in.
    let ming = start(&ca, folder.path(), "ming", None).await?;
    let hong = start(&ca, folder.path(), "hong", Some(&ming)).await?;
    let peng = start(&ca, folder.path(), "peng", Some(&hong)).await?;
    let client = ming.local_client()?;
    until_voters(&client, 3).await?;
    story.push("three voters".to_owned());

    // Whichever node is asked: each takes writes and reads.
    let written = peng.local_client()?.set("order/1", "latte").await?;
    let entry = hong.local_client()?.get("order/1").await?.ok_or("the order is lost")?;
    let order = String::from_utf8_lossy(entry.value.as_bytes());
    story.push(format!("order/1 is {order}, at revision {}", written.revision));

    // Leadership moves without a failed write.
    let moved = client.transfer(Some("hong".parse()?)).await?;
    story.push(format!("{} leads instead of {}", moved.to, moved.from));
    client.set("order/2", "flat white").await?;

    // Each stops in good order; the last one cannot hand over any more.
    for node in [ming, hong, peng] {
        if node.shutdown().await != Closed::Stopped {
            return Err("a node did not stop in good order".into());
        }
    }
    story.push("all stopped".to_owned());
    Ok(story)
}

/// Starts a node on any free port, with its data in a folder of its own.
async fn start(ca: &Ca, folder: &Path, name: &str, member: Option<&Server>) -> Result<Server> {
    let name: NodeName = name.parse()?;
    // A node has credentials in files, or, as here, in memory.
    let nowhere = CredentialFiles::new("", "", "");
    let mut config = Config::new(name.clone(), "127.0.0.1:0".parse()?, folder.join(name.as_str()), nowhere);
    match member {
        Some(member) => config.join.push(member.advertised().clone()),
        None => config.bootstrap = true,
    }
    let credentials = ca.credentials(Role::Node, &name)?;
    Ok(Server::builder(config).credentials(credentials).start().await?)
}

/// A node that joins catches up before it gets a vote.
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
