//! Channels by address: dialled on demand, one dial at a time per address, shared
//! by all callers.
//!
//! Knows nothing of retries or leaders; reports the events of each channel to an
//! observer. A closed channel is dropped at once and dialled again on the next use.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use coffee_common::{
    id::Address,
    protocol::{Request, ResponseFrame},
    quic::{Endpoint, Expect},
    tls::Credentials,
};
use tokio::sync::watch;

use crate::{
    channel::{Channel, ChannelError, Envelope, Health},
    error::NotSentReason,
};

/// Channels by address. Cheap to clone; dropping the last clone closes the
/// channels.
#[derive(Clone)]
pub struct Pool(Arc<PoolShared>);

struct PoolShared {
    endpoint: Endpoint,
    slots: Mutex<BTreeMap<Address, PoolSlot>>,
    observer: Option<Observer>,
}

/// Observes the channels of a pool.
pub(crate) type Observer = Box<dyn Fn(&Address, ChannelEvent<'_>) + Send + Sync>;

/// An event of a channel.
pub(crate) enum ChannelEvent<'a> {
    /// The channel was opened.
    Opened(&'a Channel),
    /// The channel could not be opened.
    Failed,
    /// The health of the channel changed.
    Now(Health),
}

enum PoolSlot {
    Dialling(PendingDial),
    Open(Channel),
}

type PendingDial = watch::Receiver<Option<Result<Channel, ChannelError>>>;

impl Pool {
    /// Creates a pool that dials with `endpoint` and its credentials.
    pub fn new(endpoint: Endpoint) -> Self {
        Self(Arc::new(PoolShared { endpoint, slots: Mutex::default(), observer: None }))
    }

    pub(crate) fn observed(endpoint: Endpoint, observer: Observer) -> Self {
        Self(Arc::new(PoolShared { endpoint, slots: Mutex::default(), observer: Some(observer) }))
    }

    /// Returns the QUIC endpoint of the pool.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns the current credentials of the endpoint.
    pub fn credentials(&self) -> Credentials {
        self.0.endpoint.credentials()
    }

    /// Returns the channel to `address`, dialling if necessary. The dial continues if
    /// the caller stops waiting, and the next caller gets its result.
    ///
    /// # Errors
    /// [`ChannelError::NotSent`] if the node is unreachable or is not the expected one.
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

    /// Returns the channel to `address` if it is open and its node responsive.
    pub fn ready(&self, address: &Address, expect: &Expect) -> Option<Channel> {
        match self.0.slots().get(address) {
            Some(PoolSlot::Open(channel)) if channel.is_well() => Some(channel),
            _ => None,
        }
        .filter(|channel| check(channel, address, expect).is_ok())
        .cloned()
    }

    /// Returns whether there is a healthy channel to `address`, to any node.
    pub(crate) fn is_ready(&self, address: &Address) -> bool {
        matches!(self.0.slots().get(address), Some(PoolSlot::Open(channel)) if channel.is_well())
    }

    /// Starts to dial the address unless it is connected; does not wait.
    pub(crate) fn dial(&self, address: &Address, expect: &Expect) {
        let _ = self.open_or_dial(address, expect);
    }

    /// Has the next caller connect to `address` again. Requests in flight keep their channel.
    pub(crate) fn renew(&self, address: &Address) {
        let mut slots = self.0.slots();
        if matches!(slots.get(address), Some(PoolSlot::Open(_))) {
            slots.remove(address);
        }
    }

    /// Sends one request to the node at `address`, within `timeout` including the dial.
    /// Does not retry.
    ///
    /// # Errors
    /// Says whether the node may have received the request: see [`ChannelError`].
    pub async fn ask(
        &self,
        address: &Address,
        expect: &Expect,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<ResponseFrame, ChannelError> {
        let begin = tokio::time::Instant::now();
        let channel = tokio::time::timeout(timeout, self.channel(address, expect))
            .await
            .unwrap_or_else(|_| Err(unreachable(format!("{address}: no connection in time"))))?;
        channel.ask(request, envelope, timeout.saturating_sub(begin.elapsed())).await
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

/// Manages one slot from the dial to the end of the channel. Keeps neither the pool
/// nor the channel alive.
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
                // The observer first: a caller that finds the channel also finds what its welcome said.
                shared.observe(&self.address, ChannelEvent::Opened(channel));
                shared.slots().insert(self.address.clone(), PoolSlot::Open(channel.clone()));
            }
            Err(error) => {
                tracing::debug!(address = %self.address, %error, "connection failed");
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

/// An open channel may lead to another node than the expected one.
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
    unreachable("the connection attempt was abandoned".into())
}
