//! Clients and peers that mean no good, against real daemons with real
//! certificates: they are turned away, and nobody else notices.
//!
//! A few thousand pieces in the ordinary run. At length, in release and alone:
//!
//! ```text
//! COFFEE_HOSTILE=1000000 cargo test --release -p coffee-tests --test hostile -- --nocapture
//! ```
//!
//! prints a table: attack, pieces sent, how they ended, the most that a daemon
//! grew by, and what 99 of 100 requests of a good client took at most, before
//! the attack and under it.

mod bystander;
mod clients;
mod forgery;
mod noise;
mod peers;
mod scene;
mod tally;

use std::env;

use tokio::sync::Mutex;

use scene::Scene;

/// Pieces of each attack in the ordinary run.
const PIECES: u64 = 3_000;

/// One attack at a time, lest they disturb each other's figures.
static STAGE: Mutex<()> = Mutex::const_new(());

/// How many pieces to send.
fn pieces() -> u64 {
    env::var("COFFEE_HOSTILE").ok().and_then(|count| count.parse().ok()).unwrap_or(PIECES)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_clients() {
    let _alone = STAGE.lock().await;
    let scene = Scene::set().await;
    let tally = scene.under("frames of clients", clients::attack(&scene, pieces())).await;
    assert!(tally.of("denied") > pieces() / 10 && tally.of("not the protocol") > pieces() / 10, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_peers() {
    let _alone = STAGE.lock().await;
    let scene = Scene::set().await;
    let tally = scene.under("frames of peers", peers::attack(&scene, pieces())).await;
    assert!(tally.of("given up") > pieces() / 3 && tally.of("out of date") > 0, "{tally}");
}
