//! Log output of a node.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
    time::timeout,
};

/// The lines that a node has written to standard error, in all its runs.
#[derive(Debug, Clone)]
pub struct NodeLog(Arc<watch::Sender<Vec<String>>>);

impl NodeLog {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// Collects lines until the stream ends.
    pub(super) fn follow(&self, from: impl AsyncRead + Unpin + Send + 'static) {
        let log = self.clone();
        let mut lines = BufReader::new(from).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                log.0.send_modify(|lines| lines.push(line));
            }
        });
    }

    /// Returns the number of lines so far.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until a line from number `from` on contains `words`. Returns false after
    /// `patience`.
    pub async fn says(&self, from: usize, words: &str, patience: Duration) -> bool {
        let mut lines = self.0.subscribe();
        let found = |lines: &Vec<String>| lines.iter().skip(from).any(|line| line.contains(words));
        timeout(patience, lines.wait_for(found)).await.is_ok_and(|found| found.is_ok())
    }

    /// Returns the last `count` lines.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.borrow();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}
