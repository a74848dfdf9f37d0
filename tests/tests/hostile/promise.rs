//! The promise: no client, whatever its role, makes another's p99 more than three times what it was,
//! costs a node more than 64 MB, or costs the leader its office.
//!
//! Attackers of every role, each with a certificate of its own, leave half requests and unread
//! responses with the nodes, have keys with large values listed, send writes that no client may send,
//! and take all the connections that they get, all at once. The long form holds the promise to the
//! letter; the short form, against the leader alone, allows for a busy machine and a build without
//! optimisation.

use std::{path::Path, time::Duration};

use coffee_client::{CredentialFiles, Credentials, cert};
use coffee_common::{id::NodeName, limits::VALUE_BYTES_MAX, protocol::Role};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    budgets::{self, GreedyClient, LARGE, LARGE_VALUES},
    is_long,
    support::{
        cert_forger,
        environment::{AttackBounds, HostileEnvironment},
        tally::Tally,
    },
};

const ROLES: [Role; 3] = [Role::Reader, Role::Writer, Role::Admin];

/// Writes that may be in the log twice, of several hundred.
const RETRIES_MAX: u64 = 8;

/// How much one of the attackers may cost a node, in bytes: half of the promise, since there are several.
const GROWTH_PER_CLIENT_MAX: u64 = 32 << 20;

/// Name of the attackers.
const NAME: &str = "mallory";

pub(crate) async fn is_kept() {
    // In the short form the attackers, which share the machine, dial no more often than they must.
    let settings = if is_long() { "" } else { "[limits]\nconnections_per_client_max = 16\n" };
    let environment = HostileEnvironment::with(settings).await;
    let (quiet_s, quick_ms, times_max) = if is_long() { (5, 2, 3) } else { (1, 100, 5) };
    let bounds = AttackBounds {
        quiet: Duration::from_secs(quiet_s),
        quick: Duration::from_millis(quick_ms),
        times_max,
        retries_max: RETRIES_MAX,
        growth_bytes_max: ROLES.len() as u64 * GROWTH_PER_CLIENT_MAX,
    };
    write_large_values(&environment).await;
    let lasts = Duration::from_secs(if is_long() { 40 } else { 8 });
    let tally = environment.within(bounds, "every role at once", attack(&environment, lasts)).await;
    for end in ["half a request", "asked, not read", "lists", "denied", "connected", "refused"] {
        assert!(tally.of(end) > 0, "no {end}: {tally}");
    }
}

/// Writes more than the part of the log that each node keeps in memory for its followers.
pub(crate) async fn write_large_values(environment: &HostileEnvironment) {
    let client = environment.cluster.client(Role::Writer).with_timeout(Duration::from_secs(30));
    for n in 0..LARGE_VALUES {
        client.set(format!("{LARGE}{n}"), vec![n as u8; VALUE_BYTES_MAX]).await.expect("written");
    }
    client.close().await;
}

async fn attack(environment: &HostileEnvironment, lasts: Duration) -> Tally {
    let (stop, stopped) = watch::channel(false);
    let certs = environment.cluster.certs();
    let scale = if is_long() { 4 } else { 1 };
    let mut running = JoinSet::new();
    for role in ROLES {
        let credentials = certificate(&certs, role);
        let victims = environment.victims().await.into_iter();
        for victim in victims.take(if is_long() { 3 } else { 1 }) {
            let attacker =
                GreedyClient { credentials: credentials.clone(), victim, stop: stopped.clone(), scale };
            let shown = cert_forger::load(&certs, &format!("{}-{NAME}", role.as_str()));
            running.spawn(budgets::half_frames(attacker.clone()));
            running.spawn(budgets::unread_responses(attacker.clone(), shown));
            running.spawn(budgets::key_lists(attacker.clone()));
            running.spawn(budgets::large_writes(attacker.clone()));
            running.spawn(budgets::connections(attacker));
        }
    }
    sleep(lasts).await;
    stop.send_replace(true);
    Tally::gather(running).await
}

/// A certificate of an attacker, which is made for it.
pub(crate) fn certificate(certs: &Path, role: Role) -> Credentials {
    let name: NodeName = NAME.parse().expect("legal");
    cert::issue_client(certs, role, &name, cert::LEAF_DAYS, cert::Existing::Keep).expect("a certificate");
    let file = |ending| certs.join(format!("{}-{NAME}.{ending}", role.as_str()));
    let files = CredentialFiles::new(certs.join("ca.crt"), file("crt"), file("key"));
    Credentials::load(&files).expect("a good certificate")
}
