//! A UDP relay in front of the nodes of a cluster, with a delay, jitter, loss or a cut per
//! direction. On loopback only, without privileges.
//!
//! Each node advertises its relay's address. A node sends from the address at which it
//! listens, so the relay knows the sender. All other senders are clients. Packets of one
//! direction keep their order, as on a line. Loss and jitter are drawn from a seed.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The sender of packets that come from none of the nodes.
pub const CLIENTS: &str = "clients";

/// The most packets under way in one direction; more are lost, as in a full queue.
const UNDER_WAY_MAX: usize = 4_096;

const PACKET_BYTES_MAX: usize = 65_535;

/// One direction between two nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Line {
    /// How long a packet takes.
    pub delay: Duration,
    /// The most that is added at random.
    pub jitter: Duration,
    /// How many of 1,000 packets are lost.
    pub loss_permille: u16,
    /// Whether all packets are lost.
    pub cut: bool,
}

impl Line {
    /// A line with this delay.
    pub fn with_delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// A relay. Ends when dropped.
#[derive(Debug)]
pub struct UdpRelay {
    lines: Arc<RelayLines>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct RelayLines {
    nodes: Mutex<HashMap<SocketAddr, String>>,
    directions: Mutex<HashMap<(String, String), Line>>,
    rng: Mutex<Rng>,
}

impl UdpRelay {
    /// A relay without nodes.
    pub fn new(seed: u64) -> Self {
        let lines = RelayLines {
            nodes: Mutex::default(),
            directions: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
        };
        Self { lines: Arc::new(lines), tasks: JoinSet::new() }
    }

    /// Puts the relay in front of a node, and returns the address that the node must
    /// advertise. Needs a tokio runtime.
    ///
    /// # Errors
    /// No socket could be bound.
    pub fn add(&mut self, name: &str, listen: SocketAddr) -> io::Result<SocketAddr> {
        let front = bind()?;
        let address = front.local_addr()?;
        lock(&self.lines.nodes).insert(listen, name.to_owned());
        self.tasks.spawn(relay(Arc::clone(&self.lines), name.to_owned(), Arc::new(front), listen));
        Ok(address)
    }

    /// Sets one direction.
    pub fn set(&self, from: &str, to: &str, line: Line) {
        lock(&self.lines.directions).insert((from.to_owned(), to.to_owned()), line);
    }

    /// Sets all directions between nodes.
    pub fn set_all(&self, line: Line) {
        let names: Vec<String> = lock(&self.lines.nodes).values().cloned().collect();
        for from in &names {
            for to in names.iter().filter(|to| *to != from) {
                self.set(from, to, line);
            }
        }
    }
}

impl RelayLines {
    fn sender(&self, source: SocketAddr) -> String {
        lock(&self.nodes).get(&source).cloned().unwrap_or_else(|| CLIENTS.to_owned())
    }

