//! Attackers that take all the places they get: sockets without a handshake, and idle connections.

use std::{collections::VecDeque, time::Duration};

use coffee_common::{limits::CONNECTIONS_PER_CLIENT_MAX, protocol::Role};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::DoorVictim;
use crate::{
    is_long,
    support::{door_caller::PATIENCE, tally::Tally},
};

/// Clients with a certificate each that take connections.
const CLIENTS: usize = 2;

/// Sockets that begin no handshake.
fn sockets() -> usize {
    if is_long() { 10_000 } else { 500 }
}

/// Opens sockets on which no handshake begins, as many at once as the process may have.
pub(crate) async fn silent(victim: &DoorVictim) -> Tally {
    let mut tally = Tally::default();
    let mut open = VecDeque::new();
    for _ in 0..sockets() {
        match TcpStream::connect(victim.address).await {
            Ok(stream) => open.push_back(stream),
            Err(_) => {
                // The process may have no more descriptors.
                tally.note("not opened");
                open.pop_front();
            }
        }
        tally.sent += 1;
    }
    let mut ends = JoinSet::new();
    for mut stream in open {
        // Handshakes have ten seconds.
        ends.spawn(async move { timeout(PATIENCE, stream.read(&mut [0; 64])).await.is_ok() });
    }
    for is_ended in ends.join_all().await {
        tally.note(if is_ended { "ended" } else { "held" });
    }
    tally
}

/// Takes more idle connections than each client may have, and holds those that it gets.
pub(crate) async fn idle(victim: &DoorVictim) -> Tally {
    let mut tally = Tally::default();
    let mut kept = Vec::new();
    for n in 0..if is_long() { 2 * CLIENTS } else { CLIENTS } {
        let caller = victim.attacker(Role::Reader, &format!("idler-{n}"), b"http/1.1");
        for _ in 0..CONNECTIONS_PER_CLIENT_MAX + 16 {
            tally.sent += 1;
            let mut stream = caller.connect_at_last().await;
            // The node has a place for it once it lets this time pass without closing it.
            match timeout(Duration::from_millis(1), stream.read(&mut [0; 1])).await {
                Ok(_) => tally.note("refused"),
                Err(_) => kept.push(stream),
            }
        }
    }
    // All that were refused have noticed.
    sleep(Duration::from_millis(200)).await;
    for mut stream in kept {
        match timeout(Duration::from_millis(1), stream.read(&mut [0; 1])).await {
            Ok(_) => tally.note("refused"),
            Err(_) => tally.note("kept"),
        }
    }
    tally
}
