//! Valid requests of HTTP/1.1, mutated; and pipelines of them.

use std::time::Duration;

use fastrand::Rng;
use tokio::{io::AsyncWriteExt, task::JoinSet, time::timeout};

use super::{DoorVictim, door_pieces, lanes, pause};
use crate::support::{
    door_caller::{self, DoorCaller, DoorStream, PATIENCE},
    mutated_frames::{bytes, flip, rng},
    tally::Tally,
};

/// How long a response is waited for before the request is ended: it may be incomplete.
const SOON: Duration = Duration::from_millis(200);

/// Requests of readers and writers.
const REQUESTS: [(&str, &str, &str); 13] = [
    ("GET", "/v1/kv/good/1", ""),
    ("HEAD", "/v1/kv/good/1", ""),
    ("GET", "/v1/kv?prefix=good/&limit=3&values=true", ""),
    ("GET", "/v1/history/good/1?limit=2", ""),
    ("GET", "/v1/watch?prefix=good/&wait=1ms", ""),
    ("GET", "/v1/cluster", ""),
    ("GET", "/v1/status", ""),
    ("GET", "/v1/openapi.json", ""),
    ("PUT", "/v1/kv/good/attack/1", "latte"),
    ("DELETE", "/v1/kv/good/attack/1", ""),
    ("POST", "/v1/incr/good/attack/n", ""),
    (
        "POST",
        "/v1/txn",
        r#"{"if": [{"key": "good/attack/1", "present": true}], "then": [{"add": "good/attack/n"}], "else": [{"set": "good/attack/1", "value": "x"}]}"#,
    ),
    (
        "POST",
        "/v1/txn",
        r#"{"then": [{"get": "good/attack/1"}, {"keys": "good/attack/", "limit": 2}, {"del_prefix": "good/attack/"}]}"#,
    ),
];

/// Headers that may be added.
const HEADERS: [&str; 16] = [
    "Content-Length: 5",
    "Content-Length: 18446744073709551616",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Connection: close",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "If-Match: \"1\"",
    "If-None-Match: *",
    "Coffee-Request-Id: 0-0-0",
    "Coffee-Cluster: 0",
    "Last-Event-ID: -1",
    "Accept: application/jsonl",
    "Origin: https://elsewhere.example",
    "Host: \u{7f}",
];

const TARGETS: [&str; 10] = [
    "/v1/kv/%00",
    "/v1/kv/%",
    "/v1/kv//..//%2e%2e",
    "/v1/kv?limit=4294967296",
    "/v1/kv?after=%ff&prefix=%ff",
    "/v1/watch?wait=99999999m",
    "/v1/history/%ff?before=-1",
    "http://elsewhere.example/v1/status",
    "*",
    "//v1",
];

/// Sends requests, some of them as they should be, and waits for the response to each.
pub(crate) async fn mutated(victim: &DoorVictim) -> Tally {
    let mut running = JoinSet::new();
    for lane in 0..lanes() {
        let caller = if lane % 2 == 0 { victim.reader(b"http/1.1") } else { victim.writer(b"http/1.1") };
        running.spawn(send_lane(caller, lane, door_pieces() / lanes()));
    }
    Tally::gather(running).await
}

async fn send_lane(caller: DoorCaller, lane: u64, count: u64) -> Tally {
    let mut rng = rng(lane);
    let mut tally = Tally::sent(count as usize);
    let mut open: Option<(DoorStream, Vec<u8>)> = None;
    for _ in 0..count {
        pause().await;
        let (request, is_complete) = request(&mut rng);
        let (mut stream, mut buffer) = match open.take() {
            Some(open) => open,
            None => (caller.connect_at_last().await, Vec::new()),
        };
        let has_body = !request.starts_with(b"HEAD ");
        let answered = async {
            stream.write_all(&request).await.ok()?;
            door_caller::receive(&mut stream, has_body, &mut buffer).await
        };
        let patience = if is_complete { SOON } else { Duration::from_millis(1) };
        match timeout(patience, answered).await {
            Ok(Some(response)) => {
                tally.note(format!("{}xx", response.status / 100));
                if !response.is_last {
                    open = Some((stream, buffer));
                }
            }
            Ok(None) => tally.note("closed"),
            // It waits for the rest.
            Err(_) => match door_caller::last_words(&mut stream, PATIENCE).await {
                Some(_) => tally.note("ended"),
                None => tally.note("held"),
            },
        }
    }
    tally
}

/// Makes a request, and says whether it is likely to be complete.
fn request(rng: &mut Rng) -> (Vec<u8>, bool) {
    let (method, target, body) = REQUESTS[rng.usize(..REQUESTS.len())];
    let (mut method, mut target) = (method.to_owned(), target.to_owned());
    let (mut body, mut headers) = (body.as_bytes().to_vec(), Vec::new());
    let kind = rng.u8(0..12);
    match kind {
        0 => target = TARGETS[rng.usize(..TARGETS.len())].to_owned(),
        1 => target.push_str(&format!("&{}={}", rng.alphabetic(), "%41".repeat(rng.usize(0..300)))),
        2 => method = ["PATCH", "TRACE", "CONNECT", "OPTIONS", "get", "PRI"][rng.usize(..6)].to_owned(),
        3 => headers.push(HEADERS[rng.usize(..HEADERS.len())].to_owned()),
        4 => {
            for _ in 0..rng.usize(1..120) {
                headers.push(format!("{}: {}", rng.alphabetic(), "x".repeat(rng.usize(0..400))));
            }
        }
        5 => flip(rng, &mut body, 0),
        6 if !body.is_empty() => body.truncate(rng.usize(..body.len())),
        _ => {}
    }
    let is_chunked = kind == 7;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: ming\r\n");
    if is_chunked {
        head.push_str("Transfer-Encoding: chunked\r\n");
        body = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        flip(rng, &mut body, 0);
    } else if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    headers.iter().for_each(|header| head.push_str(&format!("{header}\r\n")));
    let mut request = [head.as_bytes(), b"\r\n", &body].concat();
    match kind {
        8 => flip(rng, &mut request, 0),
        9 => {
            let from = rng.usize(..request.len());
            request.truncate(from);
            let count = rng.usize(0..60);
            request.extend(bytes(rng, count));
        }
        _ => {}
    }
    (request, !matches!(kind, 3 | 7 | 8 | 9))
}

/// Sends requests in one piece, many per connection, and reads the responses only afterwards.
pub(crate) async fn pipelined(victim: &DoorVictim) -> Tally {
    const PER_CONNECTION: u64 = 200;
    let mut running = JoinSet::new();
    for lane in 0..lanes() {
        let caller = victim.reader(b"http/1.1");
        running.spawn(async move {
            let mut tally = Tally::default();
            for _ in 0..(door_pieces() / 4).div_ceil(lanes() * PER_CONNECTION) {
                pause().await;
                let mut stream = caller.connect_at_last().await;
                let (_, target, _) = REQUESTS[lane as usize % 7];
                let request = format!("GET {target} HTTP/1.1\r\nHost: ming\r\n\r\n");
                let all = request.repeat(PER_CONNECTION as usize);
                tally.sent += PER_CONNECTION;
                stream.write_all(all.as_bytes()).await.expect("is sent");
                let mut buffer = Vec::new();
                for _ in 0..PER_CONNECTION {
                    let response = timeout(PATIENCE, door_caller::receive(&mut stream, true, &mut buffer));
                    let response = response.await.expect("in time").expect("a response to each");
                    tally.note(format!("{}xx", response.status / 100));
                }
            }
            tally
        });
    }
    Tally::gather(running).await
}
