//! A map whose changes can be taken back until they are settled.
//!
//! The [`Gate`](super::Gate) applies records before they are on flash, so that several guests can share
//! one commit; if the commit fails, `revert` restores what was there, and the guests read "try again".

use std::ops::RangeBounds;

use crate::ordered::OrdMap;

/// An ordered map with a journal of what its changes replaced.
#[derive(Clone, Debug)]
pub(super) struct Book<K, V> {
    entries: OrdMap<K, V>,
    replaced: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Book<K, V> {
    fn default() -> Self {
        Self { entries: OrdMap::new(), replaced: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Book<K, V> {
    /// The value of `key`.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// All entries, in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// The entries within `keys`, in their order.
    pub(super) fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.entries.range(keys)
    }

    /// All values, in the order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values()
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Sets `key` to `value`.
    pub(super) fn put(&mut self, key: K, value: V) {
        let before = self.entries.insert(key.clone(), value);
        self.replaced.push((key, before));
    }

    /// Takes `key` out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.entries.remove(key)?;
        self.replaced.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    /// Changes the value of `key`, if there is one.
    pub(super) fn change(&mut self, key: &K, with: impl FnOnce(&mut V)) {
        if let Some(value) = self.entries.get_mut(key) {
            self.replaced.push((key.clone(), Some(value.clone())));
            with(value);
        }
    }

    /// Makes all changes since the last `settle` or `revert` final.
    pub(super) fn settle(&mut self) {
        self.replaced.clear();
    }

    /// Takes back all changes since the last `settle` or `revert`.
    pub(super) fn revert(&mut self) {
        while let Some((key, before)) = self.replaced.pop() {
            match before {
                Some(value) => self.entries.insert(key, value),
                None => self.entries.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revert_restores_what_settle_left() {
        let mut book = Book::default();
        book.put(1, "a");
        book.put(2, "b");
        book.settle();
        book.put(1, "x");
        book.put(1, "y");
        book.remove(&2);
        book.put(3, "c");
        book.change(&3, |value| *value = "d");
        book.revert();
        assert_eq!(book.iter().collect::<Vec<_>>(), [(&1, &"a"), (&2, &"b")]);
    }
}
