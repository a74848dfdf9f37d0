//! Attacks on the HTTP door, of clients without a certificate and of readers and writers with one. A valid
//! client over QUIC and one over HTTP work meanwhile, and do not notice.

pub(crate) mod floods;
pub(crate) mod frames;
pub(crate) mod places;
pub(crate) mod requests;
pub(crate) mod slow;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use coffee_common::protocol::Role;

use crate::{
    is_long, pieces,
    support::{
        door_bystander::DoorBystander,
        door_caller::{self, DoorCaller},
        environment::{AttackBounds, HostileEnvironment},
        tally::Tally,
    },
};

/// Requests and frames in the short form.
const DOOR_PIECES: u64 = 10_000;

/// Concurrent attackers that send requests or frames: in the short form no more than the machine has processors,
/// which would be measured otherwise.
fn lanes() -> u64 {
    if is_long() { 8 } else { 2 }
}

/// How long the valid client over HTTP is measured before an attack, and after it.
const QUIET: Duration = Duration::from_millis(500);

/// The bounds of these attacks: the promise in the long form, and in the short form room for a busy machine and a
/// build without optimisation. Attackers write, too.
fn bounds() -> AttackBounds {
    let (quick_ms, times_max) = if is_long() { (5, 3) } else { (40, 5) };
    let quick = Duration::from_millis(quick_ms);
    AttackBounds { quick, times_max, retries_max: door_pieces(), ..AttackBounds::default() }
}

/// Between two requests, or two connections with frames, of an attacker: in the short form the attackers, which
/// share the machine, leave it some time.
const PAUSE: Duration = Duration::from_millis(2);

async fn pause() {
    if !is_long() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Number of requests, and of frames.
fn door_pieces() -> u64 {
    if is_long() { pieces() } else { DOOR_PIECES }
}

/// A node whose door is attacked.
pub(crate) struct DoorVictim {
    address: SocketAddr,
    /// The folder of the CA that issues the certificates of the attackers.
    certs: PathBuf,
}

impl DoorVictim {
    /// The leader: it has the most to lose.
    async fn of(environment: &HostileEnvironment) -> Self {
        let leader = environment.cluster.leader().await;
        let node = environment.cluster.watched().iter().find(|node| node.name() == leader).expect("a node");
        Self { address: node.http(), certs: environment.cluster.certs() }
    }

    /// An attacker with a certificate of its own. A writer may write a part of the valid client's keys.
    fn attacker(&self, role: Role, name: &str, alpn: &[u8]) -> DoorCaller {
        let shown = door_caller::attacker(&self.certs, role, name);
        DoorCaller::new(Some(&shown), alpn, self.address)
    }

    fn reader(&self, alpn: &[u8]) -> DoorCaller {
        self.attacker(Role::Reader, "mallory", alpn)
    }

    fn writer(&self, alpn: &[u8]) -> DoorCaller {
        self.attacker(Role::Writer, "mallory", alpn)
    }
}

/// Runs an attack on the leader's door while valid clients work, and asserts the bounds.
pub(crate) async fn attacked(
    environment: &HostileEnvironment,
    name: &str,
    attack: impl AsyncFnOnce(&DoorVictim) -> Tally,
) -> Tally {
    let victim = DoorVictim::of(environment).await;
    let before = quiet(&victim).await;
    let bystander = DoorBystander::begin(&victim.certs, victim.address);
    let tally = environment.within(bounds(), name, attack(&victim)).await;
    let busy = bystander.end().await;
    // Other work on the machine may have begun meanwhile.
    let quiet = before.max(quiet(&victim).await);
    row(name, quiet, busy);
    let limit = bounds().times_max * quiet.max(bounds().quick);
    assert!(busy <= limit, "{name}: {busy:?} for a request over HTTP, {quiet:?} before and after");
    tally
}

/// Measures the valid client over HTTP without an attack.
async fn quiet(victim: &DoorVictim) -> Duration {
    let bystander = DoorBystander::begin(&victim.certs, victim.address);
    tokio::time::sleep(QUIET).await;
    bystander.end().await
}

#[expect(clippy::print_stdout, reason = "these tests exist for their figures")]
fn row(name: &str, quiet: Duration, busy: Duration) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{name}, a client over HTTP | {:.1} ms | {:.1} ms", ms(quiet), ms(busy));
}
