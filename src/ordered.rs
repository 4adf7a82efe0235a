//! Maps and sets in the order of their keys, each a sorted slice.
//!
//! Owns: the searching. Never: anything of what is kept.
//! Flash is dear: std's B-tree is compiled anew, with 5 KB and more, for every pair of key and value, and there are
//! many here (150 KB of a board's binary). None of them is so large that moving its tail would be felt: the
//! largest hold a few thousand devices. What comes in great numbers at once is collected, and sorted once.

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Bound, Index, RangeBounds};

/// So many new ones are put in their places one by one; more are sorted together with the rest.
const FEW: usize = 8;

/// A map in the order of its keys. Looked up in logarithmic time, changed in linear time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrdMap<K, V> {
    /// Sorted by key, no key twice.
    entries: Vec<(K, V)>,
}

impl<K, V> OrdMap<K, V> {
    /// One without entries.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// All entries.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All entries, to change the values.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> + ExactSizeIterator {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All keys.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// All values.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// All keys, for good.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator {
        self.entries.into_iter().map(|(key, _)| key)
    }

    /// All values, for good.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        self.entries.into_iter().map(|(_, value)| value)
    }

    /// Keeps those of which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    /// Takes those out of which `leaves` holds.
    pub fn extract_if(&mut self, mut leaves: impl FnMut(&K, &V) -> bool) -> Vec<(K, V)> {
        self.entries.extract_if(.., |(key, value)| leaves(key, value)).collect()
    }

    /// The first entry.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.entries.first().map(|(key, value)| (key, value))
    }

    /// The last entry.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.entries.last().map(|(key, value)| (key, value))
    }

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        if self.entries.is_empty() { None } else { Some(self.entries.remove(0)) }
    }
}

impl<K: Ord, V> OrdMap<K, V> {
    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().and_then(|at| self.entries.get(at)).map(|(_, value)| value)
    }

    /// The value of `key`, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is a value of `key`.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Sets the value of `key`; what it was before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => self.entries.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes `key` out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// The place of `key`, to be filled if it is empty.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { place: self.place(&key), entries: &mut self.entries, key }
    }

    /// The entries with a key in `range`.
    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let before = match range.start_bound() {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.entries.partition_point(|(own, _)| own < key),
            Bound::Excluded(key) => self.entries.partition_point(|(own, _)| own <= key),
        };
        let until = match range.end_bound() {
            Bound::Unbounded => self.entries.len(),
            Bound::Included(key) => self.entries.partition_point(|(own, _)| own <= key),
            Bound::Excluded(key) => self.entries.partition_point(|(own, _)| own < key),
        };
        self.entries.get(before..until).unwrap_or_default().iter().map(|(key, value)| (key, value))
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }
}

/// The place of a key in a map.
pub struct Entry<'a, K, V> {
    entries: &'a mut Vec<(K, V)>,
    place: Result<usize, usize>,
    key: K,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The value there; the default one, if there was none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with_key(|_| V::default())
    }

    /// The value there; `value`, if there was none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with_key(|_| value)
    }

    /// The value there; one that is made, if there was none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        self.or_insert_with_key(|_| make())
    }

    /// The value there; one that is made for the key, if there was none.
    pub fn or_insert_with_key(self, make: impl FnOnce(&K) -> V) -> &'a mut V {
        let at = match self.place {
            Ok(at) => at,
            Err(at) => {
                let value = make(&self.key);
                self.entries.insert(at, (self.key, value));
                at
            }
        };
        &mut self.entries[at].1
    }
}

impl<K, V> Default for OrdMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for OrdMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the key is there")
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrdMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for OrdMap<K, V> {
    /// The last value of a key counts.
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, more: I) {
        let before = self.entries.len();
        self.entries.extend(more);
        if before + FEW >= self.entries.len() {
            for (key, value) in self.entries.split_off(before) {
                self.insert(key, value);
            }
        } else if !self.entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            self.entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            self.entries.dedup_by(|later, earlier| {
                let is_same = later.0 == earlier.0;
                if is_same {
                    std::mem::swap(later, earlier);
                }
                is_same
            });
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for OrdMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for OrdMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for OrdMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a OrdMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

/// A set in the order of its elements.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrdSet<K> {
    /// Sorted, none twice.
    elements: Vec<K>,
}

impl<K> OrdSet<K> {
    /// One without elements.
    pub const fn new() -> Self {
        Self { elements: Vec::new() }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Drops all.
    pub fn clear(&mut self) {
        self.elements.clear();
    }

    /// All elements.
    pub fn iter(&self) -> std::slice::Iter<'_, K> {
        self.elements.iter()
    }

    /// The first element.
    pub fn first(&self) -> Option<&K> {
        self.elements.first()
    }

    /// Takes the first element out.
    pub fn pop_first(&mut self) -> Option<K> {
        if self.elements.is_empty() { None } else { Some(self.elements.remove(0)) }
    }

