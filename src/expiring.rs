//! A map whose entries have deadlines and whose size has a bound.
//!
//! Pure: `now` is passed in, nothing expires by itself. When it is full, the entry nearest to its
//! deadline makes room, so nobody can make it grow.

use std::time::Duration;

use crate::domain::Boot;
use crate::ordered::{OrdMap, OrdSet};

/// At most `capacity` entries, each until its deadline.
#[derive(Clone, Debug)]
pub struct ExpiringMap<K, V> {
    entries: OrdMap<K, (Boot, V)>,
    deadlines: OrdSet<(Boot, K)>,
    capacity: usize,
}

impl<K: Ord + Clone, V> ExpiringMap<K, V> {
    /// An empty map for `capacity` entries, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: OrdMap::new(), deadlines: OrdSet::new(), capacity: capacity.max(1) }
    }

    /// The value of `key`, if its deadline is not past.
    pub fn get(&self, key: &K, now: Boot) -> Option<&V> {
        self.entries.get(key).filter(|(deadline, _)| now < *deadline).map(|(_, value)| value)
    }

    /// Sets `key` to `value` until `ttl` after `now`.
    pub fn insert(&mut self, key: K, value: V, now: Boot, ttl: Duration) {
        self.remove(&key);
        self.handle_timeout(now);
        if self.entries.len() >= self.capacity
            && let Some((_, nearest)) = self.deadlines.pop_first()
        {
            self.entries.remove(&nearest);
        }
        let deadline = now.plus(ttl);
        self.deadlines.insert((deadline, key.clone()));
        self.entries.insert(key, (deadline, value));
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (deadline, value) = self.entries.remove(key)?;
        self.deadlines.remove(&(deadline, key.clone()));
        Some(value)
    }

    /// Drops what is past its deadline.
    pub fn handle_timeout(&mut self, now: Boot) {
        while let Some((deadline, key)) = self.deadlines.first().cloned()
            && deadline <= now
        {
            self.deadlines.pop_first();
            self.entries.remove(&key);
        }
    }

    /// How many entries there are, past ones included until `handle_timeout`.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(s: u64) -> Boot {
        Boot::from_millis(s * 1000)
    }

    #[test]
    fn an_entry_lives_until_its_deadline() {
        let mut map = ExpiringMap::with_capacity(4);
        map.insert("a", 1, at(0), Duration::from_secs(10));
        assert_eq!(map.get(&"a", at(9)), Some(&1));
        assert_eq!(map.get(&"a", at(10)), None);
        map.handle_timeout(at(10));
        assert!(map.is_empty());
    }

    #[test]
    fn reinsert_with_a_new_ttl_does_not_evict_early() {
        let mut map = ExpiringMap::with_capacity(4);
        map.insert("a", 1, at(0), Duration::from_secs(1));
        map.insert("a", 2, at(0), Duration::from_secs(9));
        map.handle_timeout(at(5));
        assert_eq!(map.get(&"a", at(5)), Some(&2));
    }

    #[test]
    fn a_full_map_gives_up_the_entry_nearest_to_its_end() {
        let mut map = ExpiringMap::with_capacity(2);
        map.insert("long", 1, at(0), Duration::from_secs(90));
        map.insert("short", 2, at(0), Duration::from_secs(10));
        map.insert("new", 3, at(0), Duration::from_secs(50));
        assert_eq!((map.len(), map.get(&"short", at(1))), (2, None));
        assert_eq!(map.get(&"long", at(1)), Some(&1));
    }
}
