//! The shops together: which is open, which opens next.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use coffee_client::cli::failure::Failure;
use coffee_common::id::{Address, NodeName};
use futures_util::future::join_all;

use super::{premises::Premises, shop::Shop};

/// How long the first shops may take until one leads.
const FIRST_LEADER: Duration = Duration::from_secs(10);

/// The shops of the demo, open and closed.
pub(super) struct Shops {
    /// Never empty, and in the order in which they open.
    shops: Vec<Shop>,
}

impl Shops {
    /// All of them, closed.
    pub(super) fn new(premises: &Premises) -> Self {
        Self { shops: premises.shops().iter().cloned().map(Shop::new).collect() }
    }

    /// Opens those that were open the last time, or else the first one of a
    /// new cluster, and waits until one of them leads.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        let is_new = !self.shops.iter().any(Shop::has_data);
        for (position, shop) in self.shops.iter_mut().enumerate() {
            if shop.has_data() || (is_new && position == 0) {
                shop.open(is_new).await?;
            }
        }
        // One that was taken down waits for somebody to bring it in again.
        let waiting = self.shops.iter_mut().filter(|shop| shop.waits());
        join_all(waiting.map(Shop::close)).await;
        self.wait_for_leader().await
    }

    /// A read that sees everything needs a leader: so it waits for one.
    async fn wait_for_leader(&self) -> Result<(), Failure> {
        let Some(server) = self.shops.iter().find_map(Shop::server) else { return Ok(()) };
        let client = server.local_client()?.with_timeout(FIRST_LEADER);
        client.get("demo").await?;
        Ok(())
    }

    /// Closes all of them.
    pub(super) async fn close(&mut self) {
        join_all(self.shops.iter_mut().map(Shop::close)).await;
    }

    /// Waits for those that are about to close.
    pub(super) async fn settle(&self) {
        join_all(self.shops.iter().map(Shop::settle)).await;
    }

    /// Lets go of those that have ended; says why, where it was not meant so.
    pub(super) fn bury(&mut self) -> Vec<String> {
        self.shops.iter_mut().filter_map(Shop::bury).collect()
    }

    /// The place of the one of this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.shops.iter().position(|shop| shop.name().as_str() == name)
    }

    /// The place of the one that opens next: one that never was open, or else one that was taken down.
    pub(super) fn next(&self) -> Option<usize> {
        let closed = |shop: &Shop| !shop.is_open();
        let new = self.shops.iter().position(|shop| closed(shop) && !shop.has_data());
        new.or_else(|| self.shops.iter().position(closed))
    }

    /// Where those that are open are reached.
    pub(super) fn endpoints(&self) -> Vec<Address> {
        self.open_ones().map(Shop::address).collect()
    }

    /// Where any of them is reached, once it is open.
    pub(super) fn all_endpoints(&self) -> Vec<Address> {
        self.shops.iter().map(Shop::address).collect()
    }

    /// Which are open.
    pub(super) fn names_of_open(&self) -> Vec<&NodeName> {
        self.open_ones().map(Shop::name).collect()
    }

    fn open_ones(&self) -> impl Iterator<Item = &Shop> {
        self.shops.iter().filter(|shop| shop.is_open())
    }
}

impl Index<usize> for Shops {
    type Output = Shop;

    fn index(&self, place: usize) -> &Shop {
        &self.shops[place]
    }
}

impl IndexMut<usize> for Shops {
    fn index_mut(&mut self, place: usize) -> &mut Shop {
        &mut self.shops[place]
    }
}
