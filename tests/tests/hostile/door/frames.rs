//! Frames of HTTP/2 (RFC 9113), made by hand: valid ones, and mutated ones.

use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use super::{DoorVictim, door_pieces, lanes, pause};
use crate::support::{
    door_caller::{DoorCaller, PATIENCE},
    mutated_frames::{bytes, flip, rng},
    tally::Tally,
};

/// The first bytes of a client (section 3.4), and an empty SETTINGS.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Types of frames (section 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Frames per connection, if the node bears them.
const PER_CONNECTION: u64 = 40;

/// Returns a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// Returns a header field as a literal that is not indexed (RFC 7541, section 6.2.2), of at most 126 bytes each.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let part = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    [&[0][..], &part(name), &part(value)].concat()
}

/// Returns the fields of a request.
pub(super) fn request(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":authority", "ming"), (":path", path)];
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// Sends frames, some of them as they should be; reads to the end of each connection.
pub(crate) async fn mutated(victim: &DoorVictim) -> Tally {
    let mut running = JoinSet::new();
    for lane in 0..lanes() {
        let caller = if lane % 2 == 0 { victim.reader(b"h2") } else { victim.writer(b"h2") };
        running.spawn(send_lane(caller, lane, (door_pieces() / lanes()).div_ceil(PER_CONNECTION)));
    }
    Tally::gather(running).await
}

async fn send_lane(caller: DoorCaller, lane: u64, connections: u64) -> Tally {
    let mut rng = rng(100 + lane);
    let mut tally = Tally::sent((connections * PER_CONNECTION) as usize);
    for _ in 0..connections {
        pause().await;
        let mut stream = caller.connect_at_last().await;
        let mut sent = PREFACE.to_vec();
        for n in 0..PER_CONNECTION {
            sent.extend(some_frame(&mut rng, 2 * n as u32 + 1));
        }
        let mut received = Vec::new();
        let exchange = async {
            // The node may have closed it already.
            let _ = stream.write_all(&sent).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut received).await;
        };
        match timeout(PATIENCE, exchange).await {
            Ok(()) => tally.note(ending(&received)),
            Err(_) => tally.note("held"),
        }
    }
    tally
}

/// Returns how the node has ended a connection: the code of its GOAWAY (RFC 9113, section 7).
pub(super) fn ending(mut received: &[u8]) -> String {
    let mut end = "closed".to_owned();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = received {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = &rest[..length.min(rest.len())];
        if let (GOAWAY, [_, _, _, _, .., code]) = (*kind, &payload[..payload.len().min(8)]) {
            end = format!("goaway {code}");
        }
        received = &rest[payload.len()..];
    }
    end
}

/// Makes a frame, or a request of two.
fn some_frame(rng: &mut Rng, stream: u32) -> Vec<u8> {
    let valid = match rng.u8(0..10) {
        0 => frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/v1/kv/good/1")),
        1 => frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &request("GET", "/v1/kv?prefix=good/&values=true"),
        ),
        2 => frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/v1/watch?prefix=good/")),
        3 => [
            frame(HEADERS, END_HEADERS, stream, &request("PUT", "/v1/kv/good/attack/1")),
            frame(DATA, END_STREAM, stream, b"latte"),
        ]
        .concat(),
        4 => {
            let fields = request("POST", "/v1/incr/good/attack/n");
            let (first, rest) = fields.split_at(rng.usize(..fields.len()));
            [frame(HEADERS, END_STREAM, stream, first), frame(CONTINUATION, END_HEADERS, stream, rest)]
                .concat()
        }
        5 => frame(PING, 0, 0, &[7; 8]),
        6 => frame(WINDOW_UPDATE, 0, 0, &rng.u32(1..1000).to_be_bytes()),
        7 => [
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &request("GET", "/v1/watch?prefix=good/&wait=1s"),
            ),
            frame(RST_STREAM, 0, stream, &rng.u32(0..20).to_be_bytes()),
        ]
        .concat(),
        8 => {
            // The window of a stream (section 6.5.2).
            let setting = [&4_u16.to_be_bytes()[..], &rng.u32(0..1 << 16).to_be_bytes()].concat();
            frame(SETTINGS, 0, 0, &setting)
        }
        _ => {
            let fields = [request("GET", "/v1/status"), field(&"x".repeat(rng.usize(1..100)), "y")].concat();
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields)
        }
    };
    // A connection seldom survives a mutation: others must come before it.
    match rng.u8(0..80) {
        0 => {
            let count = rng.usize(1..300);
            bytes(rng, count)
        }
        1 => frame(rng.u8(..), rng.u8(..), rng.u32(..), &valid[9..]),
        2 | 3 => {
            let mut mutated = valid;
            flip(rng, &mut mutated, 0);
            mutated
        }
        4 | 5 => {
            let mut mutated = valid;
            flip(rng, &mut mutated, 9);
            mutated
        }
        6 => valid[..rng.usize(..valid.len())].to_vec(),
        7 => {
            // Not a list of fields.
            let count = rng.usize(1..60);
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &bytes(rng, count))
        }
        _ => valid,
    }
}
