//! Clients with valid certificates that make a node hold, or do, as much as they can: with few bytes,
//! and over and over. Each runs until it is stopped.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    command::Batch,
    envelope,
    frame::{self, FRAME_VERSION, HEADER_BYTES},
    id::{ClientId, RequestId, Revision},
    key::{Key, KeyRange},
    limits::REQUEST_BYTES_MAX,
    protocol::{Consistency, Rejection, Request, RequestFrame, ServerMessage},
    quic::{Connection, Endpoint, Expect, FrameReceiver, FrameSender, Priority, Protocol},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::support::{
    raw_client::{ClientIdentity, RawClient},
    tally::Tally,
};

/// Prefix of the large values, and their number. The valid client's prefix is a prefix of it.
pub(crate) const LARGE: &str = "good/large/";
pub(crate) const LARGE_VALUES: usize = 48;

/// Connections on which an attack leaves responses unread.
const CONNECTIONS: usize = 8;

/// Streams per connection on which it leaves requests incomplete.
const HALVES: u32 = 4;

/// Connections that a flood tries to open, by its scale: more than a client may have.
const FLOOD: usize = 75;

/// Lists of keys that are asked for at once: each reads 1 MiB.
const LISTS: usize = 64;

/// Conditions of three bytes each: almost the largest frame.
const CONDITIONS: usize = 1_300_000;

/// The longest timeout that the protocol knows, in milliseconds.
const TIMEOUT_MS: u32 = 600_000;

/// Between two connections of a flood.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// Between two rounds of an attack, and after a refused connection.
const PAUSE: Duration = Duration::from_secs(1);

const SOON: Duration = Duration::from_secs(5);

/// Set once the attack is over.
pub(crate) type Stop = watch::Receiver<bool>;

/// An attacker, with a certificate of its own.
#[derive(Clone)]
pub(crate) struct GreedyClient {
    pub(crate) credentials: Credentials,
    pub(crate) victim: Address,
    pub(crate) stop: Stop,
    /// How many megabytes it sends, roughly by ten: more than the machine of a debug build can take
    /// would measure that.
    pub(crate) scale: usize,
}

impl GreedyClient {
    fn endpoint(&self) -> Endpoint {
        Endpoint::dial_only(&self.credentials, &EndpointOptions::default()).expect("a socket")
    }

    async fn connect(&self, endpoint: &Endpoint) -> Option<Connection> {
        let connected = endpoint.connect(&self.victim, &Expect::AnyNode, Protocol::Client).await;
        if connected.is_err() {
            // The attackers share the machine with the nodes.
            sleep(PAUSE).await;
        }
        connected.ok()
    }

