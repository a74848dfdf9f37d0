//! Clients that begin and never finish: handshakes, heads, bodies, responses that are not read, and
//! connections on which nothing happens.

use std::time::Duration;

use coffee_common::{limits::VALUE_BYTES_MAX, protocol::Role};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use super::{
    DoorVictim,
    frames::{END_HEADERS, END_STREAM, HEADERS, PREFACE, frame, request},
};
use crate::support::{
    door_caller::{DoorCaller, DoorStream},
    environment::HostileEnvironment,
    tally::Tally,
};

/// After this time the node has ended all of these.
const LASTS: Duration = Duration::from_secs(34);

/// Interval between bytes.
const PACE: Duration = Duration::from_secs(1);

/// Connections of each kind.
const EACH: usize = 32;

/// Clients that read nothing, and the connections of each: it has no room for more responses.
const READERS: usize = 4;
const UNREAD: usize = 4;

/// A key with a large value of control characters, each of which is six bytes in a JSON string.
const LARGE: &str = "good/attack/controls";

/// Writes the value that slow readers ask for.
pub(crate) async fn write_large_value(environment: &HostileEnvironment) {
    let client = environment.cluster.client(Role::Writer);
    client.set(LARGE, vec![1; VALUE_BYTES_MAX]).await.expect("written");
    client.close().await;
}

/// How a slow client goes on.
#[derive(Clone, Copy)]
enum Slowness {
    /// Sends this byte now and then.
    Bytes(u8),
    /// Sends nothing more and reads nothing.
    Deaf,
}

/// Opens connections of each kind, and counts those that the node has not ended in time.
pub(crate) async fn of_all_kinds(victim: &DoorVictim) -> Tally {
    let (h1, h2): (&[u8], &[u8]) = (b"http/1.1", b"h2");
    let h2_body =
        [PREFACE, &frame(HEADERS, END_HEADERS, 1, &request("PUT", "/v1/kv/good/attack/1"))].concat();
    let large =
        format!("GET /v1/kv?prefix={LARGE}&values=true HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .into_bytes();
    let h2_large =
        [PREFACE, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", &format!("/v1/kv/{LARGE}")))]
            .concat();
    let put = b"PUT /v1/kv/good/attack/1 HTTP/1.1\r\nHost: x\r\n";
    let kinds: Vec<(&'static str, &[u8], Vec<u8>, Slowness)> = vec![
        ("a head", h1, b"GET /v1/status HTTP/1.1\r\nX: ".to_vec(), Slowness::Bytes(b'x')),
        ("a body", h1, [&put[..], b"Content-Length: 1000\r\n\r\n"].concat(), Slowness::Bytes(b'x')),
        ("a large body", h1, [&put[..], b"Content-Length: 1500000\r\n\r\n"].concat(), Slowness::Bytes(b'x')),
        ("a body of HTTP/2", h2, h2_body, Slowness::Deaf),
        ("no preface", h2, Vec::new(), Slowness::Deaf),
        ("half a preface", h2, PREFACE[..20].to_vec(), Slowness::Deaf),
        ("a preface alone", h2, PREFACE.to_vec(), Slowness::Deaf),
        ("no request", h1, Vec::new(), Slowness::Deaf),
    ];
    let mut running = JoinSet::new();
    for (n, (kind, alpn, first, slowness)) in kinds.into_iter().enumerate() {
        for at in 0..EACH {
            // Each has fewer connections than one client may have.
            let caller = if (n + at) % 2 == 0 { victim.writer(alpn) } else { victim.reader(alpn) };
            running.spawn(linger(caller, kind, first.clone(), slowness));
        }
    }
    for n in 0..READERS {
        let name = format!("reader-{n}");
        for _ in 0..UNREAD {
            let caller = victim.attacker(Role::Reader, &name, h1);
            running.spawn(linger(caller, "an unread list", large.clone(), Slowness::Deaf));
            let caller = victim.attacker(Role::Reader, &name, h2);
            running.spawn(linger(caller, "an unread value of HTTP/2", h2_large.clone(), Slowness::Deaf));
        }
    }
    Tally::gather(running).await
}

async fn linger(caller: DoorCaller, kind: &'static str, first: Vec<u8>, slowness: Slowness) -> Tally {
    let mut tally = Tally::sent(1);
    let began = Instant::now();
    let Some(mut stream) = connect(&caller).await else {
        tally.note(format!("{kind}: not accepted"));
        return tally;
    };
    // The node may refuse it at once.
    let _ = stream.write_all(&first).await;
    let mut pace = interval(PACE);
    while began.elapsed() < LASTS {
        pace.tick().await;
        if let Slowness::Bytes(byte) = slowness
            && stream.write_all(&[byte]).await.is_err()
        {
            break;
        }
    }
    let is_ended = timeout(Duration::from_secs(5), until_closed(&mut stream)).await.is_ok();
    tally.note(format!("{kind}: {}", if is_ended { "ended" } else { "held" }));
    tally
}

/// Connects with little room for responses.
async fn connect(caller: &DoorCaller) -> Option<DoorStream> {
    for _ in 0..400 {
        if let Ok(stream) = caller.connect_with_little_room().await {
            return Some(stream);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Reads what was sent until the node closes the connection.
async fn until_closed(stream: &mut DoorStream) {
    let mut buffer = vec![0; 64 << 10];
    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
}
