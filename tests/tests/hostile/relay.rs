//! Datagrams that were good once: taken from dialling and talking endpoints.

use std::net::Ipv4Addr;

use coffee_client::{Address, Client, Consistency, Credentials};
use tokio::net::UdpSocket;

/// Longer than any datagram.
const ROOM: usize = 1 << 16;

/// A socket of its own, on any port.
pub(crate) async fn socket() -> UdpSocket {
    socket_at(Ipv4Addr::LOCALHOST).await
}

/// The same at another address of this machine.
pub(crate) async fn socket_at(address: Ipv4Addr) -> UdpSocket {
    UdpSocket::bind((address, 0)).await.expect("a socket")
}

/// What a client sends to a node, from its handshake to its end; and the
/// socket from which the node has heard it.
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

/// Carries datagrams there and back, and keeps those that go there.
async fn carry(front: &UdpSocket, back: &UdpSocket, taken: &mut Vec<Vec<u8>>) {
    let (mut there, mut here) = (vec![0; ROOM], vec![0; ROOM]);
    let mut caller = None;
    loop {
        tokio::select! {
            came = front.recv_from(&mut there) => {
                let (length, from) = came.expect("it comes");
                caller = Some(from);
                taken.push(there[..length].to_vec());
                back.send(&there[..length]).await.expect("it goes on");
            }
            came = back.recv(&mut here) => {
                let length = came.expect("it comes");
                front.send_to(&here[..length], caller.expect("it called")).await.expect("it goes on");
            }
        }
    }
}

/// Carries what is sent to a node, and back only what asks to prove an address
/// (Retry; RFC 9000, section 17.2.5): so a handshake begins, and never ends.
pub(crate) async fn carry_there(front: &UdpSocket, back: &UdpSocket) {
    let (mut there, mut here) = (vec![0; ROOM], vec![0; ROOM]);
    let mut caller = None;
    loop {
        tokio::select! {
            came = front.recv_from(&mut there) => {
                let (length, from) = came.expect("it comes");
                caller = Some(from);
                back.send(&there[..length]).await.expect("it goes on");
            }
            came = back.recv(&mut here) => {
                let length = came.expect("it comes");
                if here[0] & 0xf0 == 0xf0 {
                    front.send_to(&here[..length], caller.expect("it called")).await.expect("it goes on");
                }
            }
        }
    }
}
