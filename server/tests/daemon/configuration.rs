//! Bad configurations, and the output of good ones.

use std::fs;

use coffee_common::{
    feature_level::{LEVEL_MAX, LEVEL_MIN},
    id::{ClusterId, NodeId, NodeName},
};
use coffeed::{
    node::VERSION,
    storage::disk::{DataDir, NodeIdentity},
};

use crate::fixture::{CONFIG, DaemonFixture};

#[test]
fn an_unknown_setting_is_refused_with_its_place() {
    let fixture = DaemonFixture::new();
    fixture.configure(&CONFIG.replace("data_dir", "datadir"));
    fixture.refuses(&[], 2, "coffeed.toml:4:1: unknown setting datadir", "did you mean data_dir?");
}

#[test]
fn a_bad_value_is_refused_with_its_place() {
    let fixture = DaemonFixture::new();
    fixture.configure(&CONFIG.replace("127.0.0.1:0", "localhost"));
    fixture.refuses(&[], 2, "coffeed.toml:3:10: invalid socket address", "deploy/coffeed.toml");
    fixture.configure(&format!("{CONFIG}\n[timers]\nheartbeat_interval_ms = 500\n"));
    fixture.refuses(
        &[],
        2,
        "timers.election_timeout_min_ms is 200",
        "a response to a vote needs as much time",
    );
}

#[test]
fn a_bad_flag_or_variable_is_refused() {
    let fixture = DaemonFixture::new();
    fixture.refuses(&["--nane", "hong"], 2, "unexpected argument '--nane'", "'--name'");
    fixture.refuses(
        &["--log-level", "loud"],
        2,
        "use error, warn, info, debug or trace",
        "'coffeed --help' explains the options",
    );
    let ended = fixture.coffeed_with(&[], &[("COFFEED_BOOTSTRAP", "perhaps")]);
    ended.assert_failed(2, "COFFEED_BOOTSTRAP is not a setting", "coffeectl init");
}

#[test]
fn a_missing_file_or_setting_is_refused() {
    let fixture = DaemonFixture::new();
    fixture.configure("");
    fixture.refuses(&[], 2, "the setting name is missing", "--name or COFFEED_NAME");
    fs::remove_file(fixture.file("coffeed.toml")).expect("removed");
    fixture.refuses(&[], 2, "coffeed.toml: there is no such file", "--config FILE");
}

#[test]
fn a_flag_comes_before_a_variable_and_that_before_the_file() {
    let fixture = DaemonFixture::new();
    let shown = |words: &[&str], variables: &[(&str, &str)]| {
        let ended = fixture.coffeed_with(&[&["--check-config"], words].concat(), variables);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        ended.stdout
    };
    assert!(shown(&[], &[]).contains("listen = \"127.0.0.1:0\""));
    let variable = ("COFFEED_LISTEN", "127.0.0.2:1");
    assert!(shown(&[], &[variable]).contains("listen = \"127.0.0.2:1\""));
    assert!(shown(&["--listen", "127.0.0.3:2"], &[variable]).contains("listen = \"127.0.0.3:2\""));
}

#[test]
fn the_output_is_a_valid_configuration() {
    let fixture = DaemonFixture::new();
    let first = fixture.coffeed(&["--check-config", "--join", "10.0.0.1:7400,10.0.0.2:7400"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    fixture.configure(&first.stdout);
    let second = fixture.coffeed(&["--check-config"]);
    assert_eq!(second.stdout, first.stdout);
    assert!(!fixture.file("data").exists(), "a check creates nothing");
}

#[test]
fn a_check_tells_the_version_of_the_data_and_refuses_a_newer_one() {
    let fixture = DaemonFixture::new();
    let check = || fixture.coffeed(&["--check-config"]);
    let first = check().stdout;
    let levels =
        if LEVEL_MIN == LEVEL_MAX { "level 1".to_owned() } else { format!("levels 1 to {LEVEL_MAX}") };
    assert!(
        first.starts_with(&format!("# coffeed {VERSION}: feature {levels}\n# formats: data directory ")),
        "{first}"
    );
    assert!(first.contains("\n# data: no data\n\nname = "), "{first}");

    let name: NodeName = "ming".parse().expect("legal");
    let mut data = DataDir::open(&fixture.file("data"), &name).expect("a new directory");
    data.adopt(NodeIdentity::joining(ClusterId(7), NodeId(3), name, Vec::new())).expect("it is written");
    let told = check();
    assert!(told.stdout.contains("\n# data: feature level 1\n"), "while it is in use: {told:?}");

    let identity = fixture.file("data").join("identity.toml");
    let text = fs::read_to_string(&identity).expect("it has an identity");
    let newer = LEVEL_MAX.next();
    fs::write(&identity, text.replace("level = 1", &format!("level = {newer}"))).expect("it is written");
    let error =
        format!("written by a newer version of coffeed (level {newer}; this build knows {LEVEL_MAX})");
    check().assert_failed(2, &error, "install the version of coffeed that wrote it");
}

#[test]
fn an_error_is_a_line_of_json_if_the_log_is() {
    let fixture = DaemonFixture::new();
    let ended = fixture.coffeed(&["--log-format", "json", "--timers-election-timeout-max-ms", "1"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let [line] = ended.stderr.lines().collect::<Vec<_>>()[..] else { panic!("one line: {}", ended.stderr) };
    assert!(
        line.starts_with('{') && line.contains("\"level\":\"ERROR\"") && line.contains("\"hint\":\""),
        "{line}"
    );
}
