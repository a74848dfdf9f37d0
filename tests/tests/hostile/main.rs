//! Hostile clients and peers against real daemons with real certificates: they are
//! rejected, and other clients do not notice.
//!
//! The default run sends a few thousand pieces per attack. The long form, in release mode
//! and with nothing else running:
//!
//! ```text
//! COFFEE_HOSTILE=1000000 cargo test --release -p coffee-tests --test hostile -- --nocapture
//! ```
//!
//! Prints a table: attack, pieces sent, how they ended, the most that a daemon's memory
//! grew, and the p99 latency of a valid client before and during the attack.

mod budgets;
mod certificates;
mod clients;
mod datagrams;
mod door;
mod floods;
mod greedy_writer;
mod node_roles;
mod patience;
mod peers;
mod promise;
mod servers;
mod slow;
mod stranger_bytes;
mod stranger_places;
mod strangers;
mod support;
mod unread_writes;

use std::env;

use coffee_common::limits::{CONNECTIONS_PER_CLIENT_MAX, NODE_CONNECTIONS_MAX};
use tokio::sync::Mutex;

use support::environment::HostileEnvironment;

/// Pieces per attack in the default run.
const PIECES: u64 = 3_000;

/// Datagrams in the default run; a tenth of the pieces in the long form.
const DATAGRAMS: u64 = 10_000;

/// Concurrent handshakes: twice the maximum.
const HOLDERS: usize = 500;

/// One attack at a time, since they would disturb each other's figures.
static STAGE: Mutex<()> = Mutex::const_new(());

/// Number of pieces per attack.
fn pieces() -> u64 {
    env::var("COFFEE_HOSTILE").ok().and_then(|count| count.parse().ok()).unwrap_or(PIECES)
}

/// Whether this is the long form.
fn is_long() -> bool {
    pieces() > PIECES
}

/// Scales a number of connections: ten times as many in the long form.
fn scaled(count: usize) -> usize {
    if is_long() { 10 * count } else { count }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_clients() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::set().await;
    let tally = environment.under("frames of clients", clients::attack(&environment, pieces())).await;
    assert!(tally.of("denied") > pieces() / 10 && tally.of("not the protocol") > pieces() / 10, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_every_role_at_once() {
    let _alone = STAGE.lock().await;
    promise::is_kept().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_writes_all_it_can() {
    let _alone = STAGE.lock().await;
    greedy_writer::delays_no_others().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_reads_nothing() {
    let _alone = STAGE.lock().await;
    unread_writes::keep_no_others_out().await;
}

/// On one thread, since its clock stands still.
#[tokio::test]
async fn a_request_that_arrives_too_slowly() {
    let _alone = STAGE.lock().await;
    patience::ends_with_a_late_request().await;
}

#[tokio::test]
async fn a_backup_that_is_not_read() {
    let _alone = STAGE.lock().await;
    patience::ends_with_an_unread_backup().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_peers() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::set().await;
    let tally = environment.under("frames of peers", peers::attack(&environment, pieces())).await;
    assert!(tally.of(peers::GIVEN_UP) > pieces() / 3 && tally.of("out of date") > 0, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_not_members() {
    let _alone = STAGE.lock().await;
    strangers::change_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_frames_of_nodes_that_are_not_members() {
    let _alone = STAGE.lock().await;
    stranger_bytes::are_bounded().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_nodes_that_are_not_members() {
    let _alone = STAGE.lock().await;
    stranger_places::are_given_to_members().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_nodes() {
    let _alone = STAGE.lock().await;
    node_roles::do_not_make_admins().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_no_operator_wants() {
    let _alone = STAGE.lock().await;
    node_roles::admit_no_node().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_hostile_servers() {
    let _alone = STAGE.lock().await;
    servers::control_no_terminal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_out_of_bounds() {
    let _alone = STAGE.lock().await;
    strangers::members_cannot_exhaust_the_terms().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthenticated_datagrams() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::set().await;
    let count = (pieces() / 10).max(DATAGRAMS);
    let tally = environment.under("datagrams", datagrams::attack(&environment, count)).await;
    assert!(tally.of("version negotiation") > 0 && tally.of("stateless reset") > 0, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_certificates() {
    let _alone = STAGE.lock().await;
    certificates::are_rejected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_connections() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::set().await;
    let tally =
        environment.under("unauthenticated", floods::unauthenticated(&environment, scaled(160))).await;
    assert_eq!(tally.of("alert 116"), tally.sent, "each gets the reason: {tally}");
    let tally =
        environment.under("short-lived connections", floods::short_lived(&environment, scaled(160))).await;
    assert_eq!(tally.of("accepted"), tally.sent, "{tally}");
    let count = scaled(160).min(CONNECTIONS_PER_CLIENT_MAX);
    let tally = environment.under("idle connections", floods::idle(&environment, count)).await;
    assert_eq!(tally.of("kept"), tally.sent, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_never_end() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::set().await;
    // Half of them are the node's own, which may have no more.
    let connections = scaled(24).min(2 * NODE_CONNECTIONS_MAX - 8);
    let tally = environment.under("slow streams", slow::streams(&environment, connections)).await;
    assert_eq!(
        tally.of(peers::GIVEN_UP),
        tally.sent / 2,
        "peers must announce their purpose in time: {tally}"
    );
    let tally = environment.under("slow handshakes", slow::handshakes(&environment, HOLDERS)).await;
    // A newcomer may arrive at the moment when all attackers begin.
    assert!(tally.of(slow::ACCEPTED) >= slow::NEWCOMERS * 3 / 4, "newcomers are accepted: {tally}");
    // Each attacker's handshake is given up and restarted every three seconds.
    assert!(tally.sent < 4 * HOLDERS as u64, "newcomers wait in a queue: {tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_frames_over_http() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::over_http().await;
    let tally = door::attacked(&environment, "requests of HTTP/1.1", door::requests::mutated).await;
    assert!(tally.of("2xx") > tally.sent / 8 && tally.of("4xx") > tally.sent / 8, "{tally}");
    assert_eq!((tally.of("5xx"), tally.of("held")), (0, 0), "{tally}");
    let tally = door::attacked(&environment, "pipelined requests", door::requests::pipelined).await;
    assert_eq!(tally.of("2xx"), tally.sent, "{tally}");
    let tally = door::attacked(&environment, "frames of HTTP/2", door::frames::mutated).await;
    assert_eq!(tally.of("held"), 0, "{tally}");
    assert!(tally.of("goaway 1") > 0 && tally.of("goaway 6") > 0, "of the protocol and of sizes: {tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_over_http() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::over_http().await;
    let tally = door::attacked(&environment, "floods over HTTP", door::floods::of_all_kinds).await;
    for ended in ["rapid reset", "watches that are reset", "a head without an end", "empty pieces of a head"]
    {
        assert_eq!(tally.of(&format!("{ended}: borne")), 0, "{tally}");
    }
    let tally = door::attacked(&environment, "sockets without a handshake", door::places::silent).await;
    assert_eq!(tally.of("held"), 0, "{tally}");
    let tally = door::attacked(&environment, "idle connections over HTTP", door::places::idle).await;
    assert_eq!(tally.of("refused"), tally.sent / 17, "each client has no more than it may: {tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_over_http_that_never_end() {
    let _alone = STAGE.lock().await;
    let environment = HostileEnvironment::over_http().await;
    door::slow::write_large_value(&environment).await;
    let tally = door::attacked(&environment, "slow callers over HTTP", door::slow::of_all_kinds).await;
    let text = tally.to_string();
    assert!(!text.contains("held") && !text.contains("not accepted"), "{tally}");
}
