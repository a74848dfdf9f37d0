//! The five shops as instances of `coffeed@.service` on one machine.

use std::time::Duration;

use coffee_client::{Address, Client, CredentialFiles, Credentials};
use coffee_tests::cluster::SHOPS;
use tokio::time::Instant;

use super::inside::Machine;

const PORT: usize = 7401;

fn address(n: usize) -> String {
    format!("127.0.0.1:{}", PORT + n)
}

/// Addresses of the shops.
pub(crate) fn endpoints() -> String {
    (0..SHOPS.len()).map(address).collect::<Vec<_>>().join(",")
}

pub(crate) fn unit(shop: &str) -> String {
    format!("coffeed@{shop}")
}

/// All units, as arguments for `systemctl`.
pub(crate) fn units() -> String {
    SHOPS.map(unit).join(" ")
}

/// Creates certificates and configurations as documented.
pub(crate) async fn furnish(machine: &Machine) {
    machine.sh("coffeectl cert ca && coffeectl cert client admin ops").await;
    machine.sh("install -m 0644 /srv/certs/ca.crt /etc/coffeed/certs/").await;
    for (n, shop) in SHOPS.iter().enumerate() {
        machine.sh(&format!("coffeectl cert node {shop}")).await;
        machine
            .sh(&format!(
                "install -o coffeed -g coffeed -m 0600 /srv/certs/node-{shop}.crt /srv/certs/node-{shop}.key \
                 /etc/coffeed/certs/"
            ))
            .await;
        let begins = if n == 0 { String::new() } else { format!("join = [\"{}\"]", address(0)) };
        let listen = address(n);
        let config = format!(
            "name = \"{shop}\"\nlisten = \"{listen}\"\ndata_dir = \"/var/lib/coffeed@{shop}\"\n{begins}\n\
             [tls]\nca = \"certs/ca.crt\"\ncert = \"certs/node-{shop}.crt\"\nkey = \"certs/node-{shop}.key\"\n\
             [timers]\nheartbeat_interval_ms = 100\nelection_timeout_min_ms = 500\nelection_timeout_max_ms = 1000\n"
        );
        machine.sh(&format!("cat > /etc/coffeed/{shop}.toml <<'END'\n{config}END")).await;
    }
}

/// Starts all, and waits until each votes.
pub(crate) async fn open(machine: &Machine) {
    machine.sh(&format!("systemctl start {}", unit(SHOPS[0]))).await;
    machine.sh(&format!("coffeectl init {} --endpoints {}", SHOPS[0], address(0))).await;
    machine.sh(&format!("systemctl start {}", units())).await;
    for shop in &SHOPS[1..] {
        machine.sh(&format!("coffeectl boot {shop}")).await;
    }
}

/// A client outside the machine.
pub(crate) fn client(machine: &Machine) -> Client {
    let file = |name: &str| machine.disk().join("srv/certs").join(name);
    let files = CredentialFiles::new(file("ca.crt"), file("admin-ops.crt"), file("admin-ops.key"));
    let addresses = (0..SHOPS.len()).map(|n| address(n).parse::<Address>().expect("legal"));
    let builder =
        Client::builder().endpoints(addresses).credentials(Credentials::load(&files).expect("credentials"));
    builder.build().expect("a client").with_timeout(Duration::from_secs(10))
}

/// Stops a shop; returns how long that took.
pub(crate) async fn stop(machine: &Machine, shop: &str) -> Duration {
    let began = Instant::now();
    machine.sh(&format!("systemctl stop {}", unit(shop))).await;
    let took = began.elapsed();
    assert_eq!(machine.property(&unit(shop), "Result").await, "success");
    assert!(took < Duration::from_secs(10), "{shop} takes {took:?} to stop");
    took
}

/// Sends a shop a signal, and waits until systemd has started another process for it.
pub(crate) async fn is_replaced_after(machine: &Machine, shop: &str, signal: &str) {
    let unit = unit(shop);
    let before = machine.property(&unit, "MainPID").await;
    machine.sh(&format!("kill -{signal} {before}")).await;
    machine.property_is(&unit, "MainPID", |pid| pid != before && pid != "0").await;
    machine.property_is(&unit, "ActiveState", |state| state == "active").await;
}

/// Waits until all shops are synced.
pub(crate) async fn are_synced(machine: &Machine) {
    machine.sh("coffeectl wait --for synced --timeout 60s").await;
}
