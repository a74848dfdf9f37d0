//! Reads a node's metrics; its configuration must set `[admin] listen`.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::node::{NodeProcess, PATIENCE};

impl NodeProcess {
    /// Returns the sum of a metric's samples whose lines contain all `words`; 0 if there
    /// are none.
    pub async fn metric(&self, name: &str, words: &[&str]) -> f64 {
        let text = timeout(PATIENCE, self.metrics()).await.expect("it answers").expect("over HTTP");
        let mine = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && words.iter().all(|word| line.contains(word))
        };
        let value = |line: &str| -> f64 {
            let (_, value) = line.rsplit_once(' ').expect("a sample has a value");
            value.parse().expect("it is a number")
        };
        text.lines().filter(mine).map(value).sum()
    }

    async fn metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.watched_at()).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Finds the address of its metrics endpoint in its log.
    fn watched_at(&self) -> SocketAddr {
        let log = self.log().tail(usize::MAX);
        let lines = log.lines().rev().filter(|line| line.contains("listening for metrics"));
        let address = |line: &str| line.rsplit_once("address=")?.1.trim().parse().ok();
        lines.filter_map(address).next().expect("it says where it listens")
    }
}
