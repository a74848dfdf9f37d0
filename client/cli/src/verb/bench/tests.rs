//! The report and the verdict, from what was measured.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::bench::{ErrorCount, Failed, Target};

use super::*;
use crate::{
    args,
    printer::{Format, tests::printed},
    verb::CtlVerb,
};

/// A store that answers at once with a fixed result.
#[derive(Clone)]
struct FixedTarget(Result<(), Failed>);

impl Target for FixedTarget {
    async fn put(&self, _: String, _: bytes::Bytes) -> Result<(), Failed> {
        tokio::task::yield_now().await;
        self.0.clone()
    }
    async fn get(&self, _: String) -> Result<(), Failed> {
        self.0.clone()
    }
}

fn arguments(words: &str) -> BenchArguments {
    let words: Vec<String> = format!("bench {words}").split_whitespace().map(str::to_owned).collect();
    match args::line(&words).map(|line| line.verb) {
        Ok(args::LineVerb::Verb(CtlVerb::Bench(arguments))) => arguments,
        other => panic!("{other:?}"),
    }
}

/// Measures a store with this result.
async fn measured(result: Result<(), Failed>) -> Measured {
    let arguments = arguments("put --clients 1 --keys 1 --warm-up 0");
    let plan = Plan { duration: Duration::from_millis(20), ..plan(Work::Put, &arguments).unwrap() };
    Run::start(&plan, &[FixedTarget(result)]).finish().await
}

#[tokio::test]
async fn a_good_cluster_passes() {
    let measured = measured(Ok(())).await;
    let arguments = arguments("put --min-rate 1 --max-p99 10s --max-gap 10s");
    let verdict = BenchVerdict::new(&measured, &Needs::new(&arguments));
    assert!(verdict.passed(), "{verdict:?}");
    let plan = plan(Work::Put, &arguments).unwrap();
    let setting = BenchSetting::new(&plan, &arguments);
    let outcome = BenchReport::new(&setting, &measured, &verdict, true);
    let table = printed(Format::Table, &outcome);
    assert!(table.starts_with("OPERATION "), "{table}");
    let last = table.lines().last().unwrap();
    assert_eq!(last, "PASS", "{table}");
    // Column widths depend on the measured rate.
    let has_row = |words: [&str; 4]| table.lines().any(|line| line.split_whitespace().eq(words));
    assert!(has_row(["CHECK", "MEASURED", "NEEDED", "RESULT"]), "{table}");
    assert!(has_row(["errors", "0", "0", "PASS"]), "{table}");
    assert!(table.contains("  <= 10000 ms  PASS\n"), "{table}");
    assert!(table.lines().all(|line| line.len() <= 80), "{table}");
    assert!(printed(Format::Plain, &outcome).ends_with("\nPASS\n"));
    let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, &outcome)).unwrap();
    assert_eq!((&json["passed"], &json["work"]), (&true.into(), &"put".into()), "{json}");
    assert_eq!(verdict.into_result(), Ok(ExitCode::Done));
}

#[tokio::test]
async fn what_stands_against_a_cluster_is_said() {
    let failed = Failed { kind: "unavailable", text: "no\nleader".into() };
    let measured = measured(Err(failed)).await;
    let arguments = arguments("put --max-gap 1ms");
    let verdict = BenchVerdict::new(&measured, &Needs::new(&arguments));
    let plan = plan(Work::Put, &arguments).unwrap();
    let setting = BenchSetting::new(&plan, &arguments);
    let table = printed(Format::Table, &BenchReport::new(&setting, &measured, &verdict, true));
    let last = table.lines().last().unwrap();
    assert_eq!(last, "FAIL: errors, rate, p99, gap", "{table}");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |row: &str| rows.contains(&row.split_whitespace().collect());
    assert!(has("rate 0/s >= 100/s FAIL"), "{table}");
    assert!(has("p99 - <= 500 ms FAIL"), "{table}");
    assert!(has("gap 20.0 ms <= 1.00 ms FAIL"), "{table}");
    assert!(table.contains(" failed, unavailable; the first: no\\nleader\n"), "{table}");
    let failure = verdict.into_result().unwrap_err();
    assert_eq!(failure.code(), ExitCode::Failed);
    assert_eq!(failure.message(), "the cluster failed the bench: errors, rate, p99, gap");
    assert_eq!(failure.hints().len(), 3, "rate and p99 share one: {failure:?}");
}

#[test]
fn keeping_up_is_enough_at_a_given_rate() {
    let rate = |words| Needs::new(&arguments(words)).rate;
    assert_eq!(
        (rate("put"), rate("put --rate 5000"), rate("get --rate 5000 --min-rate 7")),
        (100.0, 4500.0, 7.0)
    );
}

#[test]
fn what_never_began_is_told() {
    let errors = BTreeMap::from([("denied", ErrorCount { count: 3, first: "no".into() })]);
    let measured = Measured {
        duration: Duration::from_secs(1),
        times: BTreeMap::new(),
        errors,
        not_begun: 42,
        longest_gap: Duration::ZERO,
    };
    let arguments = arguments("put --rate 100");
    let plan = plan(Work::Put, &arguments).unwrap();
    let (setting, verdict) =
        (BenchSetting::new(&plan, &arguments), BenchVerdict::new(&measured, &Needs::new(&arguments)));
    let outcome = BenchReport::new(&setting, &measured, &verdict, false);
    assert!(
        printed(Format::Table, &outcome).contains("\n42 were due but never started: all clients were busy\n")
    );
    assert_eq!(printed(Format::Plain, &outcome), "error\tdenied\t3\nnot begun\t42\ngap\t0\nFAIL\n");
}

#[test]
fn the_widest_load_fits_a_terminal() {
    let arguments = arguments(
        "mixed --clients 4096 --connections 256 --keys 10000000 --key-size 1024 --value-size 1048576 \
         --seconds 86400 --warm-up 3600 --rate 10000000",
    );
    let text = BenchSetting::new(&plan(Work::Put, &arguments).unwrap(), &arguments).sentences();
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn the_last_second_of_the_warm_up_is_not_an_outage() {
    let after = |ms, warming_up| Progress {
        elapsed: Duration::from_millis(ms),
        warming_up,
        successes: 0,
        failures: 0,
        rate: 0.0,
    };
    let line = |ms, warming_up, warm_up| progress(&after(ms, warming_up), Duration::from_secs(warm_up));
    assert_eq!(line(999, true, 1), "0 s: warming up");
    assert_eq!(line(1_001, false, 1), "1 s: warming up");
    assert_eq!(line(2_001, false, 1), "2 s: 0 per second, 0 failed");
    assert_eq!(line(1_001, false, 0), "1 s: 0 per second, 0 failed");
}

#[test]
fn keys_have_to_fit() {
    let usage = |words| plan(Work::Put, &arguments(words)).map(drop).map_err(|failure| failure.code());
    assert_eq!(usage("put --keys 1000000 --key-size 29"), Ok(()));
    assert_eq!(usage("put --keys 1000000 --key-size 28"), Err(ExitCode::Usage));
}
