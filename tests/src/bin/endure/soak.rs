//! A long run at a high rate: whether any resource grows, or writes get slower.

use std::time::Duration;

use coffee_client::bench::{Plan, Run, Work};
use coffee_tests::{
    cluster::Cluster,
    samples::{Samples, count, ms, verdict},
};
use tokio::time::Instant;

use crate::rig::{Rig, busy_keys};

/// Rate of the soak, relative to the highest rate.
const SHARE: f64 = 0.7;

/// How long the highest rate is measured.
const SEARCH: Duration = Duration::from_secs(10);

const SEARCHING_CLIENTS: usize = 256;

/// More than are ever in flight, unless the cluster stalls.
const CLIENTS: usize = 2048;

/// Number of samples.
const LOOKS: u32 = 60;

/// Flat means: the last quarter exceeds the second one by at most this factor.
const MEMORY_GROWTH_MAX: f64 = 1.10;
const DISK_GROWTH_MAX: f64 = 1.10;
/// For the p99.9: the machine has other work at times.
const SLOWNESS_MAX: f64 = 2.0;

/// Maximum share of due writes that have not begun at the end of a sample: those of half
/// a second per minute, as after a stall of the machine. A cluster that cannot keep up
/// exceeds it.
const LINE_MAX: f64 = 0.01;

/// A figure by its name, and its maximum growth.
type Bound = (&'static str, fn(&Look) -> f64, f64);

/// A sample.
#[derive(Debug, Clone, Copy)]
struct Look {
    memory: f64,
    disk: f64,
    slowest: f64,
    term: u64,
    failed: u64,
    /// Writes due but not begun at the end of the sample, and all that were due.
    in_line: u64,
    due: u64,
}

/// Returns whether all figures are flat.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn soak(duration: Duration) -> bool {
    let rig = Rig::start(Cluster::of(3)).await;
    rig.fill(&busy_keys()).await;
    let highest = Run::start(&plan(SEARCH, SEARCHING_CLIENTS, None), rig.writers()).finish().await.rate();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is above 0 and below 2^32"
    )]
    let rate = (highest * SHARE) as u32;
    println!("highest rate {highest:.0}/s, soak at {rate}/s\n");
    println!(
        "| min | rate/s | p50 ms | p99 | p99.9 | worst | longest gap | failed | in line | memory MB | disk MB | CPU | term |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let began = Instant::now();
    let span = (duration / LOOKS).max(Duration::from_secs(1));
    let mut looks = Vec::new();
    while began.elapsed() < duration {
        let look = look(&rig, span, rate, began).await;
        looks.push(look);
    }
    let (text, flat) = judge(&looks);
    println!("\n{text}");
    flat
}

fn plan(duration: Duration, clients: usize, rate: Option<u32>) -> Plan {
    Plan { work: Work::Put, clients, keys: busy_keys(), warm_up: Duration::ZERO, duration, rate }
}

#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
async fn look(rig: &Rig, span: Duration, rate: u32, began: Instant) -> Look {
    let before = rig.usage();
    let measured = Run::start(&plan(span, CLIENTS, Some(rate)), rig.writers()).finish().await;
    let used = rig.usage().since(before);
    let times = measured.all_times();
    let term = rig.admin.cluster().await.expect("it answers").term;
    let look = Look {
        memory: count(used.memory) / 1e6,
        disk: count(rig.disk()) / 1e6,
        slowest: ms(times.percentile(99.9)),
        term,
        failed: measured.failures(),
        in_line: measured.not_begun,
        due: measured.successes() + measured.failures() + measured.not_begun,
    };
    println!(
        "| {:.1} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {} | {} | {:.0} | {:.0} | {:.2} | {term} |",
        began.elapsed().as_secs_f64() / 60.0,
        measured.rate(),
        ms(times.percentile(50.0)),
        ms(times.percentile(99.0)),
        look.slowest,
        ms(times.worst()),
        ms(measured.longest_gap),
        look.failed,
        look.in_line,
        look.memory,
        look.disk,
        used.cpu_seconds / span.as_secs_f64(),
    );
    look
}

/// Compares the last quarter with the second: during the first one caches still fill.
fn judge(looks: &[Look]) -> (String, bool) {
    let quarter = (looks.len() / 4).max(1);
    let early = &looks[quarter.min(looks.len() - 1)..(2 * quarter).clamp(1, looks.len())];
    let late = &looks[looks.len() - quarter..];
    let mut text =
        "| | second quarter | last quarter | growth | at most | |\n|---|---|---|---|---|---|\n".to_owned();
    let mut flat = true;
    let figures: [Bound; 3] = [
        ("memory MB", |look| look.memory, MEMORY_GROWTH_MAX),
        ("disk MB", |look| look.disk, DISK_GROWTH_MAX),
        ("p99.9 ms", |look| look.slowest, SLOWNESS_MAX),
    ];
    for (what, figure, most) in figures {
        let median = |looks: &[Look]| looks.iter().map(figure).collect::<Samples>().median();
        let (early, late) = (median(early), median(late));
        let growth = late / early.max(f64::MIN_POSITIVE);
        flat &= growth <= most;
        text += &format!(
            "| {what} | {early:.1} | {late:.1} | {growth:.2} | {most} | {} |\n",
            verdict(growth <= most)
        );
    }
    let elections = looks.last().map_or(0, |last| last.term) - looks.first().map_or(0, |first| first.term);
    let failed = looks.iter().map(|look| look.failed).sum();
    for (what, number) in [("elections", elections), ("writes that failed", failed)] {
        flat &= number == 0;
        text += &format!("| {what} | | {number} | | 0 | {} |\n", verdict(number == 0));
    }
    let share = |look: &Look| count(look.in_line) / count(look.due.max(1));
    let in_line = looks.iter().map(share).fold(0.0, f64::max);
    flat &= in_line <= LINE_MAX;
    text += &format!(
        "| share of writes waiting at the end of a sample | | {in_line:.5} | | {LINE_MAX} | {} |\n",
        verdict(in_line <= LINE_MAX)
    );
    (text, flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(change: impl Fn(usize, &mut Look)) -> Vec<Look> {
        let even =
            Look { memory: 100.0, disk: 50.0, slowest: 4.0, term: 1, failed: 0, in_line: 1, due: 60_000 };
        let look = |n| {
            let mut look = even;
            change(n, &mut look);
            look
        };
        (0..40).map(look).collect()
    }

    #[test]
    fn what_grows_is_not_flat() {
        assert!(judge(&looks(|_, _| {})).1);
        assert!(judge(&looks(|n, look| look.memory = if n < 10 { 50.0 } else { 100.0 })).1, "caches fill");
        assert!(!judge(&looks(|n, look| look.memory += 2.0 * count(n as u64))).1);
        assert!(!judge(&looks(|n, look| look.disk += 2.0 * count(n as u64))).1);
        assert!(!judge(&looks(|n, look| look.slowest += if n < 30 { 0.0 } else { 5.0 })).1);
        assert!(!judge(&looks(|n, look| look.term += u64::from(n > 20))).1);
        assert!(!judge(&looks(|n, look| look.failed = u64::from(n == 3))).1);
        assert!(!judge(&looks(|n, look| look.in_line = if n == 3 { 900 } else { 0 })).1, "it cannot keep up");
        assert!(judge(&looks(|_, _| {})[..1]).1, "a short one");
    }
}
