//! Good and bad configurations.

use super::*;

const MINIMAL: &str = r#"
name = "ming"
listen = "127.0.0.1:7400"
data_dir = "data"

[tls]
ca = "ca.crt"
cert = "/certs/node-ming.crt"
key = "/certs/node-ming.key"
"#;

fn parse(text: &str) -> Result<Settings, ConfigError> {
    Settings::parse(text, "/etc/coffeed.toml".as_ref())
}

/// Returns the error and the hint for a file.
fn refused(text: &str) -> (String, String) {
    let error = parse(text).and_then(Settings::resolve).expect_err("it is refused");
    (error.to_string(), error.hint().to_owned())
}

#[track_caller]
fn assert_refused(text: &str, problem: &str, hint: &str) {
    let (said, hinted) = refused(text);
    assert!(said.contains(problem), "{said:?} does not say {problem:?}");
    assert!(hinted.contains(hint), "{hinted:?} does not say {hint:?}");
}

#[test]
fn a_minimal_file_gets_the_defaults() {
    let config = parse(MINIMAL).and_then(Settings::resolve).expect("it is good");
    let tls = CredentialFiles::new("ca.crt", "/certs/node-ming.crt", "/certs/node-ming.key");
    let name = NodeName::new("ming").expect("legal");
    assert_eq!(config, Config::new(name, ([127, 0, 0, 1], 7400).into(), "data", tls));
}

#[test]
fn relative_paths_are_resolved_against_the_directory_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("coffeed.toml");
    std::fs::write(&path, MINIMAL).expect("written");
    let config = Settings::read(&path).and_then(Settings::resolve).expect("it is good");
    assert_eq!(config.data_dir, folder.path().join("data"));
    assert_eq!(config.tls.ca, folder.path().join("ca.crt"));
    assert_eq!(config.tls.cert, PathBuf::from("/certs/node-ming.crt"));
}

#[test]
fn an_unknown_setting_is_refused_where_it_stands() {
    assert_refused(
        &MINIMAL.replace("data_dir", "data-dir"),
        "/etc/coffeed.toml:4:1: unknown setting data-dir",
        "did you mean data_dir?",
    );
    assert_refused(
        &format!("{MINIMAL}\n[timers]\n  heartbeat_ms = 5\n"),
        "/etc/coffeed.toml:12:3: unknown setting heartbeat_ms",
        "known here: heartbeat_interval_ms, election_timeout_min_ms, election_timeout_max_ms",
    );
    assert_refused(&format!("{MINIMAL}\n[logs]\n"), "coffeed.toml:11:2: unknown setting logs", "mean log?");
}

#[test]
fn a_bad_value_is_refused_where_it_stands() {
    let at = |from: &str, to: &str, problem: &str| assert_refused(&MINIMAL.replace(from, to), problem, "");
    at("\"ming\"", "\"Ming\"", "/etc/coffeed.toml:2:8: \"Ming\" is not a valid name: use 1 to 63 of a-z");
    at("\"ming\"", "7", "/etc/coffeed.toml:2:8: invalid type: integer `7`");
    at("127.0.0.1:7400", "127.0.0.1", "/etc/coffeed.toml:3:10: invalid socket address");
    at("\"ming\"", "\"ming", "/etc/coffeed.toml:2:");
    assert_refused(&format!("{MINIMAL}\n[log]\nlevel = \"loud\""), ":12:9: unknown variant `loud`", "");
    assert_refused(&format!("{MINIMAL}\n[timers]\nheartbeat_interval_ms = -1"), ":12:25: ", "");
}

#[test]
fn a_setting_without_a_default_is_required() {
    assert_refused(
        "",
        "the setting name is missing",
        "set name in the configuration file, --name or COFFEED_NAME",
    );
    assert_refused(
        &MINIMAL.replace("key =", "# key ="),
        "the setting tls.key is missing",
        "set tls.key in the configuration file, --tls-key or COFFEED_TLS_KEY",
    );
}

