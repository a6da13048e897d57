//! stub
/// c
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct QwenConfig { pub vocab_size: usize, pub hidden_size: usize, pub num_key_value_heads: usize, pub head_dim: usize, pub rms_norm_eps: f64, pub rope_theta: f64 }
