//! The list of nodes, repeated by `list --watch`.

use std::{fs, time::Duration};

use coffee_tests::cluster::Cluster;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_list_is_repeated_and_follows_the_leader_and_an_outage() {
    let mut cluster = Cluster::of(3).start().await;
    let first = cluster.leader().await;
    let file = cluster.folder().join("lists");
    let leaders = || {
        let text = fs::read_to_string(&file).expect("is written");
        // The last line may be half written.
        let lists = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let lists = lists.map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a document"));
        lists.filter_map(|list| Some(list["leader"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    let output = fs::File::create(&file).expect("is created");
    let watching = cluster.coffeectl(["list", "--watch=50ms", "-o", "json"]).stdout_to(output);
    let mut watching = std::pin::pin!(watching.run());
    let told = async |last: &str| {
        while leaders().last().is_none_or(|leader| leader != last) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let mut last = first;
    for next in ["hong", "peng", "ming"] {
        tokio::select! {
            ended = &mut watching => panic!("ended: {ended}"),
            done = timeout(PATIENCE, told(&last)) => done.expect("is listed"),
        }
        cluster.coffeectl(["transfer", next]).ok().await;
        last = next.to_owned();
    }
    for name in ["ming", "hong", "peng"] {
        cluster.node(name).kill().await;
    }
    let lines = fs::read_to_string(&file).expect("is written").len();
    for name in ["ming", "hong", "peng"] {
        cluster.node(name).start().await;
    }
    let goes_on = async {
        while fs::read_to_string(&file).expect("is written").len() <= lines {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = &mut watching => panic!("ended: {ended}"),
        done = timeout(PATIENCE, goes_on) => done.expect("goes on"),
    }
}
