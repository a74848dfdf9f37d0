//! Datagrams to the port, from a host without a certificate.

use std::time::Duration;

use coffee_common::protocol::Role;
use fastrand::Rng;
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval},
};

use crate::support::{environment::HostileEnvironment, mutated_frames, relay, tally::Tally};

/// Datagrams per burst, for 16,000 per second. More would test how many the kernel drops.
const BURST: u64 = 32;
const PACE: Duration = Duration::from_millis(2);

/// Largest UDP payload over IPv4.
const LARGEST: usize = 65_507;

/// Minimum size of a datagram that begins a handshake (RFC 9000, section 14.1).
const INITIAL_BYTES: usize = 1200;

/// Maximum ratio of bytes sent to an address to bytes received from it, until the address
/// is validated (RFC 9000, section 8.1).
const AMPLIFICATION_MAX: u64 = 3;

pub(crate) async fn attack(environment: &HostileEnvironment, pieces: u64) -> Tally {
    let mut tally = Tally::default();
    for (n, victim) in (20..).zip(environment.victims().await) {
        let (socket, good) =
            relay::conversation(&environment.cluster.credentials(Role::Reader), &victim).await;
        let mut attacker = Attacker {
            socket,
            good,
            rng: mutated_frames::rng(n),
            tally: Tally::default(),
            bytes: 0,
            back: 0,
        };
        attacker.run(pieces / 3).await;
        let Attacker { bytes, back, .. } = attacker;
        assert!(back <= AMPLIFICATION_MAX * bytes, "{back} bytes come back for {bytes}");
        tally.add(attacker.tally);
    }
    tally
}

struct Attacker {
    /// The address from which the node has heard a valid client.
    socket: UdpSocket,
    /// That client's datagrams.
    good: Vec<Vec<u8>>,
    rng: Rng,
    tally: Tally,
    /// Bytes sent and received.
    bytes: u64,
    back: u64,
}

impl Attacker {
    async fn run(&mut self, pieces: u64) {
        let elsewhere = relay::socket().await;
        elsewhere.connect(self.socket.peer_addr().expect("it is connected")).await.expect("an address");
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.tally.sent < pieces {
            pace.tick().await;
            for _ in 0..BURST {
                let piece = self.piece();
                let socket = if self.rng.bool() { &self.socket } else { &elsewhere };
                // A datagram that the kernel rejects is not counted.
                if socket.send(&piece).await.is_ok() {
                    self.bytes += piece.len() as u64;
                    self.tally.sent += 1;
                }
            }
            for socket in [&self.socket, &elsewhere] {
                let mut answer = [0; 2048];
                while let Ok(length) = socket.try_recv(&mut answer) {
                    self.back += length as u64;
                    self.tally.note(kind_of(&answer[..length]));
                }
            }
        }
    }

    fn piece(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        match rng.u8(0..10) {
            0 => mutated_frames::bytes(rng, 0),
            1 => mutated_frames::bytes(rng, 1),
            2 => random(rng, 2..1500),
            3 => {
                let count = if rng.u8(0..8) == 0 { LARGEST } else { 6_000 };
                let mut giant = mutated_frames::bytes(rng, count);
                giant[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
                giant
            }
            4 => {
                let version = rng.u32(..);
                long_header(rng, version)
            }
            5 | 6 => long_header(rng, 1),
            // A short header with an unknown connection id, and random contents.
            7 => {
                let mut spoofed = random(rng, 21..1200);
                spoofed[0] = spoofed[0] & 0x3f | 0x40;
                spoofed
            }
            8 => self.good[rng.usize(..self.good.len())].clone(),
            _ => {
                let mut spoiled = self.good[rng.usize(..self.good.len())].clone();
                mutated_frames::flip(rng, &mut spoiled, 0);
                spoiled.truncate(rng.usize(1..2 * spoiled.len()));
                spoiled
            }
        }
    }
}

fn random(rng: &mut Rng, lengths: std::ops::Range<usize>) -> Vec<u8> {
    let count = rng.usize(lengths);
    mutated_frames::bytes(rng, count)
}

/// A header like that of an Initial packet (RFC 9000, section 17.2), with connection ids
/// of legal and illegal lengths, followed by noise.
fn long_header(rng: &mut Rng, version: u32) -> Vec<u8> {
    let count = rng.usize(INITIAL_BYTES - 200..INITIAL_BYTES + 200);
    let mut packet = vec![0xc0 | rng.u8(0..64)];
    packet.extend(version.to_be_bytes());
    for _ in 0..2 {
        let length = if rng.u8(0..8) == 0 { rng.u8(..) } else { rng.u8(8..=20) };
        packet.push(length);
        packet.extend(mutated_frames::bytes(rng, length.into()));
    }
    if rng.bool() {
        // No token, and a correct length.
        let rest = count.saturating_sub(packet.len() + 3);
        packet.push(0);
        packet.extend((u16::try_from(rest).expect("short") | 0x4000).to_be_bytes());
    }
    let rest = count.saturating_sub(packet.len());
    packet.extend(mutated_frames::bytes(rng, rest));
    packet
}

/// Classifies a node's answer to an unknown host.
fn kind_of(answer: &[u8]) -> &'static str {
    match answer {
        [first, 0, 0, 0, 0, ..] if first & 0x80 != 0 => "version negotiation",
        [first, ..] if first & 0x80 == 0 => "stateless reset",
        [first, ..] if first & 0xf0 == 0xf0 => "retry",
        _ => "handshake packet",
    }
}
