//! `bench`: loads the cluster and judges the result.

mod arguments;
mod clean;
mod report;
mod verdict;

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use coffee_client::{
    Client, OutcomeKind,
    bench::{self, Keys, Measured, Plan, Progress, Run, Work},
};
use coffee_common::protocol::Consistency;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

pub(crate) use self::arguments::BenchArguments;
use self::{
    arguments::BenchWork,
    report::{BenchReport, BenchSetting},
    verdict::{BenchVerdict, Needs},
};
use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::Printer};

/// The prefix of every run's keys. Reserved for `bench`.
const PREFIX: &str = "coffeectl-bench/";

/// The hint after a run whose keys were not all deleted.
const LEFTOVER_KEYS: &str = "keys of the bench are left: 'coffeectl bench clean' deletes them";

/// The time between two progress lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Writes in flight while the keys for the reads are made.
const FILLING_CLIENTS: usize = 64;

pub(crate) async fn run(
    arguments: &BenchArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let work = match arguments.work {
        BenchWork::Clean => return clean::run(invocation).await,
        BenchWork::Put => Work::Put,
        BenchWork::Get => Work::Get,
        BenchWork::Mixed => Work::Mixed { reads_percent: arguments.reads },
    };
    let plan = plan(work, arguments)?;
    let timeout = invocation.usual_timeout();
    // Waits for a quorum, as programs do.
    let client = invocation.session.client(timeout)?;
    let mut targets = vec![(client.clone(), invocation.options.consistency)];
    for _ in 1..arguments.connections {
        targets.push((invocation.session.another_client(timeout)?, invocation.options.consistency));
    }
    invocation.session.begin_traces(LEFTOVER_KEYS);
    // Without the permission to write or a connection, it fails before the run starts.
    if let Err(error) = client.set(plan.keys.key(0), vec![0; arguments.value_size as usize]).await {
        invocation.session.end_traces();
        let unknown = error.outcome() == OutcomeKind::Unknown;
        let failure = Failure::from(error);
        return Err(if unknown { failure.hint(LEFTOVER_KEYS) } else { failure });
    }
    let measured = measure(&plan, &targets, invocation.printer).await;
    let deleted = clean::delete(&client, plan.keys.prefix(), None, invocation.printer.progress()).await;
    invocation.session.end_traces();
    for (extra, _) in targets.into_iter().skip(1) {
        extra.close().await;
    }
    if let Err(error) = &deleted {
        invocation.printer.note(&format!("note: {error}\nhint: {LEFTOVER_KEYS}"));
    }
    let measured = measured?;
    let verdict = BenchVerdict::new(&measured, &Needs::new(arguments));
    let setting = BenchSetting::new(&plan, arguments);
    invocation.printer.report(&BenchReport::new(&setting, &measured, &verdict, deleted.is_ok()));
    verdict.into_result()
}

fn plan(work: Work, arguments: &BenchArguments) -> Result<Plan, Failure> {
    // Concurrent runs use different keys.
    let prefix = format!("{PREFIX}{:06x}/", RandomState::new().hash_one(PREFIX) >> 40);
    let shortest = prefix.len() + (arguments.keys - 1).to_string().len();
    let (count, key_bytes) = (u64::from(arguments.keys), usize::from(arguments.key_size));
    let keys = Keys::new(prefix, count, key_bytes, arguments.value_size as usize).ok_or_else(|| {
        Failure::usage(format!("{count} keys do not fit into {key_bytes} bytes"))
            .hint(format!("use --key-size {shortest}, or more"))
    })?;
    Ok(Plan {
        work,
        clients: arguments.clients.into(),
        keys,
        warm_up: Duration::from_secs(arguments.warm_up.into()),
        duration: Duration::from_secs(arguments.seconds.into()),
        rate: arguments.rate,
    })
}

/// Runs the plan and prints its progress.
async fn measure(
    plan: &Plan,
    targets: &[(Client, Consistency)],
    printer: &mut Printer,
) -> Result<Measured, Failure> {
    if plan.work.reads() {
        printer.note(&format!("writing {} keys", plan.keys.count()));
        bench::fill(&plan.keys, FILLING_CLIENTS, targets).await.map_err(|failed| {
            Failure::new(ExitCode::Failed, format!("the keys could not be written: {}", failed.text))
        })?;
    }
    let mut run = Run::start(plan, targets);
    let mut ticks = interval_at(Instant::now() + PROGRESS_EVERY, PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            measured = run.finish() => return Ok(measured),
            _ = ticks.tick() => printer.note(&progress(&run.progress(), plan.warm_up)),
        }
    }
}

/// Describes the second that has just passed. The last second of the warm-up
/// counts as warm-up, although it is over.
fn progress(progress: &Progress, warm_up: Duration) -> String {
    let seconds = progress.elapsed.as_secs();
    if progress.warming_up || seconds <= warm_up.as_secs() {
        return format!("{seconds} s: warming up");
    }
    format!("{seconds} s: {:.0} per second, {} failed", progress.rate, progress.failures)
}

#[cfg(test)]
mod tests;
