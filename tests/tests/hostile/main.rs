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
mod cases;
mod certificates;
mod clients;
mod datagrams;
mod floods;
mod forge;
mod forgery;
mod noise;
mod peers;
mod relay;
mod scene;
mod slow;
mod stranger;
mod tally;

use std::env;

use tokio::sync::Mutex;

use scene::Scene;

/// Pieces of each attack in the ordinary run.
const PIECES: u64 = 3_000;

/// Datagrams in the ordinary run; at length, a tenth of the pieces.
const DATAGRAMS: u64 = 10_000;

/// So many hold the door: twice as many as there is room for.
const HOLDERS: usize = 500;

/// One attack at a time, lest they disturb each other's figures.
static STAGE: Mutex<()> = Mutex::const_new(());

/// How many pieces to send.
fn pieces() -> u64 {
    env::var("COFFEE_HOSTILE").ok().and_then(|count| count.parse().ok()).unwrap_or(PIECES)
}

/// A number of connections: ten times as many at length.
fn scaled(count: usize) -> usize {
    if pieces() > PIECES { 10 * count } else { count }
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
    assert!(tally.of(peers::GIVEN_UP) > pieces() / 3 && tally.of("out of date") > 0, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_strangers() {
    let _alone = STAGE.lock().await;
    let scene = Scene::set().await;
    let count = (pieces() / 10).max(DATAGRAMS);
    let tally = scene.under("datagrams", datagrams::attack(&scene, count)).await;
    assert!(tally.of("version negotiation") > 0 && tally.of("stateless reset") > 0, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_nobody_should_believe() {
    let _alone = STAGE.lock().await;
    certificates::are_turned_away().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_connections() {
    let _alone = STAGE.lock().await;
    let scene = Scene::set().await;
    let tally = scene.under("strangers", floods::strangers(&scene, scaled(160))).await;
    assert_eq!(tally.of("alert 116"), tally.sent, "each is told why: {tally}");
    let tally = scene.under("visitors", floods::visitors(&scene, scaled(160))).await;
    assert_eq!(tally.of("let in"), tally.sent, "{tally}");
    let tally = scene.under("guests", floods::guests(&scene, scaled(160))).await;
    assert_eq!(tally.of("kept"), tally.sent, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_never_end() {
    let _alone = STAGE.lock().await;
    let scene = Scene::set().await;
    let tally = scene.under("slow streams", slow::streams(&scene, scaled(24))).await;
    assert_eq!(tally.of(peers::GIVEN_UP), tally.sent / 2, "peers have to say what they want: {tally}");
    let tally = scene.under("slow handshakes", slow::handshakes(&scene, HOLDERS)).await;
    // One may come in the very moment in which all the others knock.
    assert!(tally.of(slow::LET_IN) >= slow::NEWCOMERS * 3 / 4, "newcomers find the door open: {tally}");
    // Each of the others begins anew every three seconds.
    assert!(tally.sent < 4 * HOLDERS as u64, "newcomers do not wait in a queue: {tally}");
}
