//! Bad configurations, and good ones shown.

use crate::shop::{CONFIG, Shop};

#[test]
fn an_unknown_setting_is_refused_with_its_place() {
    let shop = Shop::new();
    shop.configure(&CONFIG.replace("data_dir", "datadir"));
    shop.refuses(&[], 2, "coffeed.toml:4:1: unknown setting datadir", "did you mean data_dir?");
}

#[test]
fn a_bad_value_is_refused_with_its_place() {
    let shop = Shop::new();
    shop.configure(&CONFIG.replace("127.0.0.1:0", "localhost"));
    shop.refuses(&[], 2, "coffeed.toml:3:10: invalid socket address", "deploy/coffeed.toml");
    shop.configure(&format!("{CONFIG}\n[timers]\nheartbeat_interval_ms = 500\n"));
    shop.refuses(&[], 2, "timers.election_timeout_min_ms is 200", "more than 2 times the heartbeat interval");
}

#[test]
fn a_bad_flag_or_variable_is_refused() {
    let shop = Shop::new();
    shop.refuses(&["--nane", "hong"], 2, "unexpected argument '--nane'", "'--name'");
    shop.refuses(
        &["--log-level", "loud"],
        2,
        "use error, warn, info, debug or trace",
        "'coffeed --help' says more",
    );
    let ended = shop.coffeed_with(&[], &[("COFFEED_BOOTSTRAP", "perhaps")]);
    ended.assert_failed(2, "invalid value 'perhaps' for '--bootstrap", "'coffeed --help' says more");
}

#[test]
fn a_missing_file_or_setting_is_refused() {
    let shop = Shop::new();
    shop.configure("");
    shop.refuses(&[], 2, "the setting name is missing", "--name or COFFEED_NAME");
    std::fs::remove_file(shop.file("coffeed.toml")).expect("removed");
    shop.refuses(&[], 2, "coffeed.toml: there is no such file", "--config FILE");
}

#[test]
fn a_flag_comes_before_a_variable_and_that_before_the_file() {
    let shop = Shop::new();
    let shown = |words: &[&str], variables: &[(&str, &str)]| {
        let ended = shop.coffeed_with(&[&["--check-config"], words].concat(), variables);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        ended.stdout
    };
    assert!(shown(&[], &[]).contains("listen = \"127.0.0.1:0\""));
    let variable = ("COFFEED_LISTEN", "127.0.0.2:1");
    assert!(shown(&[], &[variable]).contains("listen = \"127.0.0.2:1\""));
    assert!(shown(&["--listen", "127.0.0.3:2"], &[variable]).contains("listen = \"127.0.0.3:2\""));
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let shop = Shop::new();
    let first = shop.coffeed(&["--check-config", "--join", "10.0.0.1:7400,10.0.0.2:7400"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    shop.configure(&first.stdout);
    let second = shop.coffeed(&["--check-config"]);
    assert_eq!(second.stdout, first.stdout);
    assert!(!shop.file("data").exists(), "checking begins nothing");
}

#[test]
fn an_error_is_a_line_of_json_where_the_log_is() {
    let shop = Shop::new();
    let ended = shop.coffeed(&["--log-format", "json", "--timers-election-timeout-max-ms", "1"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let [line] = ended.stderr.lines().collect::<Vec<_>>()[..] else { panic!("one line: {}", ended.stderr) };
    assert!(
        line.starts_with('{') && line.contains("\"level\":\"ERROR\"") && line.contains("\"hint\":\""),
        "{line}"
    );
}
