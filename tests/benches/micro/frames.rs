//! Frames: the work of both ends of a connection per request.

use coffee_common::{
    frame::{self, Deframer},
    protocol::{Request, RequestFrame},
};
use divan::{Bencher, counter::ItemsCount};

use crate::entries::{key, write};

fn ask(n: u64) -> RequestFrame {
    let (request, batch) = write(n, key(n));
    RequestFrame {
        id: n,
        timeout_ms: 5000,
        on_behalf_of: None,
        sent_from: None,
        cluster: None,
        request: Request::Write { request, batch: batch.into() },
    }
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let ask = ask(7);
    bencher.counter(ItemsCount::new(1_u64)).bench_local(|| frame::encode(&ask).expect("encodes"));
}

/// Splits a stream of `frames` messages, and decodes them.
#[divan::bench(args = [1, 64])]
fn decode(bencher: Bencher<'_, '_>, frames: u64) {
    let stream: Vec<u8> =
        (0..frames).flat_map(|n| frame::encode(&ask(n)).expect("encodes").to_vec()).collect();
    bencher.counter(ItemsCount::new(frames)).bench_local(|| {
        let mut deframer = Deframer::default();
        deframer.push(&stream);
        while let Some(message) = deframer.next_message().expect("frames") {
            divan::black_box(frame::decode::<RequestFrame>(&message).expect("decodes"));
        }
    });
}
