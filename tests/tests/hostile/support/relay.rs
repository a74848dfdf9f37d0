//! Captures valid datagrams between a client and a node.

use std::net::Ipv4Addr;

use coffee_client::{Address, Client, Consistency, Credentials};
use tokio::net::UdpSocket;

/// Larger than any datagram.
const ROOM: usize = 1 << 16;

/// Binds a socket on any port.
pub(crate) async fn socket() -> UdpSocket {
    socket_at(Ipv4Addr::LOCALHOST).await
}

/// Binds a socket on another loopback address.
pub(crate) async fn socket_at(address: Ipv4Addr) -> UdpSocket {
    UdpSocket::bind((address, 0)).await.expect("a socket")
}

/// Captures a client's datagrams to a node, from its handshake to its end. Returns them
/// with the socket from which the node received them.
pub(crate) async fn conversation(credentials: &Credentials, node: &Address) -> (UdpSocket, Vec<Vec<u8>>) {
    let (front, back) = (socket().await, socket().await);
    back.connect(node.as_str()).await.expect("an address");
    let address: Address = front.local_addr().expect("it is bound").into();
    let client = Client::builder().endpoints([address]).credentials(credentials.clone()).follow_leader(false);
    let client = client.build().expect("a client");
    let mut taken = Vec::new();
    let talk = async {
        for _ in 0..20 {
            client.get_with("good/0", Consistency::Local).await.expect("the relay carries it");
        }
        client.close().await;
    };
    tokio::select! {
        () = talk => {}
        () = carry(&front, &back, &mut taken) => {}
    }
    (back, taken)
}

/// Relays datagrams in both directions, and captures those to the node.
async fn carry(front: &UdpSocket, back: &UdpSocket, taken: &mut Vec<Vec<u8>>) {
    let (mut there, mut here) = (vec![0; ROOM], vec![0; ROOM]);
    let mut caller = None;
    loop {
        tokio::select! {
            came = front.recv_from(&mut there) => {
                let (length, from) = came.expect("it comes");
                caller = Some(from);
                taken.push(there[..length].to_vec());
                back.send(&there[..length]).await.expect("it is relayed");
            }
            came = back.recv(&mut here) => {
                let length = came.expect("it comes");
                front.send_to(&here[..length], caller.expect("it called")).await.expect("it is relayed");
            }
        }
    }
}

/// Relays datagrams to a node, but back only address validation (Retry; RFC 9000, section
/// 17.2.5): a handshake begins, and never completes.
pub(crate) async fn carry_there(front: &UdpSocket, back: &UdpSocket) {
    let (mut there, mut here) = (vec![0; ROOM], vec![0; ROOM]);
    let mut caller = None;
    loop {
        tokio::select! {
            came = front.recv_from(&mut there) => {
                let (length, from) = came.expect("it comes");
                caller = Some(from);
                back.send(&there[..length]).await.expect("it is relayed");
            }
            came = back.recv(&mut here) => {
                let length = came.expect("it comes");
                if here[0] & 0xf0 == 0xf0 {
                    front.send_to(&here[..length], caller.expect("it called")).await.expect("it is relayed");
                }
            }
        }
    }
}
