//! Backups: the whole state of a node as a file, in pieces.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use coffee_common::{
    backup::{BackupBlock, BackupError, BackupHeader, Summary, Unpacker},
    protocol::{Consistency, Rejection, Request, Response},
    quic::FrameReceiver,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::Client;
use crate::{
    channel::{Channel, ChannelError},
    error::Error,
    error::NotSentReason,
    routing::RouteTarget,
};

/// A node that has sent nothing for this long is given up.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The least time a node gets to accept a connection when there are other nodes to
/// try. A dial takes two round trips, or three to a busy node, and a lost packet is sent again after
/// 300 ms.
const DIAL_MIN: Duration = Duration::from_millis(500);

/// The most time it gets once another node has said that there is no quorum: three round trips of
/// the longest links that nodes bear (500 ms).
const DIAL_MAX: Duration = Duration::from_millis(1500);

/// A backup in progress: the pieces of its file, in order.
///
/// Each piece is verified as it arrives. The file is complete only once
/// [`Backup::next`] has returned `None`. Dropping it cancels the backup.
pub struct Backup {
    /// Keeps the connection open.
    _channel: Channel,
    receiver: FrameReceiver,
    unpacker: Option<Unpacker>,
    header: BackupHeader,
    first: Option<Bytes>,
    rows: u64,
    summary: Option<Summary>,
}

impl Client {
    /// Starts a backup from the first endpoint that can provide one. Requires the role
    /// `admin`.
    ///
    /// A linearizable backup contains every write that was acknowledged before. The
    /// client's timeout bounds the start of the backup; the transfer may take any time
    /// while data keeps arriving.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Identity`] if no endpoint can provide a
    /// backup; [`Error::Denied`] if the role does not allow it.
    pub async fn backup(&self, consistency: Consistency) -> Result<Backup, Error> {
        let deadline = Instant::now() + self.timeout;
        let targets = self.shared.cache.routes().targets();
        let mut failed = Error::Unavailable("no endpoint is configured".into());
        let mut no_quorum = None;
        for (n, target) in targets.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let dial_until =
                deadline.min(Instant::now() + dial_time(left, targets.len() - n, no_quorum.is_some()));
            match self.backup_of(target, consistency, dial_until, deadline).await {
                Err(error @ (Error::Unavailable(_) | Error::Identity(_) | Error::OtherCluster(_))) => {
                    failed = error
                }
                Err(error @ Error::NoQuorum(_)) => no_quorum = Some(error),
                settled => return settled,
            }
        }
        Err(no_quorum.unwrap_or(failed))
    }

    async fn backup_of(
        &self,
        target: &Arc<RouteTarget>,
        consistency: Consistency,
        dial_until: Instant,
        deadline: Instant,
    ) -> Result<Backup, Error> {
        let address = &target.address;
        let dialled = timeout_at(dial_until, self.shared.pool.channel(address, &target.expect())).await;
        let channel = dialled
            .unwrap_or_else(|_| {
                Err(ChannelError::NotSent(NotSentReason::Unreachable(format!(
                    "{address}: no connection in time"
                ))))
            })
            .map_err(unavailable)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let envelope = self.shared.cache.cluster().into();
        let (reply, mut receiver) = channel
            .ask_for_file(&Request::Backup { consistency }, envelope, left)
            .await
            .map_err(unavailable)?;
        match reply.result {
            Ok(Response::Backup) => {}
            Ok(_) => return Err(Error::misfit()),
            // A backup changes nothing, so it is never in doubt.
            Err(Rejection::Unknown(why)) => return Err(Error::Unavailable(why)),
            Err(rejection) => return Err(Error::rejected(rejection)),
        }
        let first = receive(&mut receiver).await?.ok_or_else(cut_off)?;
        let mut unpacker = Unpacker::default();
        unpacker.push(&first);
        let header = match unpacker.next_block().map_err(spoilt)? {
            Some(BackupBlock::Header(header)) => *header,
            _ => return Err(cut_off()),
        };
        Ok(Backup {
            _channel: channel,
            receiver,
            unpacker: Some(unpacker),
            header,
            first: Some(first),
            rows: 0,
            summary: None,
        })
    }
}

impl Backup {
    /// Returns the header of the backup.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Returns the number of rows received so far; the header has the total.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the next piece of the file; `None` after the last piece, once the whole
    /// file is verified.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the transfer broke off or the data is corrupt. The
    /// pieces so far are not a valid backup.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(unpacker) = &mut self.unpacker else { return Ok(None) };
        if let Some(piece) = receive(&mut self.receiver).await? {
            unpacker.push(&piece);
            while let Some(block) = unpacker.next_block().map_err(spoilt)? {
                if let BackupBlock::Data { rows, .. } = block {
                    self.rows = rows;
                }
            }
            return Ok(Some(piece));
        }
        if let Some(unpacker) = self.unpacker.take() {
            self.summary = Some(unpacker.finish().map_err(spoilt)?);
        }
        Ok(None)
    }

    /// Returns the summary of the file; `None` until it is complete.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}

async fn receive(receiver: &mut FrameReceiver) -> Result<Option<Bytes>, Error> {
    match timeout(IDLE_MAX, receiver.receive()).await {
        Ok(received) => {
            received.map_err(|error| Error::Unavailable(format!("the backup was interrupted: {error}")))
        }
        Err(_) => Err(Error::Unavailable("the backup stopped: the node sent nothing for 30 s".into())),
    }
}

/// Returns how long to dial the next of `endpoints` that are left.
fn dial_time(left: Duration, endpoints: usize, is_without_quorum: bool) -> Duration {
    let fair = left / u32::try_from(endpoints).unwrap_or(u32::MAX).max(1);
    if is_without_quorum { fair.min(DIAL_MAX) } else { fair }.max(DIAL_MIN)
}

fn unavailable(error: ChannelError) -> Error {
    match error {
        ChannelError::NotSent(NotSentReason::Identity(why)) => Error::Identity(why),
        ChannelError::NotSent(NotSentReason::Closed) => Error::Closed,
        // A backup changes nothing, whether the node received the request or not.
        error => Error::Unavailable(error.to_string()),
    }
}

fn cut_off() -> Error {
    Error::Unavailable("the backup was interrupted".into())
}

fn spoilt(error: BackupError) -> Error {
    Error::Unavailable(format!("the backup arrived corrupt: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_far_away_gets_time_after_another_one_had_no_quorum() {
        for (left_ms, endpoints, is_without_quorum, expected_ms) in [
            (60_000, 3, false, 20_000),
            (60_000, 2, true, 1_500),
            (2_000, 2, true, 1_000),
            (600, 2, true, 500),
            (600, 3, false, 500),
        ] {
            let time = dial_time(Duration::from_millis(left_ms), endpoints, is_without_quorum);
            assert_eq!(time.as_millis(), expected_ms, "{left_ms} ms for {endpoints}");
        }
    }
}
