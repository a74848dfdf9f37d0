//! Backups: a node's whole state as a file, piece by piece.

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

/// A node has at least this long to be reached, where there are others to ask.
const DIAL_MIN: Duration = Duration::from_millis(500);

/// A backup on its way: the pieces of its file, in order.
///
/// Every piece is verified as it passes. Only where [`Backup::next`] has given
/// `None` are they the whole file. Dropped, it breaks the backup off.
pub struct Backup {
    /// Holds the connection.
    _channel: Channel,
    receiver: FrameReceiver,
    unpacker: Option<Unpacker>,
    header: BackupHeader,
    first: Option<Bytes>,
    rows: u64,
    summary: Option<Summary>,
}

impl Client {
    /// Begins a backup of the first endpoint that can give one; a linearizable
    /// one holds every write that was acknowledged before. The client's timeout
    /// bounds what it takes to begin; after that it may take any time, as long
    /// as something comes. Takes the role `admin`.
    pub async fn backup(&self, consistency: Consistency) -> Result<Backup, Error> {
        let deadline = Instant::now() + self.timeout;
        let targets = self.shared.cache.routes().targets();
        let mut failed = Error::Unavailable("there is no endpoint".into());
        for (n, target) in targets.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let fair = left / u32::try_from(targets.len() - n).unwrap_or(u32::MAX);
            let dial_until = deadline.min(Instant::now() + fair.max(DIAL_MIN));
            match self.backup_of(target, consistency, dial_until, deadline).await {
                Err(error @ (Error::Unavailable(_) | Error::Identity(_))) => failed = error,
                settled => return settled,
            }
        }
        Err(failed)
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
                Err(ChannelError::NotSent(NotSentReason::Unreachable(format!("{address} is silent"))))
            })
            .map_err(unavailable)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let (reply, mut receiver) =
            channel.ask_for_file(&Request::Backup { consistency }, left).await.map_err(unavailable)?;
        match reply.result {
            Ok(Response::Backup) => {}
            Ok(_) => return Err(Error::misfit()),
            // Nothing was in doubt: it changes nothing.
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
    /// What it says of itself.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// How many rows have come: of those in the header.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next piece of the file; `None` behind the last one, when all of it
    /// was found to be whole.
    ///
    /// # Errors
    /// It broke off, or is spoilt: what has come so far is no backup.
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

    /// What is known of the whole file, once all of it has come.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}

async fn receive(receiver: &mut FrameReceiver) -> Result<Option<Bytes>, Error> {
    match timeout(IDLE_MAX, receiver.receive()).await {
        Ok(received) => {
            received.map_err(|error| Error::Unavailable(format!("the backup broke off: {error}")))
        }
        Err(_) => Err(Error::Unavailable("the backup broke off: nothing comes any more".into())),
    }
}

fn unavailable(error: ChannelError) -> Error {
    match error {
        ChannelError::NotSent(NotSentReason::Identity(why)) => Error::Identity(why),
        // It changes nothing, whether the node has heard of it or not.
        error => Error::Unavailable(error.to_string()),
    }
}

fn cut_off() -> Error {
    Error::Unavailable("the backup broke off".into())
}

fn spoilt(error: BackupError) -> Error {
    Error::Unavailable(format!("the backup was spoilt on its way: {error}"))
}
