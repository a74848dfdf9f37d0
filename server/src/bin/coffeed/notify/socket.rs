//! The socket of systemd: a path, or `@` and a name in the abstract namespace
//! (unix(7)).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use tokio::time::{Duration, Instant, sleep};

/// How long a full queue is retried.
const RETRY_FOR: Duration = Duration::from_secs(5);
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// A socket to systemd.
#[derive(Debug)]
pub(super) struct SystemdSocket {
    own: UnixDatagram,
    address: SocketAddr,
}

impl SystemdSocket {
    /// Opens a socket to the address in `NOTIFY_SOCKET`.
    pub(super) fn to(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                let what = format!("{} is neither a path nor @ and a name", name.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        };
        let own = UnixDatagram::unbound()?;
        own.set_nonblocking(true)?;
        Ok(Self { own, address })
    }

    /// Sends one message.
    ///
    /// Retries for a while if the queue is full, since systemd would end the
    /// node after a lost READY. Blocks no thread: otherwise a systemd that hangs
    /// would make consensus hang as well.
    pub(super) async fn send(&self, message: &str) -> io::Result<()> {
        let give_up = Instant::now() + RETRY_FOR;
        loop {
            match self.own.send_to_addr(message.as_bytes(), &self.address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < give_up => {
                    sleep(RETRY_EVERY).await;
                }
                sent => return sent.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_in_no_file_system_are_found() {
        let name = format!("coffeed-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let systemd = UnixDatagram::bind_addr(&address).expect("bound");
        let socket = SystemdSocket::to(OsStr::new(&format!("@{name}"))).expect("there");
        socket.send("READY=1\n").await.expect("sent");
        let mut bytes = [0; 64];
        let length = systemd.recv(&mut bytes).expect("told");
        assert_eq!(&bytes[..length], b"READY=1\n");
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let socket = SystemdSocket::to(path.as_os_str()).expect("there");
        let fill = async {
            let mut sent = 0;
            while let Ok(sending) = tokio::time::timeout(Duration::from_millis(100), socket.send("x")).await {
                sending.expect("sent");
                sent += 1;
            }
            sent
        };
        assert!(fill.await > 0, "unread messages fill the queue");
        let waiting = socket.send("READY=1\n");
        let mut bytes = [0; 64];
        let reading = async {
            systemd.set_nonblocking(true).expect("set");
            // One message fewer, then one more.
            systemd.recv(&mut bytes).expect("one of those");
        };
        let (sent, ()) = tokio::join!(waiting, reading);
        sent.expect("sent once the queue had space");
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "relative/path", "vsock:2:1234"] {
            assert!(SystemdSocket::to(OsStr::new(name)).is_err(), "{name:?}");
        }
    }
}
