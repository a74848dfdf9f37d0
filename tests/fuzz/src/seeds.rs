//! The first corpus of a target: the golden bytes of each format, and calls that a member makes.

use std::{fs, io, path::Path};

use coffee_common::{frame, id::NodeId};
use coffeed::{
    api::peer::wire::{AppendRequest, RpcRequest, VoteRequest},
    storage::record::{LeaderRecord, LogIdRecord, VoteRecord},
};
use serde::Serialize;

/// The golden files of each target, with the byte that chooses among the formats of the target.
const GOLDEN: [(&str, &[(&str, Option<u8>)]); 5] = [
    ("client_messages", &[("client_asks", None), ("client_answers", None), ("record_entries", None)]),
    ("peer_messages", &[("peer_frames", None), ("record_vote_meta", None)]),
    (
        "storage",
        &[
            ("state_keys", Some(0)),
            ("state_nodes", Some(0)),
            ("state_requests", Some(0)),
            ("state_meta", Some(0)),
            ("state_revocations", Some(0)),
            ("state_settings", Some(0)),
            ("log_records", Some(1)),
            ("log_records", Some(2)),
            ("identity", Some(3)),
        ],
    ),
    ("snapshot", &[("snapshot_stream", None)]),
    ("text", &[("identity", None), ("backup_file", None)]),
];

const TEXTS: [(&str, &[u8]); 6] = [
    ("text", b"127.0.0.1:7400"),
    ("text", b"[::1]:7400"),
    ("text", b"name = \"ming\"\nlisten = \"0.0.0.0:7400\"\n[tls]\nca = \"ca.crt\"\n"),
    ("certificates", b"coffee://shops/node/ming"),
    ("certificates", b"coffee-keys:till%2Fming%2F"),
    ("certificates", b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"),
];

/// Writes the first corpus of a target, where `tests/fuzz/run` looks for it.
///
/// # Panics
/// It cannot be written.
pub fn write(target: &str) {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    write_to(&own.join("../../target/fuzz/corpus").join(target), &own.join("../golden"), target)
        .expect("a corpus");
}

fn write_to(corpus: &Path, golden: &Path, target: &str) -> io::Result<()> {
    fs::create_dir_all(corpus)?;
    for (name, choice) in GOLDEN.iter().filter(|(of, _)| *of == target).flat_map(|(_, files)| *files) {
        let text = fs::read_to_string(golden.join(name).with_extension("hex"))?;
        let bytes: Vec<u8> = choice.iter().copied().chain(from_hex(&text)?).collect();
        let choice = choice.map_or_else(String::new, |choice| choice.to_string());
        fs::write(corpus.join(format!("{name}{choice}")), bytes)?;
    }
    for (number, (_, text)) in TEXTS.iter().filter(|(of, _)| *of == target).enumerate() {
        fs::write(corpus.join(format!("text{number}")), text)?;
    }
    if target == "raft" {
        let calls = calls().map_err(io::Error::other)?;
        for (number, call) in calls.iter().enumerate() {
            fs::write(corpus.join(format!("call{number}")), call)?;
        }
        fs::write(corpus.join("calls"), calls.concat())?;
    }
    Ok(())
}

fn from_hex(text: &str) -> io::Result<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(byte).collect::<Result<_, _>>().map_err(io::Error::other)
}

/// The messages of node 2 when it leads in term 3, and when it stands for election.
fn calls() -> Result<Vec<Vec<u8>>, frame::FrameError> {
    let vote = |committed| VoteRecord { leader: LeaderRecord { term: 3, node: NodeId(2) }, committed };
    let id = |index| Some(LogIdRecord { term: 0, index });
    let append = AppendRequest { vote: vote(true), previous: id(0), committed: id(0), entries: Vec::new() };
    let request = VoteRequest { vote: vote(false), last: id(9), transfer: false };
    Ok(vec![
        call(0, &RpcRequest::PreVote(request))?,
        call(0, &RpcRequest::Vote(request))?,
        call(0, &RpcRequest::Heartbeat { vote: vote(true), previous: id(0), committed: id(0) })?,
        call(1, &append)?,
        call(0, &RpcRequest::Follows { leader: vote(true) })?,
        call(0, &RpcRequest::Transfer { from: vote(true), to: NodeId(1), last: id(0) })?,
    ])
}

fn call(kind: u8, message: &impl Serialize) -> Result<Vec<u8>, frame::FrameError> {
    let frame = frame::encode(message)?;
    let body = &frame[frame::HEADER_BYTES..];
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes();
    Ok([&[kind], length.as_slice(), body].concat())
}
