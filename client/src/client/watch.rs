//! Watches: the changes of keys, in order, nothing skipped.
//!
//! A watch asks a node for the changes after a revision, again and again, and goes to another node when one
//! fails. Guards that its cursor moves only past changes that were returned, so that it continues without a
//! gap after any failure.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    protocol::{ChangeKinds, ChangeView, Consistency, Rejection, Request, Response, WatchSpec},
};
use futures_util::{Stream, future::BoxFuture, stream};

use super::Client;
use crate::{
    channel::{ChannelError, Health},
    error::{Error, NotSentReason},
    routing::RouteTarget,
    shared::ClientShared,
    timing,
};

/// How long a node waits for changes before it says that there are none.
const BEAT: Duration = Duration::from_secs(5);

/// How much longer a response may take.
const SLACK: Duration = Duration::from_secs(5);

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Options of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchOptions {
    /// Only changes after this revision: that of a read, or the cursor of an earlier watch. `None` for those
    /// after the watch begins.
    pub after: Option<Revision>,
    /// Which changes are returned.
    pub kinds: ChangeKinds,
    /// Leaves the values out.
    pub without_values: bool,
    /// Adds the entries before the changes. Those of a revision are left out as far as they do not fit a
    /// response (1 MiB) with its changes: [`KeyChange::previous`] says that there was one.
    pub with_previous: bool,
    /// Begins at the state of the node that is asked first, which may lag, instead of the newest one.
    pub local: bool,
}

/// An event of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// All changes of a revision that the watch is about.
    Changes(RevisionChanges),
    /// There is no other change up to this revision. The first event of a watch that begins with the present
    /// state is its revision; later ones come every few seconds without changes.
    Beat(Revision),
}

/// The changes of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionChanges {
    /// The revision.
    pub revision: Revision,
    /// When they were made, by the wall clock of the leader of that time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The role and the name of the client that made them, such as `writer till`; empty if that is not known.
    pub author: String,
    /// The changes, one per key.
    pub changes: Vec<KeyChange>,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub key: Key,
    /// The key from then on; `None` if it was deleted. The value is empty with
    /// [`WatchOptions::without_values`].
    pub entry: Option<Entry>,
    /// The revision of the key before; `None` if it did not exist.
    pub previous: Option<Revision>,
    /// The key before, if that was asked for and existed; `None` also if it was left out.
    pub previous_entry: Option<Entry>,
}

/// Changes after a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesPage {
    /// The changes, by revision, in order. There may be none, although there are more after `upto`.
    pub changes: Vec<RevisionChanges>,
    /// All changes up to this revision are on this page: read the next one after it.
    pub upto: Revision,
}

/// A watch: see [`Client::watch`]. Dropping it ends it.
pub struct Watch {
    client: Client,
    spec: WatchSpec,
    after: Option<Revision>,
    /// Whether a node still has to be as fresh as the newest one.
    linearizable: bool,
    /// Events that were received, and are not returned yet.
    received: VecDeque<WatchEvent>,
    /// All changes up to this revision were returned, once those in `received` are.
    upto: Option<Revision>,
    /// The attempt under way, which a call of [`Watch::next`] that was dropped leaves to the next one.
    attempt: Option<BoxFuture<'static, AttemptResult>>,
    /// The number of the node that is asked.
    turn: usize,
    failures: u32,
    /// How many attempts in a row no repetition would help.
    refusals: usize,
}

/// Changes, and the revision up to which they are all that there are.
type AttemptResult = Result<(Vec<ChangeView>, Revision), AttemptEnd>;

/// How an attempt at a node ended without changes.
enum AttemptEnd {
    /// Another node may answer, or this one later.
    Failed,
    /// This node will not answer. Others may.
    Refused(Error),
    /// No node will answer.
    Final(Error),
}

/// An attempt at a node.
struct Attempt {
    shared: Arc<ClientShared>,
    request: Request,
    turn: usize,
    pause: Duration,
}

