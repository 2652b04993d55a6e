//! How many requests one client has held.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::forwarded::ClientId;

/// A table that was once larger gives its memory back when most of it is empty.
const KEPT: usize = 1_024;

/// Clients by what they have held. There are no more of them than connections.
pub(in crate::edge) struct Addresses {
    /// For each; 0 for no limit.
    most: usize,
    held: Mutex<HashMap<ClientId, usize>>,
}

/// A held request's place among those of its client. Dropped, it is free.
pub(in crate::edge) struct Place {
    addresses: Arc<Addresses>,
    client: ClientId,
}

impl Addresses {
    pub(in crate::edge) fn new(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    /// One more for this client; none where it has as many as it may.
    pub(in crate::edge) fn take(self: &Arc<Self>, client: ClientId) -> Option<Arc<Place>> {
        if self.most > 0 {
            let mut held = self.lock();
            let count = held.entry(client).or_default();
            // Who has none yet may have one.
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Arc::new(Place { addresses: Arc::clone(self), client }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        // Nothing that could panic leaves this half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.addresses.most == 0 {
            return;
        }
        let mut held = self.addresses.lock();
        if let Entry::Occupied(mut entry) = held.entry(self.client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        if held.capacity() > KEPT && held.len() < held.capacity() / 4 {
            let kept = held.len() * 2;
            held.shrink_to(kept);
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(n: u32) -> ClientId {
        IpAddr::from(n.to_be_bytes()).into()
    }

    #[test]
    fn each_client_has_so_many_places_and_gets_them_back() {
        let addresses = Arc::new(Addresses::new(2));
        let (first, _second) = (addresses.take(client(1)).unwrap(), addresses.take(client(1)).unwrap());
        assert!(addresses.take(client(1)).is_none());
        assert!(addresses.take(client(2)).is_some());
        drop(first);
        assert!(addresses.take(client(1)).is_some());
    }

    #[test]
    fn nothing_is_left_of_clients_that_have_gone() {
        let addresses = Arc::new(Addresses::new(10));
        let places: Vec<_> = (0..20_000).filter_map(|n| addresses.take(client(n % 5_000))).collect();
        assert_eq!(places.len(), 20_000);
        drop(places);
        let held = addresses.lock();
        assert!(held.is_empty() && held.capacity() < 5_000, "{} of {}", held.len(), held.capacity());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let addresses = Arc::new(Addresses::new(0));
        let _places: Vec<_> = (0..100).map(|_| addresses.take(client(1)).unwrap()).collect();
        assert!(addresses.lock().is_empty());
    }
}
