//! Results as Markdown and as JSON.

use std::fmt::Write;

use coffee_tests::samples::{Samples, count, verdict};
use serde_json::{Value, json};

use crate::{
    contestant::Both,
    line::{FigureGoal, ResultLine},
    load::{LoadRow, LoadTurn, Results, StandingUsage, name},
    options::CompareOptions,
};

/// Describes the comparison in a sentence.
pub(crate) fn heading(options: &CompareOptions, etcd_version: &str) -> String {
    format!(
        "coffeed {} and etcd {etcd_version}: three nodes each on one machine, mTLS, durable, linearizable; {} keys, \
         values of {} bytes\n",
        env!("CARGO_PKG_VERSION"),
        options.keys,
        options.value_bytes,
    )
}

/// Results of the load, with every figure.
pub(crate) fn load(results: &Results, options: &CompareOptions) -> String {
    let mut text = format!(
        "medians of {} runs of {} s\n\n\
         | | clients | coffeed/s | etcd/s | ratio | p50 ms | etcd | p99 ms | etcd | ops a CPU s | etcd | ratio | \
         bytes written | etcd |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        options.rounds,
        options.duration.as_secs(),
    );
    for work in ["put", "get"] {
        results.rows.iter().filter(|row| name(row.work) == work).for_each(|found| text += &row(found));
    }
    let standing = |name: &str, standing: &StandingUsage| {
        let mb = |bytes| count(bytes) / 1e6;
        format!(
            "{name}: {:.0} MB of memory, {:.0} MB on disk, {:.2} s of CPU per second when idle\n",
            mb(standing.memory),
            mb(standing.disk),
            standing.idle
        )
    };
    text += &format!("\nThe three servers after all runs ({} operations failed):\n\n", results.failures());
    text += &standing("- coffeed", &results.standing.coffeed);
    text += &standing("- etcd", &results.standing.etcd);
    text
}

fn row(row: &LoadRow) -> String {
    let both = |figure: fn(&LoadTurn) -> f64| {
        let Both { coffeed, etcd } = row.samples(figure);
        [coffeed.median(), etcd.median()]
    };
    let [rate, etcd_rate] = both(|turn| turn.rate);
    let [cpu, etcd_cpu] = both(|turn| turn.per_cpu_second);
    let [written, etcd_written] = both(|turn| turn.written);
    let mut text = format!(
        "| {} | {} | {rate:.0} | {etcd_rate:.0} | {:.2} |",
        name(row.work),
        row.clients,
        rate / etcd_rate.max(f64::MIN_POSITIVE)
    );
    for [ours, etcd] in [both(|turn| turn.p50_ms), both(|turn| turn.p99_ms)] {
        let _ = write!(text, " {ours:.2} | {etcd:.2} |");
    }
    let _ = writeln!(
        text,
        " {cpu:.0} | {etcd_cpu:.0} | {:.2} | {written:.0} | {etcd_written:.0} |",
        cpu / etcd_cpu.max(f64::MIN_POSITIVE)
    );
    text
}

/// Single figures with their targets; of the load, only figures that have a target.
pub(crate) fn targets(lines: &[ResultLine]) -> String {
    let mut text =
        "| median (worst) | coffeed | etcd | ratio | target | |\n|---|---|---|---|---|---|\n".to_owned();
    for line in lines {
        let Both { coffeed, etcd } = &line.samples;
        let side =
            |samples: &Samples| format!("{} ({})", figure(samples.median()), figure(line.worst(samples)));
        let unit = if line.unit.is_empty() { String::new() } else { format!(", {}", line.unit) };
        let ratio = line.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = line.passes().map_or("", verdict);
        let _ = writeln!(
            text,
            "| {}{unit} | {} | {} | {ratio} | {} | {verdict} |",
            line.what,
            side(coffeed),
            side(etcd),
            goal(line.goal)
        );
    }
    text
}

/// Formats with the significant digits.
fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 || value == 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn goal(goal: FigureGoal) -> String {
    match goal {
        FigureGoal::Times(times) => format!("at least {times} x etcd"),
        FigureGoal::Part(part) => format!("at most {part} x etcd"),
        FigureGoal::Within { median, worst } if median == worst => format!("at most {worst}"),
        FigureGoal::Within { median, worst } => format!("at most {median} ({worst})"),
        FigureGoal::None => String::new(),
    }
}

/// Everything, as JSON.
pub(crate) fn json(options: &CompareOptions, etcd_version: &str, lines: &[ResultLine]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "what": line.what,
                "unit": line.unit,
                "coffeed": line.samples.coffeed.all(),
                "etcd": line.samples.etcd.all(),
                "ratio": line.ratio(),
                "target": goal(line.goal),
                "passed": line.passes(),
            })
        })
        .collect();
    json!({
        "coffeed": env!("CARGO_PKG_VERSION"),
        "etcd": etcd_version,
        "keys": options.keys,
        "value_bytes": options.value_bytes,
        "lines": lines,
    })
}
