//! The requests of one channel: callers waiting for a response, and frames to
//! write.
//!
//! Pure except for its lock: no network, no clock. Guards that a request is either
//! *queued* (it can be withdrawn without a trace) or *possibly sent*, that at most
//! [`REQUESTS_IN_FLIGHT_MAX`] are possibly sent, and that their bytes stay within
//! what the node accepts.
//!
//! The backlog is served newest first: the newest request has the most time left,
//! and the oldest would be answered after its caller gave up (Maurer, "Fail at
//! Scale", ACM Queue 13(8), 2015).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use coffee_common::{
    limits::{REQUEST_BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX, SHARED_FRAME_BYTES_MAX},
    protocol::{Rejection, ResponseFrame},
    window::{Sign, Taken, Window},
};
use tokio::sync::oneshot;

use super::ChannelError;
use crate::error::NotSentReason;

/// The id of probes, which have no waiting caller.
pub(super) const PROBE_ID: u64 = 0;

pub(super) type ResponseReceiver = oneshot::Receiver<Result<ResponseFrame, ChannelError>>;

/// The requests of one channel.
#[derive(Debug, Default)]
pub(super) struct RequestTable(Mutex<TableState>);

#[derive(Debug)]
struct TableState {
    /// The waiting callers, by request id.
    waiting: BTreeMap<u64, PendingCaller>,
    /// Requests that the writer takes next, in order.
    queue: Vec<QueuedRequest>,
    /// Requests that do not fit into the in-flight limits yet, in order.
    backlog: BTreeMap<u64, Bytes>,
    /// Number of callers that wait for a response soon.
    callers: usize,
    /// Number of unanswered requests that are queued or sent.
    in_flight: usize,
    /// Limits the bytes of in-flight requests on the shared stream.
    window: Window,
    /// Why the channel has ended; `None` while it is open.
    ended: Option<String>,
}

#[derive(Debug)]
struct PendingCaller {
    sender: oneshot::Sender<Result<ResponseFrame, ChannelError>>,
    /// The request's share of the window; `None` in the backlog or on its own stream.
    taken: Option<Taken>,
    /// Whether the request counts as in flight.
    in_flight: bool,
}

#[derive(Debug)]
struct QueuedRequest {
    id: u64,
    frame: Bytes,
}

impl Default for TableState {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            queue: Vec::new(),
            backlog: BTreeMap::new(),
            callers: 0,
            in_flight: 0,
            window: Window::new(SHARED_FRAME_BYTES_MAX..=REQUEST_BYTES_IN_FLIGHT_MAX),
            ended: None,
        }
    }
}

impl RequestTable {
    /// Queues a request. The flag tells whether a caller was waiting already.
    pub(super) fn queue(&self, id: u64, frame: Bytes) -> Result<(ResponseReceiver, bool), ChannelError> {
        let mut state = self.lock();
        let (answered, busy) = state.wait(id)?;
        state.backlog.insert(id, frame);
        state.admit_backlog();
        Ok((answered, busy))
    }

    /// Queues a request that the node answers after a while, ahead of all limits: it is not in flight. The
    /// flag tells whether a caller was waiting already.
    pub(super) fn queue_waiting(
        &self,
        id: u64,
        frame: Bytes,
    ) -> Result<(ResponseReceiver, bool), ChannelError> {
        let mut state = self.lock();
        let waiting = state.wait(id)?;
        state.callers -= 1;
        if let Some(caller) = state.waiting.get_mut(&id) {
            caller.in_flight = false;
        }
        state.queue.push(QueuedRequest { id, frame });
        Ok(waiting)
    }

    /// Registers a caller whose request travels on its own stream. The flag tells
    /// whether a caller was waiting already.
    pub(super) fn wait(&self, id: u64) -> Result<(ResponseReceiver, bool), ChannelError> {
        let mut state = self.lock();
        let waiting = state.wait(id)?;
        state.in_flight += 1;
        Ok(waiting)
    }

    /// Queues a frame whose response is not awaited.
    pub(super) fn push(&self, frame: Bytes) {
        let mut state = self.lock();
        if state.ended.is_none() {
            state.queue.push(QueuedRequest { id: PROBE_ID, frame });
        }
    }

    /// Takes all queued frames; from here on they may have been sent. Returns whether
    /// there were any.
    pub(super) fn take(&self, frames: &mut Vec<Bytes>) -> bool {
        frames.extend(self.lock().queue.drain(..).map(|queued| queued.frame));
        !frames.is_empty()
    }

