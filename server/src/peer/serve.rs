//! The serving side: what other members send to this one.

mod append;
mod ask;
mod snapshot;

use std::time::Duration;

use coffee_common::{
    frame,
    id::{ClusterId, NodeId},
    quic::{Connection, FrameReceiver, FrameSender, Priority, StreamError},
};
use openraft::async_runtime::WatchReceiver;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::wire::{Hello, Purpose};
use crate::{
    raft::Raft,
    storage::{record::RecordError, snapshot::SnapshotInbox},
};

/// A stream has to say this soon what it is for.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// What serving a peer takes. Clones share it.
#[derive(Clone)]
pub struct PeerContext {
    /// The consensus that is served.
    pub raft: Raft,
    /// The cluster that this node belongs to.
    pub cluster: ClusterId,
    /// This node.
    pub own: NodeId,
    /// Where snapshots come in.
    pub inbox: SnapshotInbox,
}

/// Why a stream is given up. The peer learns no more than that it ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("it ended early")]
    Early,
    #[error("it did not say in time what it is for")]
    Late,
    #[error("it belongs to cluster {0}")]
    OtherCluster(ClusterId),
    #[error("it means node {0}, which this one is not, or is no more")]
    OtherNode(NodeId),
    #[error("it says that it is node {0}, which has another name")]
    OtherName(NodeId),
    #[error("this node's consensus has stopped: {0}")]
    Stopped(String),
}

/// Serves one connection of another member until it ends.
pub async fn serve(connection: Connection, context: PeerContext) {
    let peer = connection.peer().name.clone();
    let mut refusals: u64 = 0;
    let (report, mut reports) = tokio::sync::mpsc::channel::<ServeError>(16);
    loop {
        let (sender, receiver) = tokio::select! {
            accepted = connection.accept() => match accepted {
                Ok(stream) => stream,
                Err(_) => return,
            },
            Some(error) = reports.recv() => {
                refusals += 1;
                // The first of many alike tells it all.
                if refusals.is_power_of_two() {
                    tracing::warn!(%peer, %error, refusals, "a peer's stream was given up");
                }
                continue;
            }
        };
        let (connection, context, report) = (connection.clone(), context.clone(), report.clone());
        tokio::spawn(async move {
            match serve_stream(&connection, &context, sender, receiver).await {
                // A stream that breaks off is what a peer does that goes away or loses interest.
                Ok(()) | Err(ServeError::Stream(_) | ServeError::Early) => {}
                Err(error) => {
                    let _ = report.try_send(error);
                }
            }
        });
    }
}

async fn serve_stream(
    connection: &Connection,
    context: &PeerContext,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let hello: Hello = match timeout(HELLO_WITHIN, receive(&mut receiver)).await {
        Ok(hello) => hello?,
        Err(_) => return Err(ServeError::Late),
    };
    check(connection, context, &hello)?;
    match hello.purpose {
        Purpose::Append => append::serve(context, sender, receiver).await,
        Purpose::Ask => {
            sender.set_priority(Priority::Urgent);
            ask::serve(context, sender, receiver).await
        }
        Purpose::Snapshot => snapshot::serve(context, sender, receiver).await,
    }
}

fn check(connection: &Connection, context: &PeerContext, hello: &Hello) -> Result<(), ServeError> {
    if hello.cluster != context.cluster {
        return Err(ServeError::OtherCluster(hello.cluster));
    }
    if hello.to != context.own {
        return Err(ServeError::OtherNode(hello.to));
    }
    let metrics = context.raft.server_metrics();
    let membership = metrics.borrow_watched().membership_config.clone();
    match membership.get_node(&hello.from) {
        Some(member) if member.name != connection.peer().name => Err(ServeError::OtherName(hello.from)),
        // A member that this node has not heard of yet.
        _ => Ok(()),
    }
}

async fn receive<T: DeserializeOwned>(receiver: &mut FrameReceiver) -> Result<T, ServeError> {
    let message = receiver.receive().await?.ok_or(ServeError::Early)?;
    Ok(frame::decode(&message)?)
}