    async fn stopped(&mut self) {
        // Fails only if the test has ended.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }

    /// Runs an attack until it is stopped, and returns what it had counted by then.
    async fn until_stopped(mut self, attack: impl AsyncFnOnce(&Self, &mut Tally)) -> Tally {
        let mut tally = Tally::default();
        let this = self.clone();
        tokio::select! {
            () = attack(&this, &mut tally) => self.stopped().await,
            () = async { let _ = this.stop.clone().wait_for(|stop| *stop).await; } => {}
        }
        tally
    }
}

/// Leaves requests incomplete on every stream that it gets.
pub(crate) async fn half_frames(attacker: GreedyClient) -> Tally {
    attacker
        .until_stopped(async |attacker, tally| {
            let endpoint = attacker.endpoint();
            let length = u32::try_from(REQUEST_BYTES_MAX).expect("in range").to_le_bytes();
            let header = [length[0], length[1], length[2], length[3], FRAME_VERSION];
            let most = Bytes::from([&header[..], &vec![0; REQUEST_BYTES_MAX - 1]].concat());
            let mut held = Vec::new();
            for _ in 0..attacker.scale {
                let Some(connection) = attacker.connect(&endpoint).await else { continue };
                for _ in 0..HALVES {
                    let Ok(Ok((mut sender, receiver))) =
                        timeout(SOON, connection.open(Priority::Normal)).await
                    else {
                        break;
                    };
                    tally.sent += 1;
                    // The node closes the connection if what it was able to decode is not a request.
                    let sent = matches!(timeout(SOON, sender.send(most.clone())).await, Ok(Ok(())));
                    tally.note(if sent { "half a request" } else { "given up" });
                    held.push((sender, receiver));
                }
            }
            sleep(Duration::MAX).await;
        })
        .await
}

/// Asks for large values, and reads none.
pub(crate) async fn unread_responses(attacker: GreedyClient, shown: ClientIdentity) -> Tally {
    attacker
        .until_stopped(async |attacker, tally| {
            let client = RawClient::that_reads_little(&shown);
            let mut held = Vec::new();
            for _ in 0..CONNECTIONS {
                let Ok(connection) = client.dial(&attacker.victim).await else { continue };
                let (mut sender, receiver) = connection.open_bi().await.expect("a stream");
                for id in 0..LARGE_VALUES as u64 {
                    tally.sent += 1;
                    let key = Key::new(format!("{LARGE}{id}")).expect("legal");
                    let get = Request::Get { key, consistency: Consistency::Local };
                    let sent = sender.write_all(&encode(id, get)).await;
                    tally.note(if sent.is_ok() { "asked, not read" } else { "given up" });
                }
                held.push((connection, sender, receiver));
            }
            sleep(Duration::MAX).await;
        })
        .await
}

/// Asks for lists of keys with large values, and leaves.
pub(crate) async fn key_lists(attacker: GreedyClient) -> Tally {
    attacker
        .until_stopped(async |attacker, tally| {
            let endpoint = attacker.endpoint();
            loop {
                let Some(connection) = attacker.connect(&endpoint).await else { continue };
                let Ok((mut sender, _receiver)) = connection.open(Priority::Normal).await else { continue };
                let list = |id| {
                    let (range, consistency) = (KeyRange::prefix(LARGE), Consistency::Local);
                    encode(
                        id,
                        Request::Range { range, limit: 0, keys_only: true, consistency, empty_pages: true },
                    )
                };
                let mut lists: Vec<Bytes> = (0..LISTS as u64).map(list).collect();
                tally.sent += LISTS as u64;
                if sender.send_all(&mut lists).await.is_ok() {
                    (0..LISTS).for_each(|_| tally.note("lists"));
                }
                sleep(PAUSE).await;
                connection.close("no time for answers");
            }
        })
        .await
}

/// Sends writes that are far too long for any client, all ready at once.
pub(crate) async fn large_writes(attacker: GreedyClient) -> Tally {
    attacker
        .until_stopped(async |attacker, tally| {
            let endpoint = attacker.endpoint();
            let write = write_of_conditions();
            loop {
                let Some(connection) = attacker.connect(&endpoint).await else { continue };
                let mut ready: Vec<(FrameSender, FrameReceiver)> = Vec::new();
                for _ in 0..attacker.scale {
                    let Ok((mut sender, receiver)) = connection.open(Priority::Normal).await else { break };
                    if sender.send(write.slice(..write.len() - 1)).await.is_err() {
                        break;
                    }
                    ready.push((sender, receiver));
                }
                for (sender, _) in &mut ready {
                    tally.sent += 1;
                    // Fails if the connection is closed already.
                    let _ = sender.send(write.slice(write.len() - 1..)).await;
                }
                for (_sender, mut receiver) in ready {
                    let end = timeout(SOON, receiver.receive()).await;
                    tally.note(match end {
                        Ok(Ok(Some(message))) => answer(&message),
                        Ok(_) => "given up",
                        Err(_) => "no answer",
                    });
                }
                connection.close("again");
                sleep(PAUSE).await;
            }
        })
        .await
}

/// Opens as many connections as it gets, and more.
pub(crate) async fn connections(attacker: GreedyClient) -> Tally {
    attacker
        .until_stopped(async |attacker, tally| {
            let endpoint = attacker.endpoint();
            let mut held = Vec::new();
            for _ in 0..FLOOD * attacker.scale {
                tally.sent += 1;
                match attacker.connect(&endpoint).await {
                    Some(connection) => {
                        tally.note("connected");
                        held.push(connection);
                    }
                    None => tally.note("refused"),
                }
                sleep(FLOOD_PAUSE).await;
            }
            sleep(Duration::MAX).await;
        })
        .await
}

fn encode(id: u64, request: Request) -> Bytes {
    let ask = RequestFrame {
        id,
        timeout_ms: TIMEOUT_MS,
        on_behalf_of: None,
        sent_from: None,
        cluster: None,
        request,
    };
    frame::encode(&ask).expect("a frame")
}

/// A write with more conditions than a batch may have.
fn write_of_conditions() -> Bytes {
    let request = RequestId { client: ClientId(7), sequence: 1, after: Revision(1) };
    let empty = encode(7, Request::Write { request, batch: Batch::default().into() });
    let (envelope, encoded): (&[u8], _) =
        envelope::decode_first(&empty[HEADER_BYTES..]).expect("its own envelope");
    let (body, _): (&[u8], _) = envelope::decode_first(encoded).expect("a request");
    let varint = |number: usize| postcard::to_stdvec(&number).expect("encodes");
    // It ends with the number of conditions and that of operations.
    let mut write = body[..body.len() - 2].to_vec();
    write.extend(varint(CONDITIONS));
    write.extend([1, 1, b'k'].repeat(CONDITIONS));
    write.push(0);
    let message = [&varint(envelope.len())[..], envelope, &varint(write.len()), &write].concat();
    frame::encode_raw(&message).expect("a frame")
}

fn answer(message: &[u8]) -> &'static str {
    let Ok(ServerMessage::Response(reply)) = frame::decode(message) else { panic!("not an answer") };
    match reply.result {
        Err(Rejection::Denied(_)) => "denied",
        Err(Rejection::Overloaded) => "overloaded",
        other => panic!("{other:?}"),
    }
}
