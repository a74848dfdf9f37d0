//! What a node has said.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
    time::timeout,
};

/// The lines that a node has written to standard error, over all its lives.
#[derive(Debug, Clone)]
pub struct Log(Arc<watch::Sender<Vec<String>>>);

impl Log {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// Takes lines until there are no more.
    pub(super) fn follow(&self, from: impl AsyncRead + Unpin + Send + 'static) {
        let log = self.clone();
        let mut lines = BufReader::new(from).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                log.0.send_modify(|lines| lines.push(line));
            }
        });
    }

    /// How many lines there are by now.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for a line with this in it, from the line `from` on.
    pub async fn says(&self, from: usize, words: &str, patience: Duration) -> bool {
        let mut lines = self.0.subscribe();
        let found = |lines: &Vec<String>| lines.iter().skip(from).any(|line| line.contains(words));
        timeout(patience, lines.wait_for(found)).await.is_ok_and(|found| found.is_ok())
    }

    /// The last lines.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.borrow();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}
