//! The description of the HTTP door, `GET /v1/openapi.json`, in the hands of a program that derives requests
//! from it, good ones and bad ones: the node does as it says.

use std::{process::Stdio, time::Duration};

use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;
use tokio::{process::Command, time::timeout};

/// How long each role sends requests.
const SECONDS: &str = "15";

const PATIENCE: Duration = Duration::from_secs(120);

/// Three roles at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_as_its_description_says_to_each_role() {
    let mut version = Command::new("schemathesis");
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().await.is_ok_and(|status| status.success()) {
        println!("skipped: schemathesis over HTTP: not installed (pip install schemathesis)");
        return;
    }
    let cluster = Cluster::of(1).over_http().start().await;
    let runs = [Role::Reader, Role::Writer, Role::Admin].map(|role| run(&cluster, role));
    for (role, succeeded, shown) in futures_util::future::join_all(runs).await {
        assert!(succeeded, "{role:?}:\n{shown}");
        assert!(shown.contains("generated"), "{role:?}: requests are made:\n{shown}");
    }
}

/// Runs it as a client of this role. Returns whether it found nothing, and its output.
async fn run(cluster: &Cluster, role: Role) -> (Role, bool, String) {
    let file = |ending| cluster.certs().join(format!("{}-test.{ending}", role.as_str()));
    let folder = cluster.folder().join(format!("schemathesis-{}", role.as_str()));
    std::fs::create_dir(&folder).expect("a folder");
    let mut command = Command::new("schemathesis");
    command
        .args(["run", "--no-color", "--max-time", SECONDS, "--seed", "1", "--request-timeout", "15"])
        .args(["--generation-database", "none", "--continue-on-failure"])
        // Whether a good request is accepted depends on more than the description: 410, 412.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .arg("--tls-verify")
        .arg(cluster.certs().join("ca.crt"))
        .arg("--request-cert")
        .arg(file("crt"))
        .arg("--request-cert-key")
        .arg(file("key"))
        .arg(format!("https://{}/v1/openapi.json", cluster.watched()[0].http()))
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("its output is ours");
    let shown = [output.stdout, output.stderr].concat();
    (role, output.status.success(), String::from_utf8_lossy(&shown).into_owned())
}
