//! Keys and values of beginnings that other texts are known or likely to have too: a system prompt, examples, a
//! conversation so far. A text begins with the longest of them instead of reading it again.

use std::sync::Arc;

use super::prefix::{Marked, SHARED_MIN, common};
use crate::kernels::FusedOps;
use crate::model::KvCache;

/// Beginnings of texts with their keys and values, those that were used last. A budget of tokens bounds them.
pub(super) struct PrefixCache<B: FusedOps> {
    entries: Vec<Entry<B>>,
    tokens_max: usize,
    /// Counts uses.
    clock: usize,
    /// Tokens of prompts that were in no row and had to be read.
    pub missed: usize,
}

struct Entry<B: FusedOps> {
    text: Marked,
    /// One row, as wide as the text.
    cache: Arc<KvCache<B>>,
    used: usize,
}

impl<B: FusedOps> PrefixCache<B> {
    /// An empty one for so many tokens.
    pub fn new(tokens_max: usize) -> Self {
        Self { entries: Vec::new(), tokens_max, clock: 0, missed: 0 }
    }

    /// The row that has most in common with a text, and how many tokens; nothing below [`SHARED_MIN`].
    pub fn longest(&mut self, text: &[(u32, u64)]) -> Option<(Arc<KvCache<B>>, usize)> {
        let (shared, best) =
            self.entries.iter_mut().map(|entry| (common(&entry.text, text), entry)).max_by_key(|e| e.0)?;
        self.clock += 1;
        (shared >= SHARED_MIN).then(|| {
            best.used = self.clock;
            (best.cache.clone(), shared)
        })
    }

    /// Whether all of a text is kept.
    pub fn has(&self, text: &[(u32, u64)]) -> bool {
        self.entries.iter().any(|entry| entry.text.starts_with(text))
    }

    /// Keeps a row; it replaces those that it continues, and those that were not used for longest make room.
    pub fn insert(&mut self, text: Marked, cache: KvCache<B>) {
        if text.len() < SHARED_MIN || text.len() > self.tokens_max || self.has(&text) {
            return;
        }
        self.clock += 1;
        self.entries.retain(|entry| !text.starts_with(&entry.text));
        self.entries.push(Entry { text, cache: Arc::new(cache), used: self.clock });
        while self.entries.iter().map(|entry| entry.text.len()).sum::<usize>() > self.tokens_max {
            let oldest = (0..self.entries.len()).min_by_key(|&i| self.entries[i].used).expect("one was just added");
            self.entries.swap_remove(oldest);
        }
    }
}
