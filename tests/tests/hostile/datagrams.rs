//! Datagrams to the port, from somebody without any certificate.

use std::time::Duration;

use coffee_common::protocol::Role;
use fastrand::Rng;
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval},
};

use crate::{noise, relay, scene::Scene, tally::Tally};

/// So many at once, so often: 16,000 a second. The port of a node is no test
/// of how much the kernel can throw away.
const BURST: u64 = 32;
const PACE: Duration = Duration::from_millis(2);

/// The largest payload of UDP over IPv4.
const LARGEST: usize = 65_507;

/// A datagram in which a handshake may begin has at least so many bytes
/// (RFC 9000, section 14.1).
const INITIAL_BYTES: usize = 1200;

/// Nobody is sent more than this multiple of what came from his address,
/// before he has proven that it is his (RFC 9000, section 8.1).
const AMPLIFICATION_MAX: u64 = 3;

pub(crate) async fn attack(scene: &Scene, pieces: u64) -> Tally {
    let mut tally = Tally::default();
    for (n, victim) in (20..).zip(scene.victims().await) {
        let (socket, good) = relay::conversation(&scene.cluster.credentials(Role::Reader), &victim).await;
        let mut attacker =
            Attacker { socket, good, rng: noise::rng(n), tally: Tally::default(), bytes: 0, back: 0 };
        attacker.run(pieces / 3).await;
        let Attacker { bytes, back, .. } = attacker;
        assert!(back <= AMPLIFICATION_MAX * bytes, "{back} bytes come back for {bytes}");
        tally.add(attacker.tally);
    }
    tally
}

struct Attacker {
    /// From which the node has heard a good client.
    socket: UdpSocket,
    /// What that one said.
    good: Vec<Vec<u8>>,
    rng: Rng,
    tally: Tally,
    /// Sent, and come back.
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
                // One that the kernel does not take is not counted.
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
            0 => noise::bytes(rng, 0),
            1 => noise::bytes(rng, 1),
            2 => random(rng, 2..1500),
            3 => {
                let count = if rng.u8(0..8) == 0 { LARGEST } else { 6_000 };
                let mut giant = noise::bytes(rng, count);
                giant[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
                giant
            }
            4 => {
                let version = rng.u32(..);
                long_header(rng, version)
            }
            5 | 6 => long_header(rng, 1),
            // A short header with a connection id that was never given, and what looks like a packet.
            7 => {
                let mut spoofed = random(rng, 21..1200);
                spoofed[0] = spoofed[0] & 0x3f | 0x40;
                spoofed
            }
            8 => self.good[rng.usize(..self.good.len())].clone(),
            _ => {
                let mut spoiled = self.good[rng.usize(..self.good.len())].clone();
                noise::flip(rng, &mut spoiled, 0);
                spoiled.truncate(rng.usize(1..2 * spoiled.len()));
                spoiled
            }
        }
    }
}

fn random(rng: &mut Rng, lengths: std::ops::Range<usize>) -> Vec<u8> {
    let count = rng.usize(lengths);
    noise::bytes(rng, count)
}

/// What begins like a first packet (RFC 9000, section 17.2), with connection
/// ids of legal and of other lengths, and goes on with noise.
fn long_header(rng: &mut Rng, version: u32) -> Vec<u8> {
    let count = rng.usize(INITIAL_BYTES - 200..INITIAL_BYTES + 200);
    let mut packet = vec![0xc0 | rng.u8(0..64)];
    packet.extend(version.to_be_bytes());
    for _ in 0..2 {
        let length = if rng.u8(0..8) == 0 { rng.u8(..) } else { rng.u8(8..=20) };
        packet.push(length);
        packet.extend(noise::bytes(rng, length.into()));
    }
    if rng.bool() {
        // No token, and a length that is right.
        let rest = count.saturating_sub(packet.len() + 3);
        packet.push(0);
        packet.extend((u16::try_from(rest).expect("short") | 0x4000).to_be_bytes());
    }
    let rest = count.saturating_sub(packet.len());
    packet.extend(noise::bytes(rng, rest));
    packet
}

/// What a node answers to somebody unknown.
fn kind_of(answer: &[u8]) -> &'static str {
    match answer {
        [first, 0, 0, 0, 0, ..] if first & 0x80 != 0 => "version negotiation",
        [first, ..] if first & 0x80 == 0 => "stateless reset",
        [first, ..] if first & 0xf0 == 0xf0 => "retry",
        _ => "handshake packet",
    }
}
