//! How many requests each client has held at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::forwarded::ClientId;

/// A table that was once larger than this shrinks when most of it is empty.
const KEPT_CAPACITY: usize = 1_024;

/// The number of held requests of each client. It has no more entries than there are connections.
pub(crate) struct ClientLimits {
    /// For each client; 0 for no limit.
    max: usize,
    held: Mutex<HashMap<ClientId, usize>>,
}

/// One of a client's held requests. Dropping it frees the slot.
pub(crate) struct ClientSlot {
    limits: Arc<ClientLimits>,
    client: ClientId,
}

impl ClientLimits {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    /// Counts one more request of this client. Returns `None` if it has as many as it may.
    pub(crate) fn acquire(self: &Arc<Self>, client: ClientId) -> Option<Arc<ClientSlot>> {
        if self.max > 0 {
            let mut held = self.lock();
            let count = held.entry(client).or_default();
            if *count >= self.max {
                return None;
            }
            *count += 1;
        }
        Some(Arc::new(ClientSlot { limits: Arc::clone(self), client }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        // Nothing that could panic leaves the table half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        if self.limits.max == 0 {
            return;
        }
        let mut held = self.limits.lock();
        if let Entry::Occupied(mut entry) = held.entry(self.client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        if held.capacity() > KEPT_CAPACITY && held.len() < held.capacity() / 4 {
            let kept = held.len() * 2;
            held.shrink_to(kept);
        }
    }
}

impl fmt::Debug for ClientSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSlot")
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
    fn each_client_has_a_number_of_slots_and_gets_them_back() {
        let limits = Arc::new(ClientLimits::new(2));
        let (first, _second) = (limits.acquire(client(1)).unwrap(), limits.acquire(client(1)).unwrap());
        assert!(limits.acquire(client(1)).is_none());
        assert!(limits.acquire(client(2)).is_some());
        drop(first);
        assert!(limits.acquire(client(1)).is_some());
    }

    #[test]
    fn clients_that_have_gone_leave_no_memory_behind() {
        let limits = Arc::new(ClientLimits::new(10));
        let slots: Vec<_> = (0..20_000).filter_map(|n| limits.acquire(client(n % 5_000))).collect();
        assert_eq!(slots.len(), 20_000);
        drop(slots);
        let held = limits.lock();
        assert!(held.is_empty() && held.capacity() < 5_000, "{} of {}", held.len(), held.capacity());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = Arc::new(ClientLimits::new(0));
        let _slots: Vec<_> = (0..100).map(|_| limits.acquire(client(1)).unwrap()).collect();
        assert!(limits.lock().is_empty());
    }
}