    /// Returns when a packet that is sent now arrives; `None`: never.
    fn arrival(&self, from: &str, to: &str) -> Option<Instant> {
        let line = lock(&self.directions).get(&(from.to_owned(), to.to_owned())).copied().unwrap_or_default();
        let mut rng = lock(&self.rng);
        let lost = line.cut || rng.u16(..1_000) < line.loss_permille;
        (!lost).then(|| Instant::now() + line.delay + line.jitter.mul_f64(rng.f64()))
    }
}

/// Relays everything between one node and all who send to it.
async fn relay(lines: Arc<RelayLines>, name: String, front: Arc<UdpSocket>, listen: SocketAddr) {
    let mut flows: HashMap<SocketAddr, mpsc::Sender<Packet>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        // A refused packet (ICMP) is reported here: the receiver is down.
        let Ok((length, source)) = front.recv_from(&mut buffer).await else { continue };
        let from = lines.sender(source);
        let flow = flows.entry(source).or_insert_with(|| {
            let back = Arc::new(bind().expect("a socket"));
            let (there, packets) = mpsc::channel(UNDER_WAY_MAX);
            tasks.spawn(deliver(packets, Arc::clone(&back), listen));
            let (here, packets) = mpsc::channel(UNDER_WAY_MAX);
            tasks.spawn(deliver(packets, Arc::clone(&front), source));
            tasks.spawn(respond(Arc::clone(&lines), name.clone(), from.clone(), back, here));
            there
        });
        if let Some(at) = lines.arrival(&from, &name) {
            // A full queue loses packets.
            let _ = flow.try_send(Packet { at, bytes: buffer[..length].to_vec() });
        }
    }
}

#[derive(Debug)]
struct Packet {
    at: Instant,
    bytes: Vec<u8>,
}

/// Queues what a node sends back.
async fn respond(
    lines: Arc<RelayLines>,
    from: String,
    to: String,
    back: Arc<UdpSocket>,
    here: mpsc::Sender<Packet>,
) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        let Ok((length, _)) = back.recv_from(&mut buffer).await else { continue };
        if let Some(at) = lines.arrival(&from, &to) {
            // A full queue loses packets.
            let _ = here.try_send(Packet { at, bytes: buffer[..length].to_vec() });
        }
    }
}

/// Sends each packet at its time, in order.
async fn deliver(mut packets: mpsc::Receiver<Packet>, socket: Arc<UdpSocket>, to: SocketAddr) {
    while let Some(packet) = packets.recv().await {
        sleep_until(packet.at).await;
        // Whether it arrives is not the relay's concern.
        let _ = socket.send_to(&packet.bytes, to).await;
    }
}

fn bind() -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sockets that stand for nodes, and the addresses of their relays.
    fn pair(relay: &mut UdpRelay) -> [(UdpSocket, SocketAddr); 2] {
        ["ming", "hong"].map(|name| {
            let socket = bind().expect("a socket");
            let listen = socket.local_addr().expect("an address");
            let front = relay.add(name, listen).expect("a relay");
            (socket, front)
        })
    }

    #[tokio::test]
    async fn each_direction_has_a_delay_of_its_own_and_keeps_its_order() {
        let mut relay = UdpRelay::new(7);
        let [(ming, _), (hong, to_hong)] = pair(&mut relay);
        let slow = Duration::from_millis(60);
        relay.set("ming", "hong", Line { jitter: slow, ..Line::with_delay(slow) });
        let began = Instant::now();
        for n in 0..20 {
            ming.send_to(&[n], to_hong).await.expect("sent");
        }
        let (mut buffer, mut source) = ([0; 9], None);
        for n in 0..20 {
            let (length, from) = hong.recv_from(&mut buffer).await.expect("received");
            assert_eq!(buffer[..length], [n]);
            source = Some(from);
        }
        let there = began.elapsed();
        assert!(there >= slow, "{there:?}");
        hong.send_to(&[99], source.expect("twenty came")).await.expect("sent");
        ming.recv_from(&mut buffer).await.expect("received");
        assert_eq!(buffer[0], 99);
    }

    #[test]
    fn a_cut_loses_everything_and_the_seed_decides_what_a_bad_line_loses() {
        let survivors = |seed, line| {
            let relay = UdpRelay::new(seed);
            relay.set("ming", "hong", line);
            (0..1_000).map(|_| relay.lines.arrival("ming", "hong").is_some()).collect::<Vec<_>>()
        };
        let bad = Line { loss_permille: 100, ..Line::default() };
        let lost = survivors(1, bad).iter().filter(|arrived| !**arrived).count();
        assert!((50..150).contains(&lost), "{lost} of 1000");
        assert_eq!(survivors(1, bad), survivors(1, bad));
        assert_ne!(survivors(1, bad), survivors(2, bad));
        assert!(survivors(1, Line { cut: true, ..Line::default() }).iter().all(|arrived| !arrived));
        assert!(survivors(1, Line::default()).iter().all(|arrived| *arrived));
    }
}
