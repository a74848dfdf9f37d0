//! A UDP socket in the simulated network that implements quinn's interface.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use quinn::{
    AsyncUdpSocket, UdpPoller,
    udp::{RecvMeta, Transmit},
};

use crate::trace::Trace;

const DATAGRAM_BYTES_MAX: usize = 65_536;

#[derive(Default)]
struct Inbox {
    datagrams: VecDeque<(Vec<u8>, SocketAddr)>,
    waker: Option<Waker>,
}

/// A socket on the current host.
pub(crate) struct SimSocket {
    socket: Arc<turmoil::net::UdpSocket>,
    inbox: Arc<Mutex<Inbox>>,
    local: SocketAddr,
    trace: Trace,
}

impl SimSocket {
    /// Binds `port` of the current host, whose address is `ip`.
    pub(crate) async fn bind(ip: IpAddr, port: u16, trace: Trace) -> io::Result<Arc<Self>> {
        let socket = Arc::new(turmoil::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await?);
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        tokio::spawn(receive(Arc::clone(&socket), Arc::clone(&inbox)));
        Ok(Arc::new(Self { socket, inbox, local: (ip, port).into(), trace }))
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }
}

async fn receive(socket: Arc<turmoil::net::UdpSocket>, inbox: Arc<Mutex<Inbox>>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.datagrams.push_back((buffer[..length].to_vec(), from));
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimSocket({})", self.local)
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for SimSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        // During teardown the network is gone, so closing packets cannot be sent.
        if self.trace.is_over() {
            return Ok(());
        }
        self.trace.note("sent", transmit.contents.len() as u64);
        // A datagram that cannot be routed is lost, as in a real network.
        let _ = self.socket.try_send_to(transmit.contents, transmit.destination);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        while count < buffers.len().min(meta.len()) {
            let Some((datagram, from)) = inbox.datagrams.pop_front() else { break };
            buffers[count][..datagram.len()].copy_from_slice(&datagram);
            meta[count] =
                RecvMeta { addr: from, len: datagram.len(), stride: datagram.len(), ..RecvMeta::default() };
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        inbox.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