#[test]
fn settings_have_to_go_together() {
    let with = |more: &str| more.to_owned() + MINIMAL;
    let timers = |lines: &str| format!("{MINIMAL}\n[timers]\n{lines}");
    assert_refused(&with("bootstrap = true\n"), "unknown setting bootstrap", "coffeectl init");
    assert_refused(&MINIMAL.replace("127.0.0.1", "0.0.0.0"), "advertise is missing", "HOST:PORT");
    assert_refused(&MINIMAL.replace("\"data\"", "\"\""), "data_dir is empty", "directory");
    assert_refused(&timers("heartbeat_interval_ms = 0"), "timers.heartbeat_interval_ms is 0", "150");
    assert_refused(&timers("heartbeat_interval_ms = 200"), "election_timeout_min_ms is 200", "vote");
    assert_refused(
        &timers("heartbeat_interval_ms = 151"),
        "election_timeout_max_ms is 450",
        "at least 3 times",
    );
    assert_refused(&timers("election_timeout_max_ms = 200"), "election_timeout_max_ms is 200", "random time");
    assert_refused(&timers("election_timeout_max_ms = 900000"), "more than 600000", "milliseconds");
    let limits = |line: &str| format!("{MINIMAL}[limits]\n{line}");
    assert_refused(&limits("connections_max = 100"), "limits.connections_max is 100", "from 128 to 65536");
    assert_refused(
        &limits("data_bytes_max = 5"),
        "data_bytes_max is a setting of the cluster",
        "settings set",
    );
    assert_refused(&limits("write_bytes_in_flight_max = 1"), "in_flight_max is 1", "from 4194304 to");
    assert_refused(&format!("{MINIMAL}[storage]\nlog_keep_bytes = 5"), "log_keep_bytes is 5", "67108864");
    for bytes in [0, (1 << 20) - 1, (1 << 30) + 1] {
        let text = format!("{MINIMAL}[storage]\nflush_bytes = {bytes}");
        assert_refused(&text, &format!("flush_bytes is {bytes}"), "from 1048576 to 1073741824");
    }
    assert_refused(&format!("{MINIMAL}[storage]\nsnapshot_every_entries = 0"), "entries is 0", "100000");
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Settings::read(&folder.path().join("missing.toml")).expect_err("it is not there");
    assert!(missing.to_string().ends_with("missing.toml: there is no such file"), "{missing}");
    let binary = folder.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe, 0]).expect("written");
    assert!(Settings::read(&binary).expect_err("no text").to_string().contains("not valid UTF-8"));
    assert!(Settings::read(folder.path()).expect_err("a folder").to_string().contains("cannot be read"));
}

#[test]
fn one_source_is_laid_over_another() {
    let above = parse("name = 'hong'\n[timers]\nheartbeat_interval_ms = 20").expect("good");
    let below = parse(&format!("{MINIMAL}\n[timers]\nelection_timeout_max_ms = 400")).expect("good");
    let config = above.over(below).resolve().expect("good");
    assert_eq!(config.name.as_str(), "hong");
    assert_eq!(config.timers.heartbeat_interval_ms, 20);
    assert_eq!(config.timers.election_timeout_max_ms, 400);
    assert_eq!(config.listen, ([127, 0, 0, 1], 7400).into());
}

#[test]
fn the_example_in_deploy_shows_every_setting_with_its_default() {
    let example = include_str!("../../../deploy/coffeed.toml");
    let shown = parse(example).and_then(Settings::resolve).expect("the example is good");
    // A setting that is commented out has no blank after its '#'.
    let bare = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    let everything: String = example.lines().map(bare).collect();
    let mut with_defaults = shown.clone();
    // The default depends on the memory: this is that of the unit, with MemoryHigh=1G.
    with_defaults.storage.flush_bytes = Some(64 << 20);
    // Off, with the line that switches it on.
    with_defaults.http.listen = Some(([0, 0, 0, 0], 7443).into());
    assert_eq!(
        parse(&everything).and_then(Settings::resolve),
        Ok(with_defaults.clone()),
        "the example shows the actual defaults"
    );
    let written = toml::Table::try_from(&with_defaults).expect("it serializes");
    let named = everything.parse::<toml::Table>().expect("it is TOML");
    let names = |table: &toml::Table| -> Vec<String> {
        let below = |(name, value): (&String, &toml::Value)| match value.as_table() {
            Some(table) => table.keys().map(|key| format!("{name}.{key}")).collect(),
            None => vec![name.clone()],
        };
        table.iter().flat_map(below).collect()
    };
    assert_eq!(names(&named), names(&written), "every setting is there");
}
