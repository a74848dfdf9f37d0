//! Listens, and answers one request per connection.
//!
//! Guards the bounds of monitoring: the number of connections, and the time to receive a head and
//! to send a response. A slower client is disconnected. Connections above the limit wait in the
//! kernel's queue.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{Admin, request};

/// The most connections at once.
const CONNECTIONS_MAX: usize = 32;

/// The timeout for receiving a request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The timeout for sending a response.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a connection could not be accepted, for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener of [`Admin::listen`]. It stops when this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Returns the address it listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and aborts the requests in progress.
    pub async fn close(&mut self) {
        self.task.abort();
        // Always an error: the task was aborted.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Admin {
    /// Serves monitoring on a TCP address until the returned listener is dropped.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(self, address: SocketAddr) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(self.accept(listener));
        Ok(Listening { address, task })
    }

    async fn accept(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // Aborted with this task.
        let mut connections = JoinSet::new();
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = self.clone();
                    connections.spawn(async move {
                        admin.serve(stream).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to accept a monitoring connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Ok(Some(head)) = timeout(HEAD_TIMEOUT, request::read(&mut stream)).await else { return };
        let head_only = head.as_ref().is_ok_and(|head| head.head_only);
        let response = self.answer(head).await.encode(head_only);
        let send = async {
            stream.write_all(&response).await?;
            stream.shutdown().await
        };
        if !matches!(timeout(SEND_TIMEOUT, send).await, Ok(Ok(()))) {
            tracing::debug!("failed to send a monitoring response");
        }
    }
}
