//! The comparison as Markdown.

use std::fmt::Write;

use coffee_client::bench::Work;

use crate::measure::{Results, Side, Standing, Turn, bytes};

/// The median of what `value` says of these turns; 0 where there are none.
pub(crate) fn median(
    results: &Results,
    side: Side,
    work: Work,
    clients: usize,
    value: impl Fn(&Turn) -> f64,
) -> f64 {
    let ours = |turn: &&Turn| turn.side == side && turn.work == work && turn.clients == clients;
    let mut values: Vec<f64> = results.turns.iter().filter(ours).map(value).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

pub(crate) fn name(work: Work) -> &'static str {
    match work {
        Work::Put => "put",
        Work::Get => "get",
        Work::Mixed { .. } => "mixed",
    }
}

pub(crate) fn render(results: &Results, etcd_version: &str) -> String {
    let options = &results.options;
    let mut text = format!(
        "coffeed {} and etcd {etcd_version}: three nodes each, mTLS, durable, linearizable; {} keys, values of {} bytes; \
         medians of {} runs of {} s\n\n",
        env!("CARGO_PKG_VERSION"),
        options.keys,
        options.value_bytes,
        options.rounds,
        options.duration.as_secs(),
    );
    text += "| | clients | coffeed/s | etcd/s | ratio | p50 ms | etcd | p99 ms | etcd | ops a CPU s | etcd | ratio | \
             bytes written | etcd |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for work in [Work::Put, Work::Get] {
        for clients in &options.clients {
            text += &row(results, work, *clients);
        }
    }
    let failed: u64 = results.turns.iter().map(|turn| turn.failures).sum();
    let standing = |name: &str, standing: &Standing| {
        let mb = |count| bytes(count) / 1e6;
        format!(
            "{name}: {:.0} MB of memory, {:.0} MB on disk, {:.2} s of CPU a second when idle\n",
            mb(standing.memory),
            mb(standing.disk),
            standing.idle
        )
    };
    text += &format!("\nThe three servers after all of it ({failed} operations failed):\n\n");
    text += &standing("- coffeed", &results.coffeed);
    text += &standing("- etcd", &results.etcd);
    text
}

fn row(results: &Results, work: Work, clients: usize) -> String {
    let both = |value: fn(&Turn) -> f64| {
        [Side::Coffeed, Side::Etcd].map(|side| median(results, side, work, clients, value))
    };
    let [rate, etcd_rate] = both(|turn| turn.rate);
    let [cpu, etcd_cpu] = both(|turn| turn.per_cpu_second);
    let [written, etcd_written] = both(|turn| turn.written);
    let mut row = format!(
        "| {} | {clients} | {rate:.0} | {etcd_rate:.0} | {:.2} |",
        name(work),
        rate / etcd_rate.max(f64::MIN_POSITIVE)
    );
    for [ours, etcd] in [both(|turn| turn.p50_ms), both(|turn| turn.p99_ms)] {
        let _ = write!(row, " {ours:.2} | {etcd:.2} |");
    }
    let _ = writeln!(
        row,
        " {cpu:.0} | {etcd_cpu:.0} | {:.2} | {written:.0} | {etcd_written:.0} |",
        cpu / etcd_cpu.max(f64::MIN_POSITIVE)
    );
    row
}
