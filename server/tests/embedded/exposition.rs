//! A strict parser of Prometheus' text format (version 0.0.4) that also checks the
//! metrics against the naming conventions.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

/// The samples of a text.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// By name and labels.
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Exposition {
    /// Parses a text. Panics if it breaks a rule.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends too");
        let mut samples = BTreeMap::new();
        let mut kinds: BTreeMap<String, String> = BTreeMap::new();
        let mut family = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a name and a help");
                assert!(help.ends_with('.'), "{name}: a help is a sentence: {help}");
                let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
                let kind = kind.unwrap_or_else(|| panic!("{name}: a type follows the help"));
                assert_conventional(name, kind);
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
                family = name.to_owned();
                continue;
            }
            let (name, labels, value) = sample(line);
            let plain = match kinds[&family].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)),
                _ => Some(name.as_str()),
            };
            assert_eq!(plain, Some(family.as_str()), "{line}: every sample follows its own type");
            assert!(samples.insert((name, labels), value).is_none(), "{line}: comes twice");
        }
        let exposition = Self { samples };
        for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            exposition.assert_histograms(name);
        }
        exposition
    }

    /// The only sample with this name and these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let value = self.samples.get(&(name.to_owned(), labels));
        *value.unwrap_or_else(|| panic!("no {name} with these labels: {:#?}", self.samples))
    }

    /// Buckets ascend, end with +Inf, and agree with the count.
    fn assert_histograms(&self, name: &str) {
        let bucket = format!("{name}_bucket");
        let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        for ((found, labels), count) in &self.samples {
            if *found == bucket {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bucket has a bound");
                series.entry(labels).or_default().push((number(&bound), *count));
            }
        }
        for (labels, mut buckets) in series {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}: {buckets:?}");
            let (last, all) = buckets[buckets.len() - 1];
            assert_eq!(last, f64::INFINITY, "{name}");
            let of = |end: &str| self.samples[&(format!("{name}{end}"), labels.clone())];
            assert_eq!(of("_count"), all, "{name}");
            assert!(of("_sum") >= 0.0, "{name}");
        }
    }
}

/// Checks the naming rules of <https://prometheus.io/docs/practices/naming/>.
fn assert_conventional(name: &str, kind: &str) {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.chars().all(legal), "{name}");
    assert!(name.starts_with("coffeed_") || name.starts_with("process_"), "{name}: unknown prefix");
    assert!(["counter", "gauge", "histogram"].contains(&kind), "{name}: {kind}");
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name}: counters end with _total");
    let parts: BTreeSet<&str> = name.split('_').collect();
    for unit in ["ms", "milliseconds", "nanoseconds", "mib", "kib", "megabytes", "days", "percent"] {
        assert!(!parts.contains(unit), "{name}: base units are seconds, bytes and ratios");
    }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        finite => finite.parse().unwrap_or_else(|_| panic!("{text:?} is not a number")),
    }
}

/// `name{label="value",...} number`
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    assert!(!name.is_empty(), "{line:?} is not a sample");
    let mut rest = &line[name.len()..];
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}: no label"));
            let (value, after) = quoted(value);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}: a label twice");
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line}: no end of labels"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}: no value"));
    (name, labels, number(value))
}

/// Returns the unescaped text before the closing quote, and the rest.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('"' | '\\'))) => c,
                other => panic!("{text}: {other:?} is not an escape"),
            }),
            c => value.push(c),
        }
    }
    panic!("{text}: no closing quote")
}

/// Runs promtool's check, if it is installed.
pub(crate) fn assert_promtool_agrees(text: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Ok(promtool) => promtool,
        #[expect(clippy::print_stderr, reason = "the result must show what was not tested")]
        Err(error) => return eprintln!("skipped: promtool does not run here ({error})"),
    };
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}");
}

#[test]
fn a_text_is_parsed() {
    let text = "# HELP coffeed_a_total How many.\n# TYPE coffeed_a_total counter\n\
        coffeed_a_total{b=\"c\\\"d\",e=\"\"} 7\ncoffeed_a_total{b=\"x\"} 0.5\n";
    let shown = Exposition::parse(text);
    assert_eq!(shown.value("coffeed_a_total", &[("b", "c\"d"), ("e", "")]), 7.0);
    assert_eq!(shown.value("coffeed_a_total", &[("b", "x")]), 0.5);
}

#[test]
fn what_breaks_a_rule_is_found() {
    for broken in [
        "# HELP coffeed_a How many.\n# TYPE coffeed_a counter\ncoffeed_a 1\n",
        "# HELP coffeed_a_ms How long.\n# TYPE coffeed_a_ms gauge\ncoffeed_a_ms 1\n",
        "# HELP coffeed_a How many.\n# TYPE coffeed_a gauge\ncoffeed_b 1\n",
        "# HELP coffeed_a How many.\n# TYPE coffeed_a gauge\ncoffeed_a 1\ncoffeed_a 2\n",
        "# HELP coffeed_a How many.\n# TYPE coffeed_a gauge\ncoffeed_a{b=\"c} 1\n",
        "# HELP coffeed_a How many.\n# TYPE coffeed_a histogram\n\
            coffeed_a_bucket{le=\"1\"} 2\ncoffeed_a_bucket{le=\"+Inf\"} 1\ncoffeed_a_sum 1\ncoffeed_a_count 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| Exposition::parse(broken)).is_err(), "{broken}");
    }
}
