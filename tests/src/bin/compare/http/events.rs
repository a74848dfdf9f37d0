//! One client writes, and many connections are told.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use coffee_client::bench::{Failed, Target};
use coffee_tests::samples::count;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{connection::LoadConnection, target::HttpApi};
use crate::contestant::{Contestant, Loaded, until_done};

const PREFIX: &str = "events/";

/// A put that all connections must be told before the measurement begins.
const FIRST: &str = "events/first";

const PATIENCE: Duration = Duration::from_secs(120);

/// Counts events in a stream that is received in pieces of any size.
struct EventCounter {
    mark: &'static [u8],
    rest: BytesMut,
}

impl EventCounter {
    fn count(&mut self, bytes: &[u8]) -> u64 {
        self.rest.extend_from_slice(bytes);
        let mut found = 0;
        let mut from = 0;
        while let Some(at) = self.rest[from..].windows(self.mark.len()).position(|bytes| bytes == self.mark) {
            from += at + self.mark.len();
            found += 1;
        }
        // A mark may begin at the end.
        let keep = (self.rest.len() - from).min(self.mark.len() - 1);
        let _ = self.rest.split_to(self.rest.len() - keep);
        found
    }
}

/// Returns the events per second that all connections together received of `puts` puts.
pub(super) async fn measure<C: Contestant>(
    loaded: &Loaded<C>,
    api: HttpApi,
    watchers: usize,
    puts: u64,
) -> f64 {
    let endpoints = loaded.cluster.http().concat();
    let mut open = Vec::new();
    for endpoint in endpoints.iter().cycle().take(watchers) {
        let connection = until_done("a watch", async || {
            let mut connection = LoadConnection::open(endpoint).await?;
            let (method, path, body) = api.watch(PREFIX);
            connection.begin(method, &path, &body).await?;
            Ok(connection)
        });
        open.push(connection.await);
    }
    let put = async |key: String| loaded.targets[0].put(key, Bytes::from_static(b"latte")).await;
    put(FIRST.to_owned()).await.expect("the leader takes writes");
    let mut counting = JoinSet::new();
    let (told_first, mut first) = tokio::sync::mpsc::channel::<()>(watchers);
    for mut connection in open {
        let told_first = told_first.clone();
        counting.spawn(async move {
            let mut counter = EventCounter { mark: api.event_mark(), rest: BytesMut::new() };
            let mut events = 0;
            while events <= puts {
                let before = events;
                events += counter.count(&connection.next().await?);
                if before == 0 && events > 0 {
                    let _ = told_first.send(()).await;
                }
            }
            Ok::<_, Failed>(events)
        });
    }
    let begun = timeout(PATIENCE, async {
        for _ in 0..watchers {
            first.recv().await.expect("a connection failed");
        }
    });
    begun.await.expect("all watches begin");
    let start = Instant::now();
    let writing = async {
        for n in 0..puts {
            put(format!("{PREFIX}{n}")).await.expect("the leader takes writes");
        }
    };
    let told = async {
        let mut events = 0;
        while let Some(ended) = counting.join_next().await {
            // Without those of the first put.
            events += ended.expect("no panic").expect("the stream goes on") - 1;
        }
        events
    };
    let (events, ()) = timeout(PATIENCE, async { tokio::join!(told, writing) }).await.expect("all are told");
    assert_eq!(events, puts * watchers as u64, "each is told each put once");
    count(events) / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_across_pieces() {
        let stream = b"{\"event\":\"put\"}{\"event\":\"put\"} \"even".repeat(3);
        for size in 1..stream.len() {
            let mut counter = EventCounter { mark: b"\"event\":", rest: BytesMut::new() };
            let found: u64 = stream.chunks(size).map(|piece| counter.count(piece)).sum();
            assert_eq!(found, 6, "pieces of {size} bytes");
        }
    }
}
