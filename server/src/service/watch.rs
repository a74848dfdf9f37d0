//! Watches: requests that wait for changes of keys.
//!
//! A client asks for the changes after a revision, and is answered once there are some, or after a while
//! with the revision up to which there were none; then it asks again. So the node keeps nothing for a client
//! but the request that waits, and a slow client costs nothing. Guards that no change is left out: the
//! cursor of a response is the revision up to which all changes are in it, or were in one before.

use std::time::Duration;

use coffee_common::{
    budget::ByteCharge,
    id::Revision,
    limits::{CHANGES_BYTES_MAX, WATCH_WAIT_MS_MAX},
    protocol::{ChangeKinds, ChangeView, Consistency, Rejection, Response, WatchSpec},
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    held::OutgoingResponse,
    read::UNCHARGED_BYTES_MAX,
    session::{AdmittedRequest, Session},
};
use crate::{
    kv::{ChangeFilter, ReadChange},
    metrics::ClientLimit,
    ops::reads::{ChangesAfter, FreshState, is_reached},
};

/// A request to watch.
pub(crate) struct WatchRequest {
    pub(crate) spec: WatchSpec,
    pub(crate) after: Option<Revision>,
    pub(crate) wait_ms: u32,
    pub(crate) consistency: Consistency,
}

/// The response of a watch is sent so long before the request's deadline.
const MARGIN: Duration = Duration::from_millis(100);

/// Carries out a watch.
pub(crate) async fn serve(
    session: &Session,
    admitted: &mut AdmittedRequest,
    request: &WatchRequest,
) -> OutgoingResponse {
    let Some(slots) = session.enter_watch(&request.spec.range) else {
        return Err(session.overloaded(ClientLimit::Watches)).into();
    };
    // It may wait for long, and other requests must not wait for it.
    admitted.wait_as_watch(slots);
    let node = &session.service.node;
    let _open = node.metrics().watches.open.hold(1);
    tokio::select! {
        biased;
        response = changes(session, request, admitted.deadline) => {
            response.unwrap_or_else(|rejection| Err(rejection).into())
        }
        () = session.link.closed() => Err(session.disconnected()).into(),
        () = node.stopping() => Err(session.stopping()).into(),
    }
}

async fn changes(
    session: &Session,
    request: &WatchRequest,
    deadline: Instant,
) -> Result<OutgoingResponse, Rejection> {
    let wait = Duration::from_millis(request.wait_ms.min(WATCH_WAIT_MS_MAX).into());
    let now = Instant::now();
    let deadline = now + deadline.saturating_duration_since(now).saturating_sub(MARGIN);
    let until = deadline.min(now + wait);
    let fresh = session.service.reads.fresh(request.consistency, deadline).await?;
    fresh.check_history()?;
    let Some(mut after) = request.after else {
        return Ok(nothing_upto(fresh.applied()));
    };
    planted!("watch-event-doubled", after = Revision(after.0.saturating_sub(1)));
    if request.consistency == Consistency::Linearizable {
        // The cursor of another cluster, or of one that has lost its end: changes would be skipped.
        is_reached(after, fresh.applied())?;
    }
    let metrics = &session.service.node.metrics().watches;
    let node = &session.service.node;
    let beat = |upto| {
        // A node that is cut off would say so for ever, while others know more.
        if request.wait_ms > 0 && !fresh.hears_leader(node.lease()) {
            return Err(Rejection::Unavailable(format!("{} hears no leader", node.name())));
        }
        metrics.beats.increment();
        Ok(nothing_upto(upto))
    };
    if fresh.applied() < after {
        // This node has applied less than the one that the client asked before.
        let mut reached = fresh.wait_for_revision(after);
        if fresh.applied() < after && timeout_at(until, reached.changed()).await.is_err() {
            return beat(after);
        }
    }
    let filter = filter(&request.spec);
    loop {
        let mut wait = fresh.wait_for_change(&filter.range);
        if after < fresh.applied() {
            let (found, charge) = page(session, &fresh, after, &filter, deadline).await?;
            if !found.page.changes.is_empty() || !found.all {
                metrics.events.add(found.page.changes.len() as u64);
                let changes = found.page.changes.into_iter().map(view).collect();
                let result = Ok(Response::Changes { changes, upto: found.upto });
                return Ok(OutgoingResponse { result, charge });
            }
            after = found.upto;
        }
        let changed = tokio::select! {
            biased;
            changed = wait.changed() => changed,
            () = sleep_until(until) => match wait.end() {
                Ok(told) => return beat(after.max(told)),
                Err(changed) => changed,
            },
        };
        // Nothing of the range has changed before.
        after = after.max(Revision(changed.0.saturating_sub(1)));
    }
}

/// Reads changes: the next ones at once, and more of them on another thread, if it lags. The client's share
/// must have room for the most that there may be.
async fn page(
    session: &Session,
    fresh: &FreshState,
    after: Revision,
    filter: &ChangeFilter,
    deadline: Instant,
) -> Result<(ChangesAfter, Option<ByteCharge>), Rejection> {
    let client = session.share();
    let overloaded = || session.overloaded(ClientLimit::ResponseBytes);
    let mut begin = after;
    if client.response_bytes.has_room(CHANGES_BYTES_MAX) {
        let found = fresh.next_changes(after, filter)?;
        if found.all || !found.page.changes.is_empty() {
            let charge = match found.page.bytes {
                0..=UNCHARGED_BYTES_MAX => None,
                bytes => {
                    Some(client.response_bytes.take_until(bytes, deadline).await.ok_or_else(overloaded)?)
                }
            };
            return Ok((found, charge));
        }
        begin = found.upto;
    }
    let Ok(Ok(_permit)) = timeout_at(deadline, client.ranges.acquire()).await else {
        return Err(session.overloaded(ClientLimit::RangeReads));
    };
    session.service.node.metrics().watches.catch_ups.increment();
    let charge = client.response_bytes.take_until(CHANGES_BYTES_MAX, deadline).await;
    let mut charge = charge.ok_or_else(overloaded)?;
    let found = timeout_at(deadline, fresh.changes(begin, filter)).await;
    let found = found.map_err(|_| session.overloaded(ClientLimit::RangeReads))??;
    charge.shrink_to(found.page.bytes);
    Ok((found, Some(charge)))
}

fn nothing_upto(upto: Revision) -> OutgoingResponse {
    Ok(Response::Changes { changes: Vec::new(), upto }).into()
}

fn filter(spec: &WatchSpec) -> ChangeFilter {
    ChangeFilter {
        range: spec.range.clone(),
        sets: spec.kinds != ChangeKinds::Deletes,
        deletes: spec.kinds != ChangeKinds::Sets,
        with_values: !spec.keys_only,
        with_previous: spec.with_previous,
    }
}

fn view(change: ReadChange) -> ChangeView {
    let ReadChange { revision, key, entry, previous, previous_entry, origin } = change;
    let author = String::from_utf8_lossy(&origin.author).into_owned();
    ChangeView { revision, key, entry, previous, previous_entry, at_ms: origin.at_ms, author }
}