    /// Hands a response to its caller. Returns whether there is now more to write.
    pub(super) fn answer(&self, reply: ResponseFrame) -> bool {
        let mut state = self.lock();
        let Some(caller) = state.waiting.remove(&reply.id) else { return false };
        let overloaded = matches!(reply.result, Err(Rejection::Overloaded));
        let PendingCaller { sender, taken, in_flight } = caller;
        let sign = if overloaded { Sign::Congested } else { Sign::Clear };
        state.callers -= usize::from(in_flight);
        let more = in_flight && state.release(taken, sign);
        drop(state);
        // Fails only if the caller is gone.
        let _ = sender.send(Ok(reply));
        more
    }

    /// Withdraws a request. Returns whether it was certainly not sent.
    pub(super) fn withdraw(&self, id: u64) -> bool {
        let mut state = self.lock();
        let Some(PendingCaller { taken, in_flight, .. }) = state.waiting.remove(&id) else { return false };
        state.callers -= usize::from(in_flight);
        if state.backlog.remove(&id).is_some() {
            return true;
        }
        let queued = state.queue.iter().position(|queued| queued.id == id);
        if let Some(position) = queued {
            state.queue.remove(position);
        }
        if in_flight {
            state.release(taken, Sign::Silent);
        }
        queued.is_some()
    }

