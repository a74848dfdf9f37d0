//! Listens, and answers one request a connection.
//!
//! Guards the bounds of it all: so many connections at once, so much time for
//! a head to come and for an answer to go. Whoever is slower is dropped, and
//! who comes when all places are taken waits outside, in the kernel's queue.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{Admin, head};

/// Most connections at once.
const CONNECTIONS_MAX: usize = 32;

/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(2);

/// How long an answer may take to be taken.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// Where a connection cannot be accepted (no descriptor is free), the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Somebody listens, until this is dropped.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// Where, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens no more once this returns, and whoever is still being answered is cut off.
    pub async fn close(&mut self) {
        self.task.abort();
        // That it was aborted is no news.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Admin {
    /// Listens on a TCP address, and answers there until what is returned is dropped.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn listen(self, address: SocketAddr) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(self.accept(listener));
        Ok(Listening { address, task })
    }

    async fn accept(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        // They end with this task.
        let mut connections = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = self.clone();
                    connections.spawn(async move {
                        admin.serve(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection for monitoring cannot be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Ok(Some(head)) = timeout(HEAD_WITHIN, head::read(&mut stream)).await else { return };
        let head_only = head.as_ref().is_ok_and(|head| head.head_only);
        let answer = self.answer(head).await.encode(head_only);
        let send = async {
            stream.write_all(&answer).await?;
            stream.shutdown().await
        };
        if !matches!(timeout(SEND_WITHIN, send).await, Ok(Ok(()))) {
            tracing::debug!("an answer for monitoring was not taken");
        }
    }
}
