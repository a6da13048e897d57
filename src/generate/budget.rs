//! How much the engine holds in memory and computes at once.

use crate::model::ModelConfig;

/// How much the engine holds and computes at once. It decides speed and memory, not results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens in the key-value cache, rows times columns: with the longest possible answer it gives the batch size.
    pub cache_tokens: usize,
    /// Rows in one batch.
    pub rows_max: usize,
    /// Tokens in one pass over whole texts (prefill, choices, residuals).
    pub pass_tokens: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { cache_tokens: 1 << 15, rows_max: 128, pass_tokens: 1 << 12 }
    }
}

/// What a device has left beside a model's weights.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    /// Free memory, where it is known.
    pub bytes: Option<u64>,
    /// The largest tensor.
    pub tensor_bytes_max: u64,
}

impl Budget {
    /// As much as fits. A token keeps `blocks · 2 · key-value channels` floats in the cache; while it passes through a block
    /// it is as many as MLP and attention make of it, with texts of a thousand tokens in mind.
    pub fn fitting(config: &ModelConfig, limit: MemoryLimit) -> Self {
        const ASSUMED: u64 = 4 << 30;
        const SCORES_PER_HEAD: usize = 2 * 1024;
        let floats = |n: usize| (n * size_of::<f32>()) as u64;
        let inner = config.intermediate_size;
        let channels = config.num_key_value_heads * config.head_dim;
        let kept = floats(config.num_hidden_layers * 2 * channels);
        let passing = floats(3 * inner + 8 * config.hidden_size + SCORES_PER_HEAD * config.num_attention_heads);
        let bytes = limit.bytes.unwrap_or(ASSUMED);
        let within = |tokens: u64, width: usize, least: u64, most: u64| {
            tokens.min(limit.tensor_bytes_max / floats(width)).clamp(least, most) as usize
        };
        Self {
            // A cache that grows exists twice for a moment.
            cache_tokens: within(bytes / 4 / kept, channels, 1 << 10, 1 << 17),
            pass_tokens: within(bytes / 8 / passing, inner, 1 << 8, 1 << 12),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::released;

    #[test]
    fn a_budget_follows_shape_and_memory() {
        let check = |size: &str, gib: Option<u64>, tensor_mib: Option<u64>, cache_tokens: usize, pass_tokens: usize| {
            let tensor_bytes_max = tensor_mib.map_or(u64::MAX, |mib| mib << 20);
            let limit = MemoryLimit { bytes: gib.map(|gib| gib << 30), tensor_bytes_max };
            let budget = Budget::fitting(&released(size).unwrap(), limit);
            assert_eq!((budget.cache_tokens, budget.pass_tokens), (cache_tokens, pass_tokens), "{size} {gib:?}");
        };
        // 24 blocks x 2 x 128 channels x 4 bytes: 24 KiB a token.
        check("0.5B", Some(4), None, 43_690, 2_661);
        // 28 x 2 x 512 x 4: 112 KiB a token.
        check("7B", Some(40), None, 93_622, 4_096);
        check("7B", Some(4), None, 9_362, 939);
        check("7B", None, None, 9_362, 939);
        check("7B", Some(0), None, 1_024, 256);
        // One binding of wgpu's least: 128 MiB hold 65 536 tokens of one block's keys, and 1771 of an MLP.
        check("7B", Some(64), Some(128), 65_536, 1_771);
    }
}
