//! Scheduled backups: the script and the units of `deploy/`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use coffee_tests::{cluster::Cluster, processes};

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

/// Runs the script for a cluster, as the service does.
async fn night(cluster: &Cluster, folder: &Path, keep: &str) -> Output {
    let endpoints: Vec<String> = cluster.addresses().iter().map(ToString::to_string).collect();
    let mut command = tokio::process::Command::new(deploy("coffeed-backup.sh"));
    command
        .env("COFFEECTL", processes::path("coffeectl"))
        .env("COFFEECTL_CERTS", cluster.certs())
        .env("COFFEECTL_AS", "backup-test")
        .env("COFFEECTL_ENDPOINTS", endpoints.join(","))
        .env("BACKUP_DIR", folder)
        .env("BACKUP_KEEP", keep);
    command.output().await.expect("it runs")
}

fn names(folder: &Path) -> Vec<String> {
    let name = |file: std::io::Result<fs::DirEntry>| file.expect("a file").file_name();
    let names = fs::read_dir(folder).expect("a folder").map(name);
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_night_takes_a_backup_and_keeps_the_last_ones() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let folder = cluster.folder().join("nightly backups");
    fs::create_dir(&folder).expect("a folder");
    let old = ["coffeed-20200101T000000Z.backup", "coffeed-20200102T000000Z.backup", "notes"];
    for name in old {
        fs::write(folder.join(name), name).expect("writable");
    }
    let night_went = night(&cluster, &folder, "2").await;
    assert!(night_went.status.success(), "{}", String::from_utf8_lossy(&night_went.stderr));
    let kept = names(&folder);
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert_eq!(
        (kept[0].as_str(), kept[2].as_str()),
        (old[1], old[2]),
        "the oldest backup went, and nothing else"
    );
    let newest = folder.join(&kept[1]).display().to_string();
    assert_eq!(cluster.json(["backup", "verify", &newest]).await["keys"], 1);

    // Without a reachable cluster no backup is deleted.
    cluster.node("ming").kill().await;
    let other = cluster.folder().join("other");
    fs::create_dir(&other).expect("a folder");
    old.iter().for_each(|name| fs::write(other.join(name), name).expect("writable"));
    let failed = night(&cluster, &other, "1").await;
    assert_eq!(failed.status.code(), Some(5), "{}", String::from_utf8_lossy(&failed.stderr));
    assert_eq!(names(&other), old);
    assert_eq!(night(&cluster, &folder, "none").await.status.code(), Some(2));
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().expect("a folder");
    for unit in ["coffeed-backup.service", "coffeed-backup.timer"] {
        let text = fs::read_to_string(deploy(unit)).expect("readable");
        let script = deploy("coffeed-backup.sh").canonicalize().expect("the script is there");
        let text = text.replace("/usr/lib/coffeed/coffeed-backup.sh", script.to_str().expect("text"));
        fs::write(folder.path().join(unit), text).expect("writable");
    }
    let units = ["coffeed-backup.service", "coffeed-backup.timer"].map(|unit| folder.path().join(unit));
    match Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("coffeed-backup")).collect();
            assert!(output.status.success() && ours.is_empty(), "{said}");
        }
        Err(error) => println!("skipped: systemd-analyze cannot be run: {error}"),
    }
}
