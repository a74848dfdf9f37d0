//! A writer that may write, and writes as much as it can: over several connections, on every stream
//! that it gets, the largest values, to the leader, whose answers it awaits and does not heed. The
//! writes of another client wait for few of them.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    command::{Batch, Operation},
    frame,
    id::{ClientId, RequestId, Revision},
    key::{Key, Value},
    limits::{CLIENT_STREAMS_MAX, VALUE_BYTES_MAX},
    protocol::{Rejection, Request, RequestFrame, Role, ServerMessage},
    quic::{Connection, Endpoint, Expect, FrameReceiver, FrameSender, Priority, Protocol},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    budgets::{LARGE, Stop},
    is_long, promise,
    support::{
        environment::{AttackBounds, HostileEnvironment},
        tally::Tally,
    },
};

/// On each of the streams there is one value on its way.
const CONNECTIONS: usize = 2;

/// Between two streams that begin.
const STAGGER: Duration = Duration::from_millis(50);

const KEYS: usize = 4;

/// The ends of a write.
const WRITTEN: &str = "written";
const OVERLOADED: &str = "overloaded";

const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn delays_no_others() {
    let environment = HostileEnvironment::set().await;
    promise::write_large_values(&environment).await;
    // The short form allows for a busy machine and a build without optimisation.
    let (quiet_s, quick_ms, times_max) = if is_long() { (5, 5, 3) } else { (1, 100, 5) };
    let bounds = AttackBounds {
        quiet: Duration::from_secs(quiet_s),
        quick: Duration::from_millis(quick_ms),
        times_max,
        // Those of the attacker are in the log as well.
        retries_max: u64::from(u32::MAX),
        ..AttackBounds::default()
    };
    let lasts = Duration::from_secs(if is_long() { 30 } else { 6 });
    let tally = environment.within(bounds, "a greedy writer", attack(&environment, lasts)).await;
    assert!(tally.of(WRITTEN) > 0 && tally.of(OVERLOADED) > 0, "{tally}");
}

async fn attack(environment: &HostileEnvironment, lasts: Duration) -> Tally {
    let credentials = promise::certificate(&environment.cluster.certs(), Role::Writer);
    let victim = environment.victims().await.remove(0);
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    for n in 0..CONNECTIONS {
        let connection = connect(&credentials, &victim).await;
        for stream in 0..CLIENT_STREAMS_MAX as usize {
            let n = n * CLIENT_STREAMS_MAX as usize + stream;
            let (sender, receiver) = connection.open(Priority::Normal).await.expect("a stream");
            running.spawn(writes(n, sender, receiver, stopped.clone()));
            sleep(STAGGER).await;
        }
    }
    sleep(lasts).await;
    stop.send_replace(true);
    Tally::gather(running).await
}

async fn connect(credentials: &Credentials, victim: &Address) -> Connection {
    let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
    endpoint.connect(victim, &Expect::AnyNode, Protocol::Client).await.expect("is accepted")
}

/// Writes a key over and over until it is stopped.
async fn writes(n: usize, mut sender: FrameSender, mut receiver: FrameReceiver, stopped: Stop) -> Tally {
    let mut tally = Tally::default();
    for sequence in 1.. {
        if *stopped.borrow() {
            break;
        }
        tally.sent += 1;
        sender.send(write(n, sequence)).await.expect("sends");
        let message = timeout(SOON, receiver.receive()).await.expect("in time");
        let message = message.expect("receives").expect("an answer");
        let end = answer(&message);
        tally.note(end);
        if end == OVERLOADED {
            // The attacker shares the machine with the nodes.
            sleep(Duration::from_millis(if is_long() { 20 } else { 1_000 })).await;
        }
    }
    tally
}

fn write(n: usize, sequence: u64) -> Bytes {
    let key = Key::new(format!("{LARGE}{}", n % KEYS)).expect("legal");
    let value = Value::new(vec![n as u8; VALUE_BYTES_MAX]).expect("legal");
    let request = RequestId { client: ClientId(n as u128 + 1), sequence, after: Revision(1) };
    let request = Request::Write { request, batch: Batch::of(Operation::Set(key, value)).into() };
    let frame = RequestFrame {
        id: sequence,
        timeout_ms: 60_000,
        on_behalf_of: None,
        sent_from: None,
        cluster: None,
        request,
    };
    frame::encode(&frame).expect("a frame")
}

fn answer(message: &[u8]) -> &'static str {
    let Ok(ServerMessage::Response(reply)) = frame::decode(message) else { panic!("not an answer") };
    match reply.result {
        Ok(_) => WRITTEN,
        Err(Rejection::Overloaded) => OVERLOADED,
        Err(other) => panic!("{other:?}"),
    }
}
