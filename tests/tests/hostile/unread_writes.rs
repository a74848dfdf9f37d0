//! A writer that reads no answers: once its writes are committed, they keep no others out.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::cert;
use coffee_common::{
    command::{Batch, Operation},
    frame,
    id::{ClientId, NodeName, RequestId, Revision},
    key::{Key, Value},
    limits::PLAIN_VALUE_BYTES_MAX,
    protocol::{Request, RequestFrame, Role},
};
use tokio::time::{sleep, timeout};

use crate::support::{cert_forger, environment::HostileEnvironment, raw_client::RawClient};

/// Room for three large writes, two of them of one client. The largest batch always fits.
const SETTINGS: &str = "[limits]\nwrite_bytes_in_flight_max = 4194304\n";

/// More answers than the stream's window and the node's queue hold.
const PINGS: u64 = 2_500;

const WRITES: u64 = 2;

/// A write of another client must take no longer. Unread answers end the connection after 30 s.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn keep_no_others_out() {
    let environment = HostileEnvironment::with(SETTINGS).await;
    let (leader, _) = environment.leader().await;
    let (certs, name) = (environment.cluster.certs(), "mallory".parse::<NodeName>().expect("legal"));
    cert::issue_client(&certs, Role::Writer, &name, cert::LEAF_DAYS, cert::Existing::Keep)
        .expect("a certificate");
    let client = RawClient::that_reads_little(&cert_forger::load(&certs, "writer-mallory"));
    let connection = client.dial(&environment.address(&leader)).await.expect("connects");
    let (mut sender, _unread) = connection.open_bi().await.expect("a stream");
    for id in 0..PINGS {
        sender.write_all(&encode(id, Request::Ping)).await.expect("sent");
    }
    for sequence in 1..=WRITES {
        sender.write_all(&encode(PINGS + sequence, write(sequence))).await.expect("sent");
    }
    let other = environment.cluster.client(Role::Writer).with_timeout(WITHIN);
    let committed = async || other.get(key(WRITES)).await.expect("is read").is_some();
    let wait = async {
        while !committed().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(WITHIN, wait).await.expect("the writes of the attacker are committed");
    // Almost the largest batch: it does not fit beside the writes of the attacker.
    let set = |key: &str| {
        let value = Value::new(vec![1; PLAIN_VALUE_BYTES_MAX - 1_000]).expect("legal");
        Operation::Set(Key::new(key).expect("legal"), value)
    };
    let batch = Batch { conditions: Vec::new(), operations: vec![set("good/large"), set("good/larger")] };
    let written = timeout(WITHIN, other.batch(batch)).await;
    written.expect("in time").expect("there is room for the writes of others");
    assert!(connection.close_reason().is_none(), "the attacker is still connected");
    other.close().await;
}

fn key(sequence: u64) -> String {
    format!("mallory/{sequence}")
}

fn write(sequence: u64) -> Request {
    let key = Key::new(key(sequence)).expect("legal");
    let value = Value::new(vec![0; PLAIN_VALUE_BYTES_MAX]).expect("legal");
    let request = RequestId { client: ClientId(7), sequence, after: Revision(1) };
    Request::Write { request, batch: Batch::of(Operation::Set(key, value)).into() }
}

fn encode(id: u64, request: Request) -> Bytes {
    let frame =
        RequestFrame { id, timeout_ms: 60_000, on_behalf_of: None, sent_from: None, cluster: None, request };
    frame::encode(&frame).expect("a frame")
}
