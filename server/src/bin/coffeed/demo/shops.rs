//! All shops of the demo: which are open, and which opens next.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use coffee_common::id::{Address, NodeName};
use coffeectl::failure::Failure;
use futures_util::future::join_all;

use super::{premises::Premises, shop::Shop};

/// How long the first election may take.
const FIRST_LEADER: Duration = Duration::from_secs(10);

/// The shops of the demo, open and closed.
pub(super) struct Shops {
    /// Never empty; in the order in which they open.
    shops: Vec<Shop>,
}

impl Shops {
    /// Returns all shops, closed.
    pub(super) fn new(premises: &Premises) -> Self {
        Self { shops: premises.shops().iter().cloned().map(Shop::new).collect() }
    }

    /// Opens the shops that have data, or the first one of a new cluster, and
    /// waits for a leader.
    pub(super) async fn open(&mut self) -> Result<(), Failure> {
        for shop in self.shops.iter_mut().filter(|shop| shop.has_data()) {
            shop.open().await?;
        }
        // A first start that was interrupted may leave folders, and no cluster.
        if self.open_ones().all(Shop::waits)
            && let Some(first) = self.shops.first_mut()
        {
            first.open().await?;
            first.found().await?;
        }
        // A removed shop waits to be booted; it stays closed until then.
        let waiting = self.shops.iter_mut().filter(|shop| shop.waits());
        join_all(waiting.map(Shop::close)).await;
        self.wait_for_leader().await
    }

    /// Waits for a leader by a linearizable read.
    async fn wait_for_leader(&self) -> Result<(), Failure> {
        let Some(server) = self.shops.iter().find_map(Shop::server) else { return Ok(()) };
        let client = server.local_client()?.with_timeout(FIRST_LEADER);
        client.get("demo").await?;
        Ok(())
    }

    /// Closes all shops.
    pub(super) async fn close(&mut self) {
        join_all(self.shops.iter_mut().map(Shop::close)).await;
    }

    /// Waits for shops that are closing.
    pub(super) async fn settle(&self) {
        join_all(self.shops.iter().map(Shop::settle)).await;
    }

    /// Drops servers that have ended; returns the causes of failures.
    pub(super) fn reap(&mut self) -> Vec<String> {
        self.shops.iter_mut().filter_map(Shop::reap).collect()
    }

    /// The index of the shop with this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.shops.iter().position(|shop| shop.name().as_str() == name)
    }

    /// The index of the next shop to open: one that was never open, otherwise a closed one.
    pub(super) fn next(&self) -> Option<usize> {
        let closed = |shop: &Shop| !shop.is_open();
        let new = self.shops.iter().position(|shop| closed(shop) && !shop.has_data());
        new.or_else(|| self.shops.iter().position(closed))
    }

    /// The addresses of the open shops.
    pub(super) fn endpoints(&self) -> Vec<Address> {
        self.open_ones().map(Shop::address).collect()
    }

    /// The addresses of all shops.
    pub(super) fn all_endpoints(&self) -> Vec<Address> {
        self.shops.iter().map(Shop::address).collect()
    }

    /// The names of the open shops.
    pub(super) fn names_of_open(&self) -> Vec<&NodeName> {
        self.open_ones().map(Shop::name).collect()
    }

    fn open_ones(&self) -> impl Iterator<Item = &Shop> {
        self.shops.iter().filter(|shop| shop.is_open())
    }
}

impl Index<usize> for Shops {
    type Output = Shop;

    fn index(&self, index: usize) -> &Shop {
        &self.shops[index]
    }
}

impl IndexMut<usize> for Shops {
    fn index_mut(&mut self, index: usize) -> &mut Shop {
        &mut self.shops[index]
    }
}
