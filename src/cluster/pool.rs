//! Values that are held once: a cluster repeats its labels, owners and ports thousands of times.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::core::series::Labels;

/// Below so many there is nothing to gain from forgetting.
const FEW: usize = 1024;

/// A shared value that knows whether anyone else holds it.
pub(super) trait Shared: Clone + Eq + Hash {
    fn is_shared(&self) -> bool;
}

impl<T: ?Sized + Eq + Hash> Shared for Arc<T> {
    fn is_shared(&self) -> bool {
        Arc::strong_count(self) > 1
    }
}

impl Shared for Labels {
    fn is_shared(&self) -> bool {
        Labels::is_shared(self)
    }
}

/// Equal values, each once. What nobody else holds any more is forgotten now and then.
pub(super) struct Pool<T> {
    known: HashSet<T>,
    /// As soon as there are so many, those that are not needed any more are looked for.
    most: usize,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { known: HashSet::new(), most: FEW }
    }
}

impl<T: Shared> Pool<T> {
    /// The shared value that is equal to `value`.
    pub(super) fn share(&mut self, value: T) -> T {
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        self.insert(value)
    }

    fn insert(&mut self, value: T) -> T {
        if self.known.len() >= self.most {
            self.known.retain(Shared::is_shared);
            self.most = (2 * self.known.len()).max(FEW);
        }
        self.known.insert(value.clone());
        value
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

impl Pool<Arc<str>> {
    /// The shared string that is equal to `text`.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        match self.known.get(text) {
            Some(known) => Arc::clone(known),
            None => self.insert(text.into()),
        }
    }
}

impl<T: Eq + Hash> Pool<Arc<[T]>> {
    /// The shared list that is equal to `items`.
    pub(super) fn list(&mut self, items: Vec<T>) -> Arc<[T]>
    where
        Arc<[T]>: Borrow<[T]>,
    {
        match self.known.get(items.as_slice()) {
            Some(known) => Arc::clone(known),
            None => self.insert(items.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut pool = Pool::default();
        let (one, two) = (pool.text("vllm"), pool.text("vllm"));
        assert!(Arc::ptr_eq(&one, &two));
        assert!(!Arc::ptr_eq(&one, &pool.text("triton")));
    }

    #[test]
    fn what_nobody_needs_is_forgotten() {
        let mut pool = Pool::default();
        let kept = pool.text("kept");
        for number in 0..10 * FEW {
            pool.text(&number.to_string());
        }
        assert!(pool.len() <= FEW, "{}", pool.len());
        assert!(Arc::ptr_eq(&kept, &pool.text("kept")));
    }
}