    /// Returns whether no caller waits for a response soon. Those of [`Self::queue_waiting`] learn of a lost
    /// connection from QUIC alone.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().callers == 0
    }

    /// Returns whether requests are queued for writing.
    pub(super) fn has_queued(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Ends the table and fails all waiting callers: queued requests as not sent, all
    /// others as lost.
    pub(super) fn end(&self, reason: &str) {
        let mut state = self.lock();
        state.ended.get_or_insert_with(|| reason.to_owned());
        let unsent: Vec<QueuedRequest> = std::mem::take(&mut state.queue);
        let backlog = std::mem::take(&mut state.backlog);
        let mut waiting = std::mem::take(&mut state.waiting);
        (state.callers, state.in_flight) = (0, 0);
        drop(state);
        for id in unsent.into_iter().map(|queued| queued.id).chain(backlog.into_keys()) {
            if let Some(PendingCaller { sender, .. }) = waiting.remove(&id) {
                let _ = sender.send(Err(not_sent(reason)));
            }
        }
        for PendingCaller { sender, .. } in waiting.into_values() {
            let _ = sender.send(Err(ChannelError::Lost(reason.to_owned())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, TableState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TableState {
    fn wait(&mut self, id: u64) -> Result<(ResponseReceiver, bool), ChannelError> {
        if let Some(reason) = &self.ended {
            return Err(not_sent(reason));
        }
        let busy = self.callers > 0;
        self.callers += 1;
        let (sender, answered) = oneshot::channel();
        self.waiting.insert(id, PendingCaller { sender, taken: None, in_flight: true });
        Ok((answered, busy))
    }

    /// Releases an in-flight slot and admits requests from the backlog. Returns whether
    /// any were admitted.
    fn release(&mut self, taken: Option<Taken>, sign: Sign) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(taken) = taken {
            self.window.give_back(taken, sign);
        }
        self.admit_backlog()
    }

    /// Queues as much of the backlog as fits. Returns whether anything was queued.
    fn admit_backlog(&mut self) -> bool {
        let mut moved = false;
        while self.in_flight < REQUESTS_IN_FLIGHT_MAX
            && let Some(newest) = self.backlog.last_entry()
            && let Some(taken) = self.window.take(newest.get().len())
        {
            let (id, frame) = newest.remove_entry();
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.taken = Some(taken);
            }
            self.in_flight += 1;
            self.queue.push(QueuedRequest { id, frame });
            moved = true;
        }
        moved
    }
}

fn not_sent(reason: &str) -> ChannelError {
    ChannelError::NotSent(NotSentReason::Unreachable(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(id: u64) -> ResponseFrame {
        ResponseFrame {
            id,
            leader: None,
            result: Ok(coffee_common::protocol::Response::Done { changed: true }),
        }
    }

    fn queue(table: &RequestTable, id: u64) -> ResponseReceiver {
        table.queue(id, Bytes::from(id.to_string())).expect("open").0
    }

    fn taken(table: &RequestTable) -> Vec<Bytes> {
        let mut frames = Vec::new();
        table.take(&mut frames);
        frames
    }

    #[test]
    fn answers_find_their_askers_in_any_order() {
        let table = RequestTable::default();
        let (mut one, mut two) = (queue(&table, 1), queue(&table, 2));
        assert_eq!(taken(&table), ["1", "2"]);
        table.answer(reply(2));
        table.answer(reply(9));
        assert_eq!(two.try_recv(), Ok(Ok(reply(2))));
        assert!(one.try_recv().is_err());
        assert!(!table.is_idle());
        table.answer(reply(1));
        assert!(table.is_idle());
    }

    #[test]
    fn the_end_tells_apart_what_was_sent() {
        let table = RequestTable::default();
        let mut sent = queue(&table, 1);
        taken(&table);
        let mut own = table.wait(2).expect("open").0;
        let mut queued = queue(&table, 3);
        table.end("cut off");
        assert!(matches!(sent.try_recv(), Ok(Err(ChannelError::Lost(_)))));
        assert!(matches!(own.try_recv(), Ok(Err(ChannelError::Lost(_)))));
        assert!(matches!(queued.try_recv(), Ok(Err(ChannelError::NotSent(_)))));
        assert!(matches!(table.queue(4, Bytes::new()), Err(ChannelError::NotSent(_))));
    }

    #[test]
    fn only_what_is_still_queued_can_be_taken_back_unsent() {
        let table = RequestTable::default();
        let _ = (queue(&table, 1), queue(&table, 2));
        assert!(table.withdraw(1));
        assert_eq!(taken(&table), ["2"]);
        assert!(!table.withdraw(2));
        assert!(!table.withdraw(2), "twice does no harm");
        assert!(table.is_idle());
    }

    /// In a list, each of these would move all that follow.
    #[test]
    fn a_long_backlog_that_times_out_from_the_oldest_on_is_withdrawn_quickly() {
        let table = RequestTable::default();
        let last = 200_000;
        let callers: Vec<_> = (0..last).map(|id| queue(&table, id)).collect();
        let sent = taken(&table).len() as u64;
        assert!((0..last).all(|id| table.withdraw(id) == (id >= sent)));
        assert!(table.is_idle());
        drop(callers);
    }

    #[test]
    fn what_is_in_flight_is_bounded_and_the_rest_moves_up() {
        let table = RequestTable::default();
        let max = REQUESTS_IN_FLIGHT_MAX as u64;
        let askers: Vec<_> = (0..max + 2).map(|id| queue(&table, id)).collect();
        assert_eq!(taken(&table).len(), REQUESTS_IN_FLIGHT_MAX);
        assert!(table.answer(reply(0)), "one moves up");
        assert_eq!(taken(&table), [(max + 1).to_string()], "the newest");
        assert!(table.withdraw(max), "out of the backlog");
        assert!(!table.answer(reply(1)), "none is left to move up");
        drop(askers);
    }

    #[test]
    fn a_request_that_waits_is_not_in_flight() {
        let table = RequestTable::default();
        let max = REQUESTS_IN_FLIGHT_MAX as u64;
        let waits: Vec<_> =
            (0..2 * max).map(|id| table.queue_waiting(id, Bytes::new()).expect("open").0).collect();
        assert_eq!(taken(&table).len(), 2 * REQUESTS_IN_FLIGHT_MAX);
        assert!(table.is_idle(), "nothing is expected soon");
        let asked: Vec<_> = (2 * max..3 * max + 1).map(|id| queue(&table, id)).collect();
        assert_eq!(taken(&table).len(), REQUESTS_IN_FLIGHT_MAX, "all that may be in flight");
        assert!(!table.answer(reply(0)) && !table.withdraw(1), "neither makes room");
        assert!(table.answer(reply(3 * max)), "this one does");
        drop((waits, asked));
    }

    #[test]
    fn an_overloaded_rejection_halves_the_bytes_in_flight() {
        const FRAME: usize = 16 << 10;
        let table = RequestTable::default();
        let ask = |id| table.queue(id, Bytes::from(vec![0; FRAME])).expect("open").0;
        let answer = |ids: std::ops::Range<u64>, overloaded: bool| {
            for id in ids {
                let result = if overloaded { Err(Rejection::Overloaded) } else { reply(id).result };
                table.answer(ResponseFrame { result, ..reply(id) });
            }
            taken(&table).len()
        };
        let askers: Vec<_> = (0..100).map(ask).collect();
        let first = taken(&table).len();
        assert_eq!(first * FRAME, SHARED_FRAME_BYTES_MAX, "no more at first");
        let in_flight = answer(0..first as u64, false);
        assert_eq!(in_flight, 2 * first, "the double after each round");
        let newest = 100 - in_flight as u64..100;
        assert_eq!(answer(newest, true), in_flight / 2, "and half as many");
        drop(askers);
    }
}
