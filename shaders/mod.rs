//! The GPU's kernels, in Rust that CubeCL compiles for the device at hand: WGSL, SPIR-V, Metal, CUDA or HIP.
//!
//! One file per family. A file has its kernels and, for each, a function that launches it on contiguous tensors and knows
//! nothing of the model: `src/kernels/cube.rs` calls these behind the trait `FusedOps`, whose bodies in plain tensor code are
//! what every kernel is tested against. Sums are in f32 whatever the weights' dtype is.

pub mod attention;
pub mod attention_backward;
pub mod attention_tiles;
pub mod cache;
pub mod common;
pub mod decode;
pub mod halves;
pub mod loss;
pub mod norm;
pub mod optimiser;
pub mod product;
pub mod rope;
pub mod sample;
pub mod swiglu;
pub mod thin;