impl Client {
    /// Watches a range of keys: returns their changes, in order, each once and none left out, for as long as
    /// the history has those that were not returned yet. Goes on through failures of nodes and connections.
    pub fn watch(&self, range: KeyRange, options: WatchOptions) -> Watch {
        let WatchOptions { after, kinds, without_values, with_previous, local } = options;
        Watch {
            client: self.clone(),
            spec: WatchSpec { range, kinds, keys_only: without_values, with_previous },
            after,
            linearizable: !local,
            received: VecDeque::new(),
            upto: None,
            attempt: None,
            turn: self.shared.cache.roll() as usize,
            failures: 0,
            refusals: 0,
        }
    }
}

impl Client {
    /// Reads one page of changes after a revision, without waiting for any. The last page is the one whose
    /// [`ChangesPage::upto`] is the revision that the cluster has reached. [`WatchOptions::after`] does not
    /// matter.
    ///
    /// # Errors
    /// As [`Client::get_at`].
    pub async fn changes(
        &self,
        range: KeyRange,
        after: Revision,
        options: WatchOptions,
    ) -> Result<ChangesPage, Error> {
        range.check()?;
        let WatchOptions { kinds, without_values, with_previous, local, .. } = options;
        let request = Request::Watch {
            spec: WatchSpec { range, kinds, keys_only: without_values, with_previous },
            after: Some(after),
            wait_ms: 0,
            consistency: if local { Consistency::Local } else { Consistency::Linearizable },
        };
        match self.ask(request).await? {
            Response::Changes { changes, upto } => Ok(ChangesPage { changes: by_revision(changes), upto }),
            _ => Err(Error::misfit()),
        }
    }
}

impl Watch {
    /// Waits for the next event. Cancel safe: a call that is dropped leaves its question to the next one.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the history no longer has the changes after the cursor: read the range again,
    /// and watch from that revision on. [`Error::Invalid`] if the cluster has not reached the revision that
    /// the watch begins after. [`Error::Refused`] or [`Error::Unsupported`] if the cluster keeps no history
    /// yet, [`Error::Denied`] if the role does not allow it, [`Error::Identity`] or [`Error::OtherCluster`] if
    /// no endpoint is one of the cluster. [`Error::Closed`] after [`Client::close`]. An unavailable cluster is
    /// waited for.
    pub async fn next(&mut self) -> Result<WatchEvent, Error> {
        loop {
            if let Some(event) = self.received.pop_front() {
                self.after = match &event {
                    _ if self.received.is_empty() => self.upto.max(self.after),
                    WatchEvent::Changes(changes) => Some(changes.revision),
                    WatchEvent::Beat(upto) => Some(*upto),
                };
                return Ok(event);
            }
            let attempt = match &mut self.attempt {
                Some(attempt) => attempt,
                None => {
                    let attempt = self.new_attempt()?;
                    self.attempt.insert(Box::pin(attempt.run()))
                }
            };
            let end = attempt.await;
            self.attempt = None;
            match end {
                Ok((changes, upto)) => {
                    (self.failures, self.refusals) = (0, 0);
                    self.receive(changes, upto);
                }
                Err(AttemptEnd::Final(error)) => return Err(error),
                Err(AttemptEnd::Refused(error)) => {
                    self.refusals += 1;
                    if self.refusals >= self.client.shared.cache.routes().targets().len() {
                        return Err(error);
                    }
                    self.turn = self.turn.wrapping_add(1);
                }
                Err(AttemptEnd::Failed) => {
                    self.refusals = 0;
                    self.turn = self.turn.wrapping_add(1);
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
    }

    /// The revision up to which all changes were returned; `None` before the first event of a watch that
    /// begins with the present state. A watch with it as [`WatchOptions::after`] continues this one, at any
    /// node.
    pub fn cursor(&self) -> Option<Revision> {
        self.after
    }

    /// Returns the events as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<WatchEvent, Error>> + Send {
        stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            let event = watch.next().await;
            let rest = event.is_ok().then_some(watch);
            Some((event, rest))
        })
    }

    fn new_attempt(&self) -> Result<Attempt, Error> {
        self.spec.range.check()?;
        let shared = Arc::clone(&self.client.shared);
        let consistency = if self.linearizable { Consistency::Linearizable } else { Consistency::Local };
        let request = Request::Watch {
            spec: self.spec.clone(),
            after: self.after,
            wait_ms: u32::try_from(BEAT.as_millis()).unwrap_or(u32::MAX),
            consistency,
        };
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => timing::watch_pause(failures - 1, shared.cache.roll()),
        };
        Ok(Attempt { shared, request, turn: self.turn, pause })
    }

    fn receive(&mut self, changes: Vec<ChangeView>, upto: Revision) {
        self.linearizable = false;
        if changes.is_empty() {
            // A node may have looked at a part of a long history without a change.
            self.after = Some(upto).max(self.after);
            self.upto = self.after;
            self.received.push_back(WatchEvent::Beat(self.after.unwrap_or(upto)));
            return;
        }
        self.received.extend(by_revision(changes).into_iter().map(WatchEvent::Changes));
        self.upto = Some(upto);
    }
}

