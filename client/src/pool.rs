//! Channels by address: dialled on demand, one dial at a time for an address,
//! shared by all who ask.
//!
//! Knows no retry and no leader; tells an observer what becomes of each
//! channel. A channel that has ended is forgotten at once, and dialled anew
//! when somebody next wants it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use coffee_common::{
    id::Address,
    protocol::{Identity, Request, ResponseFrame},
    quic::{Endpoint, Expect},
    tls::Credentials,
};
use tokio::sync::watch;

use crate::{
    channel::{Channel, ChannelError, Health},
    error::NotSentReason,
};

/// Channels by address. Cheap to clone; when the last clone is dropped, so are the channels.
#[derive(Clone)]
pub struct Pool(Arc<PoolShared>);

struct PoolShared {
    endpoint: Endpoint,
    slots: Mutex<BTreeMap<Address, PoolSlot>>,
    observer: Option<Observer>,
}

/// Is told what becomes of the channels of a pool.
pub(crate) type Observer = Box<dyn Fn(&Address, ChannelEvent<'_>) + Send + Sync>;

/// What became of a channel.
pub(crate) enum ChannelEvent<'a> {
    /// It was opened.
    Opened(&'a Channel),
    /// It could not be opened.
    Failed,
    /// Its node is silent, or is not any more.
    Now(Health),
}

enum PoolSlot {
    Dialling(PendingDial),
    Open(Channel),
}

type PendingDial = watch::Receiver<Option<Result<Channel, ChannelError>>>;

impl Pool {
    /// Dials with `endpoint`, and thereby with its credentials.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(Arc::new(PoolShared { endpoint, slots: Mutex::default(), observer: None }))
    }

    pub(crate) fn observed(endpoint: Endpoint, observer: Observer) -> Self {
        Self(Arc::new(PoolShared { endpoint, slots: Mutex::default(), observer: Some(observer) }))
    }

    /// What it dials over.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// What it dials with, at present.
    pub fn credentials(&self) -> Credentials {
        self.0.endpoint.credentials()
    }

    /// The channel to `address`, dialled if need be. A dial goes on when its
    /// waiter is dropped: the next one finds it done.
    pub async fn channel(&self, address: &Address, expect: &Expect) -> Result<Channel, ChannelError> {
        let channel = match self.open_or_dial(address, expect) {
            Ok(channel) => channel,
            Err(mut dial) => match dial.wait_for(Option::is_some).await {
                Ok(result) => result.clone().unwrap_or_else(|| Err(abandoned()))?,
                Err(_) => return Err(abandoned()),
            },
        };
        check(&channel, address, expect)?;
        Ok(channel)
    }

    /// The channel to `address`, if it is open and its node shows signs of life.
    pub fn ready(&self, address: &Address, expect: &Expect) -> Option<Channel> {
        match self.0.slots().get(address) {
            Some(PoolSlot::Open(channel)) if channel.is_well() => Some(channel),
            _ => None,
        }
        .filter(|channel| check(channel, address, expect).is_ok())
        .cloned()
    }

    /// Whether [`Pool::ready`] has a channel to `address`, whoever is there.
    pub(crate) fn is_ready(&self, address: &Address) -> bool {
        matches!(self.0.slots().get(address), Some(PoolSlot::Open(channel)) if channel.is_well())
    }

    /// Sees to it that the address gets dialled, and does not wait.
    pub(crate) fn dial(&self, address: &Address, expect: &Expect) {
        let _ = self.open_or_dial(address, expect);
    }

    /// Asks the node at `address` once, within `timeout`, dialling included.
    /// The error says whether the node may have received it.
    pub async fn ask(
        &self,
        address: &Address,
        expect: &Expect,
        request: &Request,
        on_behalf_of: Option<&Identity>,
        timeout: Duration,
    ) -> Result<ResponseFrame, ChannelError> {
        let begin = tokio::time::Instant::now();
        let channel = tokio::time::timeout(timeout, self.channel(address, expect))
            .await
            .unwrap_or_else(|_| Err(unreachable(format!("{address}: no connection in time"))))?;
        channel.ask(request, on_behalf_of, timeout.saturating_sub(begin.elapsed())).await
    }

    fn open_or_dial(&self, address: &Address, expect: &Expect) -> Result<Channel, PendingDial> {
        let mut slots = self.0.slots();
        match slots.get(address) {
            Some(PoolSlot::Open(channel)) if !channel.is_ended() => return Ok(channel.clone()),
            Some(PoolSlot::Dialling(dial)) if dial.has_changed().is_ok() => return Err(dial.clone()),
            _ => {}
        }
        let (sender, dial) = watch::channel(None);
        slots.insert(address.clone(), PoolSlot::Dialling(dial.clone()));
        drop(slots);
        let task = SlotTask { shared: Arc::downgrade(&self.0), address: address.clone() };
        tokio::spawn(task.run(self.0.endpoint.clone(), expect.clone(), sender));
        Err(dial)
    }
}

impl PoolShared {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Address, PoolSlot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, address: &Address, event: ChannelEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer(address, event);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Looks after one slot, from the dial to the end of the channel. Does not
/// keep the pool alive, nor the channel.
struct SlotTask {
    shared: Weak<PoolShared>,
    address: Address,
}

impl SlotTask {
    async fn run(
        self,
        endpoint: Endpoint,
        expect: Expect,
        sender: watch::Sender<Option<Result<Channel, ChannelError>>>,
    ) {
        let result = Channel::connect(&endpoint, &self.address, &expect).await;
        drop(endpoint);
        let health = result.as_ref().ok().map(Channel::health);
        self.settle(&result);
        sender.send_replace(Some(result));
        drop(sender);
        if let Some(health) = health {
            self.watch(health).await;
        }
    }

    /// Puts the channel into its slot, or clears the slot.
    fn settle(&self, result: &Result<Channel, ChannelError>) {
        let Some(shared) = self.shared.upgrade() else { return };
        match result {
            Ok(channel) => {
                // First the observer: whoever finds the channel finds what it said.
                shared.observe(&self.address, ChannelEvent::Opened(channel));
                shared.slots().insert(self.address.clone(), PoolSlot::Open(channel.clone()));
            }
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "no connection");
                shared.slots().remove(&self.address);
                shared.observe(&self.address, ChannelEvent::Failed);
            }
        }
    }

    async fn watch(self, mut health: watch::Receiver<Health>) {
        while health.changed().await.is_ok() {
            let now = *health.borrow_and_update();
            let Some(shared) = self.shared.upgrade() else { return };
            if now == Health::Ended {
                let mut slots = shared.slots();
                if matches!(slots.get(&self.address), Some(PoolSlot::Open(channel)) if channel.is_ended()) {
                    slots.remove(&self.address);
                }
            }
            shared.observe(&self.address, ChannelEvent::Now(now));
            if now == Health::Ended {
                return;
            }
        }
    }
}

/// A channel that exists may lead to another node than the one that is wanted.
fn check(channel: &Channel, address: &Address, expect: &Expect) -> Result<(), ChannelError> {
    match expect {
        Expect::Node(name) if *name != channel.peer().name => {
            Err(ChannelError::NotSent(NotSentReason::Identity(format!(
                "{address} belongs to node {}; node {name} was expected",
                channel.peer().name
            ))))
        }
        _ => Ok(()),
    }
}

fn unreachable(what: String) -> ChannelError {
    ChannelError::NotSent(NotSentReason::Unreachable(what))
}

fn abandoned() -> ChannelError {
    unreachable("the dial was abandoned".into())
}