    /// Keeps those of which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&K) -> bool) {
        self.elements.retain(keep);
    }
}

impl<K: Ord> OrdSet<K> {
    /// Whether `element` is in it.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(element).is_ok()
    }

    /// What is not in `other`.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        self.elements.iter().filter(|element| !other.contains(*element))
    }

    /// What is in `other` too.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a K> {
        self.elements.iter().filter(|element| other.contains(*element))
    }

    /// Puts `element` in; whether it was not there.
    pub fn insert(&mut self, element: K) -> bool {
        let place = self.place(&element);
        if let Err(at) = place {
            self.elements.insert(at, element);
        }
        place.is_err()
    }

    /// Takes `element` out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let place = self.place(element);
        if let Ok(at) = place {
            self.elements.remove(at);
        }
        place.is_ok()
    }

    fn place<Q: Ord + ?Sized>(&self, element: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.elements.binary_search_by(|own| own.borrow().cmp(element))
    }
}

impl<K> Default for OrdSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug> fmt::Debug for OrdSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord> Extend<K> for OrdSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, more: I) {
        let before = self.elements.len();
        self.elements.extend(more);
        if before + FEW >= self.elements.len() {
            for element in self.elements.split_off(before) {
                self.insert(element);
            }
        } else if !self.elements.is_sorted_by(|a, b| a < b) {
            self.elements.sort();
            self.elements.dedup();
        }
    }
}

impl<K: Ord> FromIterator<K> for OrdSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(elements: I) -> Self {
        let mut set = Self::new();
        set.extend(elements);
        set
    }
}

impl<K: Ord, const N: usize> From<[K; N]> for OrdSet<K> {
    fn from(elements: [K; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<K> IntoIterator for OrdSet<K> {
    type Item = K;
    type IntoIter = std::vec::IntoIter<K>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.into_iter()
    }
}

impl<'a, K> IntoIterator for &'a OrdSet<K> {
    type Item = &'a K;
    type IntoIter = std::slice::Iter<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_map_is_what_a_b_tree_is(
            first in prop::collection::vec((0u8..40, 0u16..9), 0..30),
            more in prop::collection::vec((0u8..40, 0u16..9), 0..30),
            changes in prop::collection::vec((0u8..40, 0u16..9, any::<bool>()), 0..40),
            (from, until) in (0u8..40, 0u8..40),
        ) {
            let mut map: OrdMap<u8, u16> = first.iter().copied().collect();
            let mut tree: BTreeMap<u8, u16> = first.into_iter().collect();
            map.extend(more.iter().copied());
            tree.extend(more);
            for (key, value, comes) in changes {
                if comes {
                    prop_assert_eq!(map.insert(key, value), tree.insert(key, value));
                    *map.entry(key.wrapping_add(1)).or_default() += value;
                    *tree.entry(key.wrapping_add(1)).or_default() += value;
                } else {
                    prop_assert_eq!(map.remove(&key), tree.remove(&key));
                    prop_assert_eq!(map.get_mut(&key), tree.get_mut(&key));
                }
                prop_assert!(map.iter().eq(tree.iter()));
            }
            let (from, until) = (from.min(until), from.max(until));
            prop_assert!(map.range(from..until).eq(tree.range(from..until)));
            prop_assert!(map.range(from..=until).rev().eq(tree.range(from..=until).rev()));
            prop_assert!(map.range(..until).eq(tree.range(..until)));
            prop_assert!(map.range(from..).eq(tree.range(from..)));
            let left = map.extract_if(|key, value| (u16::from(*key) + *value) % 2 == 0);
            prop_assert!(left.iter().all(|(key, value)| tree.remove(key) == Some(*value)));
            prop_assert_eq!(map.pop_first(), tree.pop_first());
            prop_assert!(map.iter().eq(tree.iter()));
        }

        #[test]
        fn a_set_is_what_a_b_tree_is(
            first in prop::collection::vec(0u8..40, 0..30),
            more in prop::collection::vec(0u8..40, 0..30),
            changes in prop::collection::vec((0u8..40, any::<bool>()), 0..40),
        ) {
            let mut set: OrdSet<u8> = first.iter().copied().collect();
            let mut tree: BTreeSet<u8> = first.into_iter().collect();
            let other: OrdSet<u8> = more.iter().copied().collect();
            let others: BTreeSet<u8> = more.iter().copied().collect();
            prop_assert!(set.difference(&other).eq(tree.difference(&others)));
            prop_assert!(set.intersection(&other).eq(tree.intersection(&others)));
            set.extend(more.iter().copied());
            tree.extend(more);
            for (element, comes) in changes {
                if comes {
                    prop_assert_eq!(set.insert(element), tree.insert(element));
                } else {
                    prop_assert_eq!(set.remove(&element), tree.remove(&element));
                }
                prop_assert_eq!(set.contains(&element), tree.contains(&element));
            }
            prop_assert_eq!(set.first(), tree.first());
            prop_assert!(set.iter().eq(tree.iter()));
        }
    }
}