impl Attempt {
    /// Asks the node for changes, and waits for its response.
    async fn run(self) -> AttemptResult {
        tokio::time::sleep(self.pause).await;
        let targets = self.shared.cache.routes().targets();
        let Some(target) = targets.get(self.turn % targets.len().max(1)) else {
            return Err(AttemptEnd::Final(Error::Setup("there are no endpoints".into())));
        };
        let expect = target.expect();
        let dial = self.shared.pool.channel(&target.address, &expect);
        let channel = match tokio::time::timeout(CONNECT_WITHIN, dial).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(of_channel(error)),
            Err(_) => return Err(AttemptEnd::Failed),
        };
        let asked = channel.ask_and_wait(&self.request, self.shared.cache.cluster().into(), BEAT + SLACK);
        let mut health = channel.health();
        let reply = tokio::select! {
            reply = asked => reply.map_err(of_channel)?,
            // An error means that the channel is gone.
            _ = health.wait_for(|health| *health != Health::Well) => return Err(AttemptEnd::Failed),
        };
        self.shared.cache.answered(&target.address, &reply);
        match reply.result {
            Ok(Response::Changes { changes, upto }) => Ok((changes, upto)),
            Ok(_) => Err(AttemptEnd::Final(Error::misfit())),
            Err(rejection) => Err(self.rejected(target, rejection)),
        }
    }

    fn rejected(&self, target: &RouteTarget, rejection: Rejection) -> AttemptEnd {
        match rejection {
            Rejection::NoCluster { joining: true, .. } => {
                // Its next welcome names the cluster.
                self.shared.pool.renew(&target.address);
                AttemptEnd::Failed
            }
            Rejection::Unavailable(_)
            | Rejection::Overloaded
            | Rejection::NoQuorum { .. }
            | Rejection::Unknown(_) => AttemptEnd::Failed,
            // A node that has just joined may not know yet which level the cluster has.
            rejection @ (Rejection::NoCluster { .. }
            | Rejection::OtherCluster { .. }
            | Rejection::LeftOut { .. }
            | Rejection::Refused { .. }
            | Rejection::Unsupported(_)) => AttemptEnd::Refused(Error::rejected(rejection)),
            rejection => AttemptEnd::Final(Error::rejected(rejection)),
        }
    }
}

fn of_channel(error: ChannelError) -> AttemptEnd {
    match error {
        ChannelError::NotSent(NotSentReason::Unfit(why)) => AttemptEnd::Final(Error::Invalid(why)),
        ChannelError::NotSent(NotSentReason::Identity(why)) => AttemptEnd::Refused(Error::Identity(why)),
        ChannelError::NotSent(NotSentReason::Closed) => AttemptEnd::Final(Error::Closed),
        ChannelError::NotSent(NotSentReason::OtherCluster(why)) => {
            AttemptEnd::Refused(Error::OtherCluster(why))
        }
        ChannelError::NotSent(NotSentReason::Version(why)) => AttemptEnd::Refused(Error::Unsupported(why)),
        _ => AttemptEnd::Failed,
    }
}

/// The changes, by revision.
fn by_revision(changes: Vec<ChangeView>) -> Vec<RevisionChanges> {
    let mut revisions: Vec<RevisionChanges> = Vec::new();
    for ChangeView { revision, key, entry, previous, previous_entry, at_ms, author } in changes {
        let change = KeyChange { key, entry, previous, previous_entry };
        match revisions.last_mut().filter(|last| last.revision == revision) {
            Some(last) => last.changes.push(change),
            None => revisions.push(RevisionChanges { revision, at_ms, author, changes: vec![change] }),
        }
    }
    revisions
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("spec", &self.spec).field("after", &self.after).finish_non_exhaustive()
    }
}
