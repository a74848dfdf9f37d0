//! One connection of a client.
//!
//! Guards that whoever breaks the protocol loses the connection, hears why,
//! and cannot fill the log with it.

use std::sync::{Arc, atomic::Ordering};

use coffee_common::{limits::REQUESTS_IN_FLIGHT_MAX, quic::Connection};
use tokio::sync::Semaphore;

use super::{Api, answer, read::Room, stream};

/// What the streams of a connection share.
pub(super) struct Shared {
    pub(super) api: Api,
    pub(super) connection: Connection,
    /// One permit for each request that may be in flight.
    pub(super) room: Arc<Semaphore>,
    /// For answers that are read, and not sent yet.
    pub(super) answers: Room,
}

pub(super) async fn serve(api: &Api, connection: Connection) {
    let welcomed = Box::pin(answer::welcome(&connection, &api.welcome())).await;
    if let Err(error) = welcomed {
        tracing::debug!(%error, "a client left before it was welcome");
        return;
    }
    let room = Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX));
    let shared =
        Arc::new(Shared { api: api.clone(), connection: connection.clone(), room, answers: Room::default() });
    while let Ok((sender, receiver)) = connection.accept().await {
        tokio::spawn(stream::serve(Arc::clone(&shared), sender, receiver));
    }
}

impl Shared {
    /// Ends the connection with somebody who does not keep to the protocol.
    pub(super) fn expel(&self, why: &dyn std::fmt::Display) {
        if self.connection.is_closed() {
            return;
        }
        let peer = self.connection.peer();
        let count = self.api.0.offences.fetch_add(1, Ordering::Relaxed) + 1;
        // One line for each power of two: enough to see it, and how much of it.
        if count.is_power_of_two() {
            tracing::warn!(
                client = %peer.name, address = %self.connection.remote_address(), %why, count,
                "closed the connection of a client that does not keep to the protocol"
            );
        }
        self.connection.close(&format!("this is not the protocol: {why}"));
    }
}
