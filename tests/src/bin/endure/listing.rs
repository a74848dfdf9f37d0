//! Listings of keys whose values are large, and the writes of a bystander meanwhile: at one node, which is
//! all that a listing takes.

use std::time::Duration;

use coffee_client::{
    KeyRange, PageOptions,
    bench::{Measured, Plan, Run, Work, fill},
};
use coffee_tests::{
    cluster::Cluster,
    samples::{Samples, ms},
};
use tokio::time::Instant;

use crate::{
    beside::builds,
    options::EndureOptions,
    rig::{Rig, VALUE_BYTES, keys},
};

const KEYS: u64 = 1000;

const LARGE_BYTES: usize = 1 << 20;

/// Clients that write them: more at once would keep heartbeats waiting.
const FILLERS: usize = 4;

/// Listings without a pause, with and without values, in this build and in others, one after another.
#[expect(clippy::print_stdout, reason = "prints each line as it is measured")]
pub(crate) async fn listing(options: &EndureOptions) {
    println!(
        "| build | listed | times | each ms: median | worst | bystander's put p50 ms | p99 | without listings p50 | p99 |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for build in builds(options) {
        let name = build.as_ref().map_or("this build".to_owned(), |path| path.display().to_string());
        let rig = Rig::start(Cluster::of(1).built_as(build)).await;
        let filled = fill(&keys("large", KEYS, LARGE_BYTES), FILLERS, rig.writers()).await;
        filled.expect("the cluster takes writes");
        for (listed, keys_only) in [("keys", true), ("values", false)] {
            list(&rig, keys_only).await;
            let quiet = bystander(&rig, options.duration).finish().await;
            let mut bystander = bystander(&rig, options.duration);
            let (beside, times) =
                tokio::join!(bystander.finish(), listings(&rig, keys_only, options.duration));
            let percentile = |measured: &Measured, percent| ms(measured.all_times().percentile(percent));
            println!(
                "| {name} | {listed} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                times.all().len(),
                times.median(),
                times.most(),
                percentile(&beside, 50.0),
                percentile(&beside, 99.0),
                percentile(&quiet, 50.0),
                percentile(&quiet, 99.0),
            );
        }
    }
}

/// Lists for a while, at least once.
async fn listings(rig: &Rig, keys_only: bool, duration: Duration) -> Samples {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || begun.elapsed() < duration {
        let list_begun = Instant::now();
        list(rig, keys_only).await;
        times.push(list_begun.elapsed());
    }
    times.into_iter().collect()
}

/// Lists all keys of the range, in as many pages as it takes.
async fn list(rig: &Rig, keys_only: bool) {
    let options = PageOptions { keys_only, ..PageOptions::default() };
    let (mut range, mut listed) = (KeyRange::prefix("large/"), 0);
    loop {
        let page = rig.admin.range(range.clone(), options).await.expect("the cluster answers");
        listed += page.entries.len() as u64;
        match page.upto {
            Some(upto) => range = range.after(&upto),
            None => break,
        }
    }
    assert_eq!(listed, KEYS);
}

fn bystander(rig: &Rig, duration: Duration) -> Run {
    let keys = keys("small", 100, VALUE_BYTES);
    let plan = Plan { work: Work::Put, clients: 1, keys, warm_up: Duration::ZERO, duration, rate: None };
    Run::start(&plan, rig.writers())
}
